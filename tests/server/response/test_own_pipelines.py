"""A pipeline that somebody has edited, in virtual time: what was heard of it, and what is done beside it."""

from dataclasses import replace
from functools import partial

import anyio
import pytest

from server.config.languages import PHRASES
from server.domain.deadlines import Deadlines
from stageflow.core import AnyStage, StageContext, StageKind, StageOutput
from stageflow.pipeline import Pipeline
from stageflow.tools import Tool, ToolCall
from stages.contract import PipelineHook
from stages.testing.fakes import Conduct, Said
from tests.support.stage import SlowGuard, Stage, play, speak, voice_v1
from tests.support.trace_checker import check_trace

COUNT = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."
DONE = "response.done"


async def longer(ctx: StageContext) -> StageOutput:
    """Says more than the agent."""
    async for token in ctx.inputs.stream("agent"):
        await ctx.stream.send(token.replace("two", "two and a half"))
    return StageOutput.ok()


async def broken(ctx: StageContext) -> StageOutput:
    """Has a fault."""
    async for token in ctx.inputs.stream("agent"):
        await ctx.stream.send(token)
        raise KeyError(token)
    return StageOutput.ok()


def test_the_log_says_where_a_stage_of_ones_own_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("count")
        await stage.wire.until(DONE)

    play(lambda: Stage(COUNT, hook=lambda one: one.insert("broken", broken, between=("agent", "tts"))), story)
    assert "stage 'broken' failed: KeyError at test_own_pipelines.py:" in caplog.text


def filtered(pipeline: Pipeline) -> Pipeline:
    return pipeline.insert("longer", longer, between=("agent", "tts"))


def test_of_a_filtered_answer_history_has_what_was_heard() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("count")
        first = await stage.wire.until("response.output_item.added")
        await stage.wire.until("x_words")
        await anyio.sleep(2.0)
        stage.wire.say("x_playback", item_id=first["item"]["id"], played_samples=24_000 + 12_000)
        await anyio.sleep(0.1)
        stage.wire.say("response.cancel")
        await stage.wire.until(DONE)
        stage.ask("go on", "text")
        await stage.wire.until(DONE, 2)

    stage = play(partial(Stage, COUNT, "Bye.", hook=filtered, dialect=voice_v1), story)
    heard = next(m.content for m in stage.model.requests[-1].messages if m.role == "assistant")
    assert heard.startswith("one two and a half")
    assert "sixteen" not in heard
    whole = COUNT.replace("two", "two and a half")
    assert whole.startswith(heard.split("\n")[0].rstrip(" .…—-")[:18])
    words = [
        word["text"] for event in stage.wire.events() if event["type"] == "x_words" for word in event["words"]
    ]
    assert "".join(words).startswith("one two and a half three")


class Saves:
    """A WORK stage that takes its time."""

    kind = StageKind.WORK

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.saved: list[str] = []

    async def execute(self, ctx: StageContext) -> StageOutput:
        await anyio.sleep(self.delay_s)
        self.saved.append(ctx.inputs.get("response"))
        return StageOutput.ok()


def saving(saves: Saves, pipeline: Pipeline) -> Pipeline:
    return pipeline.with_stage("save", saves, dependencies=("agent",))


def test_work_does_not_delay_the_end_and_outlives_an_interruption() -> None:
    saves = Saves(delay_s=10)

    async def story(stage: Stage) -> None:
        stage.ask("count")
        await stage.wire.until("response.output_audio.delta")
        await anyio.sleep(1.0)
        stage.wire.say("response.cancel")
        await stage.wire.until(DONE)
        assert saves.saved == []
        await anyio.sleep(11)

    play(partial(Stage, COUNT, hook=partial(saving, saves)), story)
    assert saves.saved == [COUNT]


