"""The agent streams, runs tools, keeps to its deadlines and never falls silent unnoticed."""

from collections.abc import AsyncGenerator, Sequence

import anyio
import anyio.lowlevel
import pytest

from stageflow.context import ContextSnapshot, Message
from stageflow.core import StageContext, StageOutput, StageStatus
from stageflow.testing import run_stage
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.agent import AgentStage
from stages.agent_profile import AgentLimits, AgentProfile, ToolUse
from stages.client_tools import client_tool
from stages.errors import ProviderBusy, StageSettingsError
from stages.live import LiveStages
from stages.ports import Expects, LanguageModel, ModelEvent, OneTool, TextDelta, ToolChoice, Usage
from stages.testing.fakes import Conduct, Said, ScriptedModel
from stages.testing.virtual_time import virtual
from tests.support.listener import Listener


async def clock(zone: str = "UTC") -> str:
    """The time of day."""
    return f"noon in {zone}"


CLOCK = Tool.of(clock, effect="none")
CALL = ToolCall("call_1", "clock", '{"zone": "Rome"}')


def profile(
    *script: str | Said, tools: Sequence[Tool] = (), may_be_silent: bool = False, **settings: int | str
) -> AgentProfile:
    return AgentProfile(
        "general",
        ScriptedModel(*script),
        str(settings.get("instructions", "")),
        ToolRegistry(tuple(tools)) if tools else None,
        int(settings["max_tokens"]) if "max_tokens" in settings else None,
        may_be_silent,
    )


def requests(agent: AgentProfile) -> list[tuple[tuple[Message, ...], tuple[Tool, ...], int | None]]:
    assert isinstance(agent.model, ScriptedModel)
    return [(request.messages, request.tools, request.max_tokens) for request in agent.model.requests]


EMPTY = ContextSnapshot()


async def answer(
    *profiles: AgentProfile,
    said: str = "Hello.",
    route: str = "general",
    limits: AgentLimits = AgentLimits(),
    listener: Listener | None = None,
    tools: ToolRegistry | None = None,
    snapshot: ContextSnapshot = EMPTY,
    **config: object,
) -> StageOutput:
    agent = AgentStage(profiles, limits)
    live = LiveStages(after_words=(), producers=("agent",), feeds=("agent",))

    async def shown(ctx: StageContext) -> StageOutput:
        return await live.around("agent", ctx, agent.execute)

    return await run_stage(
        shown,
        snapshot=snapshot,
        inputs={"stt": {"text": said}, "router": {"route": route}},
        ports=(listener or Listener()).ports(tools=tools),
        config=config,
    )


def failure(output: StageOutput) -> object:
    assert output.status is StageStatus.FAIL
    return output.data["error_type"]


async def test_tokens_go_out_one_by_one_and_joined_are_the_text() -> None:
    listener = Listener()
    output = await answer(profile("It is noon, as you know."), listener=listener)
    assert listener.tokens == ["It", " is", " noon,", " as", " you", " know."]
    assert output.data == {
        "text": "It is noon, as you know.",
        "response": "It is noon, as you know.",
        "route": "general",
        "usage": Usage(input_tokens=1, output_tokens=6),
        "tool_calls": (),
        "client_calls": (),
        "finish_reason": "stop",
        "expects": None,
    }


async def test_characters_that_a_server_cut_in_half_are_whole_for_all_who_are_told() -> None:
    listener = Listener()
    output = await answer(profile(Said("Yes \ud83d \ude00, a \ud83d")), listener=listener)
    assert "".join(listener.tokens) == output.data["text"] == "Yes \ufffd \ufffd, a \ufffd"


async def test_what_the_model_says_it_asks_for_is_passed_on() -> None:
    output = await answer(profile(Said("And your number?", expects=Expects.PHONE)))
    assert output.data["expects"] is Expects.PHONE


