"""The whole way from words to speech over scripted providers: streaming, blocking, failing, cancelling."""

from collections.abc import AsyncGenerator, Sequence

import anyio
import pytest

from stageflow.context import ContextSnapshot, Message
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.errors import PipelineCancelled, StageFailed
from stageflow.pipeline import Pipeline, PipelineGraph
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.agent import AgentStage
from stages.agent_profile import AgentLimits, AgentProfile
from stages.errors import ProviderBusy, StageSettingsError
from stages.guard import GuardPolicy, GuardRule, GuardStage
from stages.pipeline import VoicePipelineConfig, live_pipelines, standard_pipeline
from stages.ports import Finished, LanguageModel, ModelEvent, TextDelta, ToolChoice
from stages.router import Route, RouterStage
from stages.stt import SttStage
from stages.testing.fakes import (
    Conduct,
    EchoModel,
    Heard,
    Said,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
)
from stages.testing.virtual_time import virtual
from stages.tts import TtsStage
from tests.support.listener import Listener, speak_into
from tests.support.patience import PATIENCE_S

BLOCK_SPAM = GuardPolicy((GuardRule("adverts", words=("spam",)),))
SPOKEN = ContextSnapshot()


def config(model: LanguageModel, tools: Sequence[Tool] = ()) -> VoicePipelineConfig:
    return VoicePipelineConfig(
        (AgentProfile("general", model, tools=ToolRegistry(tuple(tools))),), policy=BLOCK_SPAM
    )


def spoken(config: VoicePipelineConfig, voice: ScriptedVoice) -> PipelineGraph:
    return live_pipelines(standard_pipeline(config, voice)).voice


def written(config: VoicePipelineConfig) -> PipelineGraph:
    return live_pipelines(standard_pipeline(config)).text


async def test_a_spoken_turn_is_answered_in_speech() -> None:
    listener = Listener()
    graph = spoken(config(EchoModel()), ScriptedVoice())
    utterance = speak_into(ScriptedRecogniser("What time is it?").open())
    results = await graph.run(SPOKEN, ports=listener.ports(utterance))
    assert listener.transcripts == ["What time is it?"]
    assert "".join(listener.tokens) == listener.text == "You said: What time is it?"
    assert results.data("agent")["text"] == listener.text
    assert results.data("router")["route"] == "general"
    assert results.data("guard") == {"passed": True}
    assert len(listener.audio) > 24_000


async def test_a_typed_turn_may_be_answered_in_text() -> None:
    listener = Listener()
    results = await written(config(EchoModel())).run(
        ContextSnapshot(input_text="Hi."), ports=listener.ports()
    )
    assert results.data("agent")["text"] == "".join(listener.tokens) == "You said: Hi."
    assert (listener.chunks, listener.transcripts) == ([], [])


class Waiting:
    """A model that speaks, waits for an event, and goes on. It knows whether it was let go before its end."""

    def __init__(self, event: anyio.Event, before: str = "Of course, ", after: str = "here I am.") -> None:
        self.event = event
        self.before = before
        self.after = after
        self.is_closed_early = False

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        try:
            yield TextDelta(self.before)
            await self.event.wait()
            yield TextDelta(self.after)
        except BaseException:
            self.is_closed_early = True
            raise
        yield Finished()


async def test_the_first_audio_is_there_before_the_model_has_finished() -> None:
    listener = Listener()
    graph = spoken(config(Waiting(listener.heard)), ScriptedVoice())
    with anyio.fail_after(PATIENCE_S):
        await graph.run(ContextSnapshot(input_text="Are you there?"), ports=listener.ports())
    assert listener.text == "Of course, here I am."


async def test_blocked_words_end_the_turn_with_a_refusal() -> None:
    model = ScriptedModel()
    graph = spoken(config(model), ScriptedVoice())
    with pytest.raises(PipelineCancelled) as caught:
        await graph.run(ContextSnapshot(input_text="Want some s p a m?"), ports=Listener().ports())
    assert caught.value.stage == "guard"
    assert caught.value.data["refusal"] == "Sorry, I can't help with that."
    assert caught.value.data["category"] == "adverts"


async def test_the_guard_may_take_its_time_and_still_cut_the_agent_off() -> None:
    class Pondering(GuardStage):
        async def execute(self, ctx: StageContext) -> StageOutput:
            await listener.heard.wait()
            return await super().execute(ctx)

    listener, model = Listener(), Waiting(anyio.Event())
    graph = live_pipelines(
        Pipeline()
        .with_stage("stt", SttStage())
        .with_stage("guard", Pondering(BLOCK_SPAM), StageKind.GUARD, dependencies=("stt",))
        .with_stage("router", RouterStage((Route("general"),), "general"), dependencies=("stt",))
        .with_stage("agent", AgentStage((AgentProfile("general", model),)), dependencies=("stt", "router"))
        .with_stage("tts", TtsStage(ScriptedVoice()), streams=("agent",))
    ).voice
    with anyio.fail_after(PATIENCE_S), pytest.raises(PipelineCancelled) as caught:
        await graph.run(ContextSnapshot(input_text="spam"), ports=listener.ports())
    assert caught.value.stage == "guard"
    assert model.is_closed_early
    assert "".join(listener.tokens) == "Of course, "
    assert not any(chunk.is_final for chunk in listener.chunks)