def test_of_what_is_refused_no_work_is_done() -> None:
    saves = Saves()

    def hook(pipeline: Pipeline) -> Pipeline:
        return saving(saves, pipeline.replace("guard", SlowGuard(blocks=True)))

    async def story(stage: Stage) -> None:
        stage.ask("count")
        await stage.wire.until(DONE)
        await anyio.sleep(5)

    stage = play(partial(Stage, COUNT, hook=hook), story)
    assert saves.saved == []
    [done] = [event for event in stage.wire.events() if event["type"] == DONE]
    assert done["response"]["output"][0]["content"][0]["transcript"] == "I must not."


def test_an_agent_that_says_nothing_at_all_is_apologised_for(caplog: pytest.LogCaptureFixture) -> None:
    class Mute:
        name = "agent"
        kind = StageKind.AGENT

        async def execute(self, ctx: StageContext) -> StageOutput:
            return StageOutput.ok(mood="thoughtful")

    async def story(stage: Stage) -> None:
        stage.ask("hello")
        done = await stage.wire.until(DONE)
        assert done["response"]["status"] == "failed"

    play(partial(Stage, agent=Mute()), story)
    assert "stage 'agent' failed: NoAnswer: it gave neither words nor a `text`" in caplog.text


def agent_that(does: AnyStage, timeout_s: float | None = None) -> PipelineHook:
    def hook(pipeline: Pipeline) -> Pipeline:
        there = {spec.name: spec for spec in pipeline.stages}
        there["agent"] = replace(there["agent"], stage=does, timeout_s=timeout_s)
        return Pipeline(tuple(there.values()))

    return hook


async def look_up() -> None:
    """Look something up, which takes a while."""
    await anyio.sleep(8.0)


async def answers_late(ctx: StageContext) -> dict[str, str]:
    await anyio.sleep(12.0)
    return {"text": "Here it is."}


async def answers_late_whatever(ctx: StageContext) -> dict[str, str]:
    """As what waits for a thread does."""
    with anyio.CancelScope(shield=True):
        await anyio.sleep(60.0)
    return {"text": "Here it is."}


async def tells_early(ctx: StageContext) -> dict[str, str]:
    ctx.emit_event("thinking")
    return await answers_late(ctx)


async def looks_up(ctx: StageContext) -> dict[str, str]:
    await anyio.sleep(4.0)
    await ctx.require_port("tool_registry").execute(ToolCall("1", "look_up"))
    return {"text": "Here it is."}


async def token_by_token(ctx: StageContext) -> dict[str, str]:
    await anyio.sleep(4.0)
    for token in ("Here ", "it ", "is."):
        await ctx.stream.send(token)
        await anyio.sleep(4.0)
    return {"text": "Here it is."}


