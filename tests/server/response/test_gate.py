"""Nothing is let out before all that must agree has agreed; and what fails at the gate fails the run."""

from dataclasses import dataclass

import anyio
import pytest

from audio.formats import AudioFormat
from server.conversation.memory import Conversation, Entry
from server.conversation.own_calls import OwnCalls
from server.output.outbound import Outbound
from server.output.stream import OutputStream
from server.response.gated_tools import gated
from stageflow.context import ContextSnapshot
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.graph import StageSpec
from stageflow.pipeline import Pipeline, StageFailed
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.testing.virtual_time import virtual
from tests.support.stage import SlowGuard, Stage, play
from tests.support.trace_checker import check_trace

OK = StageOutput.ok()


def stream() -> OutputStream:
    outbound = Outbound(
        lead_ms=400, chunk_ms=100, max_queued_audio_s=60, max_unsent_bytes=1 << 20, on_overflow=lambda: None
    )
    return outbound.output(AudioFormat(), lambda: None)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (StageOutput.ok(), "Fine."),
        (StageOutput.skip("nothing to judge"), "Fine."),
        (StageOutput.cancel("spam", {"blocked": True}), "Sorry, I can't help with that."),
        (StageOutput.fail("broken"), "Sorry, something went wrong on my side. Please say that again."),
    ],
    ids=lambda one: str(one)[:40],
)
def test_any_end_of_a_guard_but_these_two_lets_the_words_pass(end: StageOutput, said: str) -> None:
    async def judge(ctx: StageContext) -> StageOutput:
        await anyio.sleep(1.0)
        return end

    def judged(pipeline: Pipeline) -> Pipeline:
        return pipeline.with_stage("judge", judge, StageKind.GUARD, dependencies=("stt",))

    async def story(stage: Stage) -> None:
        stage.ask("hello", "text")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Fine.", hook=judged), story)
    check_trace(stage.wire.events())
    done = next(event for event in stage.wire.events() if event["type"] == "response.done")
    (item,) = done["response"]["output"]
    assert item["content"][0]["text"].strip() == said
    told_at = next(at for at, event in stage.wire.seen if event["type"] == "response.output_text.delta")
    assert told_at >= 1.0


@dataclass
class NothingSaid:
    """An answer that says nothing."""

    entry: Entry | None = None


async def passes(ctx: StageContext) -> StageOutput:
    return OK


@virtual
async def test_what_fails_at_a_stage_s_end_fails_the_run() -> None:
    def fail(spec: StageSpec, output: StageOutput) -> None:
        raise OSError("the gate is stuck")

    pipeline = Pipeline().with_stage("guard", passes, StageKind.GUARD)
    with pytest.raises(
        StageFailed, match="'guard' failed: what was to follow its end failed: OSError"
    ) as caught:
        await pipeline.build().run(ContextSnapshot(), on_end=fail)
    assert isinstance(caught.value.__cause__, OSError)


@virtual
async def test_what_is_routed_past_ends_too() -> None:
    ended: list[tuple[str, str]] = []

    async def route(ctx: StageContext) -> StageOutput:
        return StageOutput.ok(route="a")

    pipeline = (
        Pipeline()
        .with_stage("router", route, StageKind.ROUTE)
        .with_stage("a", passes, dependencies=("router",), when=("router", "a"))
        .with_stage("guard", passes, StageKind.GUARD, dependencies=("router",), when=("router", "b"))
    )
    await pipeline.build().run(
        ContextSnapshot(), on_end=lambda spec, output: ended.append((spec.name, output.status))
    )
    assert sorted(ended) == [("a", "ok"), ("guard", "skip"), ("router", "ok")]


@virtual
async def test_what_a_tool_waits_for_at_the_gate_is_not_its_time() -> None:
    async def book() -> str:
        """Book."""
        await anyio.sleep(0.5)
        return "booked"

    output, conversation = stream(), Conversation(100, 100_000)
    registry = gated(
        ToolRegistry((Tool.of(book, timeout_s=1.0),)),
        output,
        OwnCalls(conversation, NothingSaid()),
    )
    assert registry is not None

    async def let_out() -> None:
        await anyio.sleep(20)
        output.commit()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_out)
        result = await registry.execute(ToolCall("1", "book"))
    assert (result.ok, result.text) == (True, "booked")


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_was_held_is_told_behind_what_is_there_when_it_is_let_out(*, is_deleted: bool) -> None:
    """The client may delete and insert meanwhile what is before it."""

    async def story(stage: Stage) -> None:
        first, second = (
            {"id": name, "type": "message", "role": "user", "content": [{"type": "input_text", "text": name}]}
            for name in ("asked", "more")
        )
        stage.wire.say("conversation.item.create", item=first)
        stage.wire.say("response.create")
        await anyio.sleep(0.3)
        if is_deleted:
            stage.wire.say("conversation.item.delete", item_id="asked")
        else:
            stage.wire.say("conversation.item.create", item=second, previous_item_id="asked")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Fine.", guard=SlowGuard(blocks=False)), story)
    check_trace(stage.wire.events())
    *_, answer = (event for event in stage.wire.events() if event["type"] == "conversation.item.added")
    assert answer["item"]["role"] == "assistant"
    assert answer["previous_item_id"] == (None if is_deleted else "more")