async def test_a_turn_without_words_ends_quietly() -> None:
    listener = Listener()
    graph = spoken(config(EchoModel()), ScriptedVoice())
    utterance = speak_into(ScriptedRecogniser("").open())
    with pytest.raises(PipelineCancelled) as caught:
        await graph.run(SPOKEN, ports=listener.ports(utterance))
    assert (caught.value.stage, caught.value.data["declined"]) == ("stt", True)
    assert (listener.tokens, listener.chunks, listener.transcripts) == ([], [], [])


@pytest.mark.parametrize("stage", ["stt", "agent", "tts"])
@pytest.mark.parametrize("is_late", [False, True])
async def test_whichever_provider_fails_is_named(stage: str, is_late: bool) -> None:
    breaks = Conduct(fails=ProviderBusy, after=1 if is_late else 0)
    conduct = {name: breaks if name == stage else Conduct() for name in ("stt", "agent", "tts")}
    graph = spoken(
        config(ScriptedModel(Said("One, two, three.", conduct=conduct["agent"]))),
        ScriptedVoice(conduct["tts"]),
    )
    utterance = speak_into(ScriptedRecogniser(Heard("Count!", conduct=conduct["stt"])).open())
    with anyio.fail_after(PATIENCE_S), pytest.raises(StageFailed) as caught:
        await graph.run(SPOKEN, ports=Listener().ports(utterance))
    assert (caught.value.stage, caught.value.data["error_type"]) == (stage, "ProviderBusy")


async def test_words_before_a_tool_s_work_are_heard_while_it_works() -> None:
    listener = Listener()

    async def search() -> str:
        """Looks for a table; takes until the person has heard that it does."""
        await listener.heard.wait()
        return "one by the window"

    model = ScriptedModel(Said("Let me see.", (ToolCall("1", "search"),)), "There is one by the window.")
    graph = spoken(config(model, (Tool.of(search, effect="none"),)), ScriptedVoice())
    with anyio.fail_after(PATIENCE_S):
        results = await graph.run(ContextSnapshot(input_text="A table?"), ports=listener.ports())
    assert listener.pieces == ["Let me see.", " There is one by the window."]
    assert results.data("agent")["tool_calls"][0].result.text == "one by the window"


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08])
@virtual
async def test_cancelled_at_any_moment_it_ends_and_is_silent(seconds: float) -> None:
    listener = Listener()
    slow = Conduct(delay_s=0.01, gap_s=0.002)
    graph = spoken(
        config(ScriptedModel(Said("Of course, it is noon. " * 10, conduct=slow))), ScriptedVoice(slow)
    )
    utterance = speak_into(ScriptedRecogniser(Heard("What time is it?", conduct=slow)).open())
    with anyio.move_on_after(seconds) as scope:
        await graph.run(SPOKEN, ports=listener.ports(utterance))
    late_s = anyio.current_time() - scope.deadline
    assert scope.cancelled_caught
    assert late_s == 0, "nothing is waited for"
    sent = len(listener.tokens), len(listener.chunks)
    await anyio.sleep(0.02)
    assert (len(listener.tokens), len(listener.chunks)) == sent


async def test_many_turns_share_a_graph_and_do_not_mix() -> None:
    slow = Conduct(gap_s=0.001)
    graph = spoken(config(EchoModel(conduct=slow)), ScriptedVoice(slow))
    listeners = [Listener() for _ in range(10)]

    async def talk(number: int, listener: Listener) -> None:
        await graph.run(ContextSnapshot(input_text=f"I am number {number}."), ports=listener.ports())

    async with anyio.create_task_group() as group:
        for number, listener in enumerate(listeners):
            group.start_soon(talk, number, listener)
    assert [listener.text for listener in listeners] == [f"You said: I am number {n}." for n in range(10)]


async def test_routes_lead_to_agents_and_a_conversation_stays_with_its_agent() -> None:
    setting = VoicePipelineConfig(
        (
            AgentProfile("general", ScriptedModel("General.")),
            AgentProfile("billing", ScriptedModel("Bills.")),
        ),
        (Route("general"), Route("billing", keywords=("invoice",))),
        agent_limits=AgentLimits(),
    )
    graph = written(setting)
    first = await graph.run(ContextSnapshot(input_text="My invoice, please."))
    assert (first.data("agent")["text"], first.data("agent")["route"]) == ("Bills.", "billing")
    metadata = {"route": first.data("agent")["route"]}
    second = await graph.run(ContextSnapshot(input_text="Yes, that one.", metadata=metadata))
    assert second.data("agent")["text"] == "Bills."
    third = await graph.run(ContextSnapshot(input_text="Yes, that one."))
    assert third.data("agent")["text"] == "General."


def test_routes_and_profiles_must_belong_together() -> None:
    profiles = (AgentProfile("a", EchoModel()), AgentProfile("b", EchoModel()))
    with pytest.raises(StageSettingsError) as caught:
        VoicePipelineConfig(profiles, (Route("a"), Route("c"), Route("d")))
    assert caught.value.faults == (
        "route 'c' leads to no profile",
        "route 'd' leads to no profile",
        "no route leads to profile 'b'",
    )
    with pytest.raises(StageSettingsError, match="no route leads to profile 'a'"):
        VoicePipelineConfig(profiles)
    with pytest.raises(StageSettingsError, match="the default 'b' is not among the routes"):
        written(VoicePipelineConfig(profiles[:1], default_route="b"))