async def test_the_model_is_told_instructions_history_and_words() -> None:
    agent = profile("Yes.", instructions="Be brief.")
    history = (Message(role="user", content="Hi."), Message(role="assistant", content="Good day."))
    await answer(agent, said="Are you there?", snapshot=ContextSnapshot(messages=history))
    [(messages, tools, max_tokens)] = requests(agent)
    assert [(message.role, message.content) for message in messages] == [
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "Good day."),
        ("user", "Are you there?"),
    ]
    assert (tools, max_tokens) == ((), None)


async def test_the_route_picks_the_profile() -> None:
    other = AgentProfile("billing", ScriptedModel("About the invoice."))
    output = await answer(profile("Hello."), other, route="billing")
    assert (output.data["text"], output.data["route"]) == ("About the invoice.", "billing")


async def test_a_run_may_limit_the_tokens_further() -> None:
    agent = profile("One two three.", max_tokens=100)
    output = await answer(agent, max_tokens=2)
    assert (output.data["text"], output.data["finish_reason"]) == ("One two", "length")
    await answer(agent)
    assert [request[2] for request in requests(agent)] == [2, 100]


# --- tools ----------------------------------------------------------------------------------------------


async def test_a_tool_is_run_and_its_result_told() -> None:
    agent = profile(Said("Let me see.", (CALL,)), "It is noon.", tools=(CLOCK,))
    listener = Listener()
    output = await answer(agent, listener=listener)
    assert output.data["text"] == "".join(listener.tokens) == "Let me see. It is noon."
    assert output.data["usage"] == Usage(input_tokens=1 + 7, output_tokens=6)
    [use] = output.data["tool_calls"]
    assert isinstance(use, ToolUse)
    assert (use.call, use.result.ok, use.result.text) == (CALL, True, "noon in Rome")
    asked_again = requests(agent)[1][0]
    assert asked_again[1] == Message(role="assistant", content="Let me see.", tool_calls=(CALL,))
    assert (asked_again[2].role, asked_again[2].content) == ("tool", "noon in Rome")
    assert asked_again[2].tool_call_id == "call_1"


async def test_the_session_s_tools_replace_the_profile_s() -> None:
    async def sundial() -> str:
        """The time of day, weather permitting."""
        return "a shadow at noon"

    session = ToolRegistry((Tool.of(sundial, effect="none"),))
    agent = profile(Said(calls=(ToolCall("1", "sundial"),)), "Noon.", tools=(CLOCK,))
    output = await answer(agent, tools=session)
    assert requests(agent)[0][1] == session.tools
    assert output.data["tool_calls"][0].result.text == "a shadow at noon"


async def test_after_the_last_round_the_model_must_speak() -> None:
    agent = profile(Said("Again.", (CALL,)), tools=(CLOCK,))
    output = await answer(agent, limits=AgentLimits(tool_rounds=2))
    assert [len(tools) for _, tools, _ in requests(agent)] == [1, 1, 0]
    assert (output.status, output.data["finish_reason"]) == (StageStatus.OK, "tool_calls")
    assert len(output.data["tool_calls"]) == 2
    assert output.data["text"] == "Again. Again. Again."


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (ToolCall("1", "compass"), "unknown_tool"),
        (ToolCall("1", "clock", "not json"), "bad_arguments"),
        (ToolCall("1", "broken"), "exception"),
        (ToolCall("1", "stuck"), "timeout"),
    ],
)
async def test_a_tool_that_goes_wrong_becomes_a_result(call: ToolCall, error: str) -> None:
    async def broken() -> str:
        """Breaks."""
        raise LookupError("nothing there")

    async def stuck() -> str:
        """Never ends."""
        await anyio.sleep_forever()
        return ""

    tools = (CLOCK, Tool.of(broken, effect="none"), Tool.of(stuck))
    agent = profile(Said(calls=(call,)), "That did not work.", tools=tools)
    output = await answer(agent, limits=AgentLimits(tool_s=0.02))
    assert output.data["tool_calls"][0].result.error == error
    assert output.data["text"] == "That did not work."
    assert requests(agent)[1][0][-1].content == output.data["tool_calls"][0].result.text


