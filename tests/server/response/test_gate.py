"""Nothing is let out before all that must agree has agreed; and what fails at the gate fails the run."""

import anyio
import pytest

from audio.formats import AudioFormat
from server.conversation.memory import Conversation
from server.conversation.own_calls import OwnCalls
from server.output.outbound import Outbound, OutputStream, StreamState
from server.response.gate import CommitGate, GateLock, gated
from stageflow.context import ContextSnapshot
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.graph import StageSpec
from stageflow.pipeline import Pipeline, StageFailed
from stageflow.tools import Tool, ToolCall, ToolRegistry
from tests.support.virtual_time import virtual

OK, SKIP = StageOutput.ok(), StageOutput.skip("nothing to judge")
CANCEL, FAIL = StageOutput.cancel("spam"), StageOutput.fail("broken")


def stream() -> OutputStream:
    outbound = Outbound(
        lead_ms=400, chunk_ms=100, max_queued_audio_s=60, max_unsent_bytes=1 << 20, on_overflow=lambda: None
    )
    return outbound.output(AudioFormat(), lambda: None)


def gate_of(*guards: str) -> tuple[CommitGate, list[str]]:
    told: list[str] = []
    gate = CommitGate(stream(), on_passed=lambda: told.append("passed"), on_open=lambda: told.append("open"))
    gate.expect(frozenset(guards))
    return gate, told


@virtual
async def test_both_locks_keep_it_closed() -> None:
    gate, told = gate_of("guard")
    gate.unlock(GateLock.END_OF_TURN)
    assert (gate.output.state, told) == (StreamState.HELD, [])
    gate.stage_ended("guard", OK)
    assert (gate.output.state, told) == (StreamState.OPEN, ["passed", "open"])


@pytest.mark.parametrize(
    ("end", "opens"),
    [(OK, True), (SKIP, True), (CANCEL, False), (FAIL, False)],
    ids=lambda one: str(one)[:40],
)
@virtual
async def test_any_end_of_a_guard_but_these_two_opens_it(end: StageOutput, opens: bool) -> None:
    gate, _ = gate_of("one", "two")
    gate.unlock(GateLock.END_OF_TURN)
    gate.stage_ended("one", OK)
    gate.stage_ended("agent", OK)
    assert gate.holds(GateLock.GUARD)
    gate.stage_ended("two", end)
    assert (gate.output.state is StreamState.OPEN) is opens


@virtual
async def test_without_a_guard_the_end_of_the_turn_opens_it() -> None:
    gate, told = gate_of()
    assert (gate.output.state, told) == (StreamState.HELD, ["passed"])
    gate.unlock(GateLock.END_OF_TURN)
    assert gate.output.state is StreamState.OPEN


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
        OwnCalls(conversation, lambda: None, lambda: None),
    )
    assert registry is not None

    async def let_out() -> None:
        await anyio.sleep(20)
        output.commit()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_out)
        result = await registry.execute(ToolCall("1", "book"))
    assert (result.ok, result.text) == (True, "booked")