@pytest.mark.parametrize(
    ("agent", "timeout_s", "status"),
    [
        (answers_late, None, "failed"),
        (answers_late_whatever, None, "failed"),
        (answers_late, 14.0, "completed"),
        (tells_early, None, "completed"),
        (looks_up, None, "completed"),
        (token_by_token, None, "completed"),
    ],
)
@pytest.mark.parametrize("modality", ["audio", "text"])
def test_an_agent_of_ones_own_has_as_long_for_its_first_sign_as_a_model(
    agent: AnyStage, timeout_s: float | None, status: str, modality: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello", modality)
        await stage.wire.until(DONE)

    tools = (Tool.of(look_up, effect="none", timeout_s=20.0),)
    stage = play(partial(Stage, hook=agent_that(agent, timeout_s), tools=tools), story)
    [(done_at, done)] = [(at, event["response"]) for at, event in stage.wire.seen if event["type"] == DONE]
    part = done["output"][0]["content"][0]
    said = part.get("transcript") or part.get("text")
    assert (done["status"], said) == (
        status,
        "Here it is." if status == "completed" else PHRASES["en"].apology,
    )
    assert status == "completed" or done_at < Deadlines().first_token_s + 5.0
    check_trace(stage.wire.events())


def test_an_agent_that_rewrites_another_ones_answer_has_the_time_that_this_takes() -> None:
    async def rewrites(ctx: StageContext) -> dict[str, str]:
        return {"text": "".join([token async for token in ctx.inputs.stream("agent")]).upper()}

    async def story(stage: Stage) -> None:
        stage.ask("hello", "text")
        done = (await stage.wire.until(DONE))["response"]
        assert [item["content"][0]["text"] for item in done["output"]] == ["HERE IT IS."]

    def hook(pipeline: Pipeline) -> Pipeline:
        written = agent_that(token_by_token)(pipeline)
        return written.insert("rewriter", rewrites, ("agent", "tts"), StageKind.AGENT)

    play(partial(Stage, hook=hook), story)


@pytest.mark.parametrize("is_spoken", [True, False])
def test_a_filter_that_lets_nothing_through_is_apologised_for(
    is_spoken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def swallows(ctx: StageContext) -> None:
        async for _ in ctx.inputs.stream("agent"):
            pass

    async def story(stage: Stage) -> None:
        if is_spoken:
            await speak(stage, 1.0)
        else:
            stage.ask("hello")
        done = (await stage.wire.until(DONE))["response"]
        assert (done["status"], "filter" in str(done["status_details"])) == ("failed", True)
        assert [item["content"][0]["transcript"] for item in done["output"]] == [PHRASES["en"].apology]

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("filter", swallows, ("agent", "tts"), StageKind.TRANSFORM)

    play(partial(Stage, COUNT, hook=hook), story)
    assert "stage 'filter' failed: NoAnswer: it let nothing of the answer through" in caplog.text


def test_an_answer_without_words_has_an_end_that_is_told() -> None:
    async def says_nothing(ctx: StageContext) -> dict[str, str]:
        return {"text": ""}

    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        done = (await stage.wire.until(DONE))["response"]
        assert (done["status"], done["output"]) == ("completed", [])
        check_trace(stage.wire.events())

    play(partial(Stage, hook=agent_that(says_nothing)), story)


def test_an_output_guard_lets_be_heard_what_had_passed() -> None:
    class SentenceGuard:
        kind = StageKind.GUARD

        async def execute(self, ctx: StageContext) -> StageOutput:
            sentence = ""
            async for token in ctx.inputs.stream("agent"):
                sentence += token
                if sentence.endswith("."):
                    if "secret" in sentence:
                        await anyio.sleep(3)  # the words before are being heard
                        return StageOutput.cancel("secret", {"refusal": "I may not say that."})
                    await ctx.stream.send(sentence)
                    sentence = ""
            return StageOutput.ok()

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("sentences", SentenceGuard(), between=("agent", "tts"))

    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until(DONE)

    answer = "It is a quarter past eleven. The secret is out. Nothing more."
    stage = play(partial(Stage, answer, voice=Conduct(), hook=hook), story)
    [done] = [event["response"] for event in stage.wire.events() if event["type"] == DONE]
    said = [item["content"][0]["transcript"] for item in done["output"]]
    assert said == ["It is a quarter past eleven.", "I may not say that."]


async def gives_up(ctx: StageContext) -> StageOutput:
    """Ends the turn without a word, while the agent is being heard."""
    await anyio.sleep(4.0)
    return StageOutput.cancel("enough")


def test_what_was_said_when_a_stage_ended_the_turn_is_kept_and_its_response_has_an_end() -> None:
    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.with_stage("gives_up", gives_up, StageKind.TRANSFORM, dependencies=("stt",))

    async def story(stage: Stage) -> None:
        stage.ask("count")
        await stage.wire.until(DONE)
        stage.ask("go on", "text")
        await stage.wire.until(DONE, 2)

    slow = Said("One two three. Four five six. Seven eight nine. Ten.", conduct=Conduct(gap_s=0.5))
    stage = play(partial(Stage, slow, "Bye.", hook=hook), story)
    check_trace(stage.wire.events())
    heard = next(m.content for m in stage.model.requests[-1].messages if m.role == "assistant")
    assert heard.startswith("One two three.")
    assert "Ten" not in heard