@pytest.mark.parametrize("effect", ["none", "irreversible"])
async def test_harmless_tools_run_at_once_and_others_one_by_one(effect: str) -> None:
    running = most = 0

    async def work(steps: int) -> int:
        """Takes a while."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        running -= 1
        return steps

    tool = Tool.of(work, effect="none") if effect == "none" else Tool.of(work)
    calls = tuple(ToolCall(str(steps), "work", {"steps": steps}) for steps in (9, 6, 3))
    output = await answer(profile(Said(calls=calls), "Done.", tools=(tool,)))
    assert most == (3 if effect == "none" else 1)
    assert [use.result.text for use in output.data["tool_calls"]] == ["9", "6", "3"]


# --- when the model fails -------------------------------------------------------------------------------


async def test_saying_nothing_is_a_failure_unless_it_is_wanted() -> None:
    output = await answer(profile(Said(" ", reason="content_filter")))
    assert failure(output) == "ProviderError"
    assert output.error == "the model said nothing at all (it finished by 'content_filter')"
    output = await answer(profile(Said(""), may_be_silent=True))
    assert (output.status, output.data["text"]) == (StageStatus.OK, "")


async def test_a_failing_model_is_named_and_what_it_said_has_been_sent() -> None:
    listener = Listener()
    output = await answer(
        profile(Said("One two three.", conduct=Conduct(fails=ProviderBusy, after=2))), listener=listener
    )
    assert failure(output) == "ProviderBusy"
    assert listener.tokens == ["One", " two"]


class BusyOnce(ScriptedModel):
    """Refuses its second request once, before it gives anything that could be read."""

    is_busy = True

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        if self.requests and self.is_busy:
            self.is_busy = False
            raise ProviderBusy("too much to do")
        return super().stream(messages, tools=tools, tool_choice=tool_choice, max_tokens=max_tokens)


async def test_a_request_that_is_refused_at_once_is_made_once_more_also_after_a_tool() -> None:
    model = BusyOnce(Said("Let me see.", (CALL,)), "It is noon.")
    output = await answer(AgentProfile("general", model, tools=ToolRegistry((CLOCK,))))
    assert (output.data["text"], model.is_busy) == ("Let me see. It is noon.", False)


class Endless:
    """A model that speaks without ever finishing, or stops without saying so; it knows when it was let go."""

    def __init__(self, tokens: int, *, hangs: bool = True) -> None:
        self.tokens = tokens
        self.hangs = hangs
        self.is_closed = False

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        try:
            for _ in range(self.tokens):
                yield TextDelta("word ")
            if self.hangs:
                await anyio.sleep_forever()
        finally:
            self.is_closed = True


async def test_an_answer_that_breaks_off_is_a_failure() -> None:
    output = await answer(AgentProfile("general", Endless(3, hangs=False)))
    assert failure(output) == "ProviderError"
    assert "broke off" in str(output.error)


@pytest.mark.parametrize(
    ("tokens", "limits", "complaint"),
    [
        (0, AgentLimits(first_token_s=0.01), "the model did not begin to answer within 0.01 s"),
        (0, AgentLimits(answer_s=0.01), "the model took longer than 0.01 s for an answer"),
        (
            2,
            AgentLimits(first_token_s=0.01, answer_s=0.05),
            "the model took longer than 0.05 s for an answer",
        ),
    ],
)
async def test_a_model_that_hangs_is_given_up_and_closed(
    tokens: int, limits: AgentLimits, complaint: str
) -> None:
    model = Endless(tokens)
    output = await answer(AgentProfile("general", model), limits=limits)
    assert (failure(output), output.error) == ("ProviderTimeout", complaint)
    assert model.is_closed


@virtual
async def test_the_listener_s_time_is_not_the_model_s() -> None:
    class Slow(Listener):
        async def send_token(self, token: str) -> None:
            await anyio.sleep(0.02)

    output = await answer(
        profile("One two three four five."),
        limits=AgentLimits(first_token_s=0.05, answer_s=0.05),
        listener=Slow(),
    )
    assert output.status is StageStatus.OK


@virtual
async def test_cancelled_it_lets_the_model_go() -> None:
    model: LanguageModel = Endless(2)
    with anyio.move_on_after(0.01) as scope:
        await answer(AgentProfile("general", model))
    assert scope.cancelled_caught
    assert isinstance(model, Endless)
    assert model.is_closed


# --- settings -------------------------------------------------------------------------------------------


def test_profiles_must_be_told_apart() -> None:
    with pytest.raises(StageSettingsError, match="'general' is there more than once"):
        AgentStage((profile(), profile()))
    with pytest.raises(StageSettingsError, match="there is no profile"):
        AgentStage(())


async def test_a_route_that_leads_nowhere_names_those_that_do() -> None:
    with pytest.raises(StageSettingsError, match="'moon' leads to no profile; there are general"):
        await answer(profile(), route="moon")


# --- tools of the client's --------------------------------------------------------------------------------

WEATHER = client_tool("weather", "How the weather is.", {"type": "object"})
ASK_WEATHER = ToolCall("call_2", "weather", '{"city": "Rome"}')


def choices(agent: AgentProfile) -> list[tuple[list[str], ToolChoice]]:
    assert isinstance(agent.model, ScriptedModel)
    return [([tool.name for tool in asked.tools], asked.tool_choice) for asked in agent.model.requests]


async def test_a_call_of_the_clients_tool_ends_the_turn() -> None:
    general = profile(Said("Let me look.", (ASK_WEATHER,)), "Never asked.")
    output = await answer(general, client_tools=(WEATHER,))
    assert (output.data["text"], output.data["finish_reason"]) == ("Let me look.", "tool_calls")
    assert output.data["client_calls"] == (ASK_WEATHER,)
    assert choices(general) == [(["weather"], "auto")]


async def test_tools_of_both_called_at_once_are_run_here_and_handed_over() -> None:
    general = profile(Said(calls=(ASK_WEATHER, CALL)), tools=[CLOCK])
    output = await answer(general, client_tools=(WEATHER,))
    assert output.data["client_calls"] == (ASK_WEATHER,)
    assert [(use.call, use.result.text) for use in output.data["tool_calls"]] == [(CALL, "noon in Rome")]


async def test_the_clients_tool_takes_the_place_of_ours_by_the_same_name() -> None:
    theirs = client_tool("clock", "Their time.", {"type": "object"})
    output = await answer(profile(Said(calls=(CALL,)), tools=[CLOCK]), client_tools=(theirs,))
    assert (output.data["client_calls"], output.data["tool_calls"]) == ((CALL,), ())


@pytest.mark.parametrize(
    ("choice", "offered", "told"),
    [
        ("auto", ["clock", "weather"], "auto"),
        ("none", ["clock"], "auto"),
        ("required", ["clock", "weather"], "required"),
        (OneTool("weather"), ["clock", "weather"], OneTool("weather")),
        (OneTool("nobody's"), ["clock", "weather"], "auto"),
        (OneTool("clock"), ["clock", "weather"], "auto"),
    ],
)
async def test_the_choice_is_about_the_clients_tools(
    choice: ToolChoice, offered: list[str], told: ToolChoice
) -> None:
    general = profile("Fine.", tools=[CLOCK])
    await answer(general, client_tools=(WEATHER,), tool_choice=choice)
    assert choices(general) == [(offered, told)]


async def test_without_tools_of_the_clients_there_is_nothing_to_require() -> None:
    general = profile("Fine.", tools=[CLOCK])
    await answer(general, tool_choice="required")
    assert choices(general) == [(["clock"], "auto")]


async def test_results_of_the_clients_tools_are_answered_without_a_new_question() -> None:
    general = profile("It is sunny.")
    told = (
        Message(role="user", content="And in Rome?"),
        Message(role="assistant", tool_calls=(ASK_WEATHER,)),
        Message(role="tool", content="sunny", tool_call_id="call_2"),
    )
    await answer(general, said="", snapshot=ContextSnapshot(messages=told))
    assert requests(general)[0][0] == told
