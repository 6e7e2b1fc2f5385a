"""Streams between stages: both sides at once, bounded, seen by every consumer, and free when the other side ends."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import anyio
import pytest

from stageflow import (
    CollectingEventSink,
    ContextSnapshot,
    DeadlineExceeded,
    Pipeline,
    PipelineCancelled,
    RetryPolicy,
    RunEnded,
    StageContext,
    StageFailed,
    StageKind,
    StageOutput,
    StageStatus,
)
from stageflow.streams import CAPACITY
from stages.testing.virtual_time import run_virtual, virtual
from tests.stageflow.doubles import Do, Returned, collects, gives, raises, returns, sends

FACTS = ContextSnapshot(pipeline_run_id="run-1")
AGENT, ROUTE = StageKind.AGENT, StageKind.ROUTE


def streamed(producer: Do, *consumers: Do) -> Pipeline:
    """A producer, and its consumers by the names c0, c1 and so on."""
    pipeline = Pipeline().with_stage("agent", producer)
    for number, consumer in enumerate(consumers):
        pipeline = pipeline.with_stage(f"c{number}", consumer, streams=("agent",))
    return pipeline


# --- at the same time --------------------------------------------------------------------------------------------


@virtual
async def test_a_consumer_starts_with_its_producer() -> None:
    sink = CollectingEventSink()
    graph = (
        Pipeline()
        .with_stage("stt", gives(after_s=2))
        .with_stage("agent", sends("a", "b", every_s=1), dependencies=("stt",))
        .with_stage("tts", collects("agent"), streams=("agent",))
        .with_stage("after", gives(after_s=1), dependencies=("tts",))
        .build()
    )
    results = await graph.run(FACTS, event_sink=sink)
    assert results.data("tts") == {"items": ["a", "b"], "moments": [3, 4]}
    assert (results["tts"].duration_ms, results.duration_ms) == (2000, 5000)
    assert [event.data["stage"] for event in sink.of("stage.started")] == ["stt", "agent", "tts", "after"]


@virtual
async def test_a_consumer_waits_for_its_other_dependencies_and_misses_nothing() -> None:
    graph = (
        Pipeline()
        .with_stage("voice", gives(after_s=5))
        .with_stage("agent", sends("a", "b", every_s=1))
        .with_stage("tts", collects("agent"), streams=("agent",), dependencies=("voice",))
        .build()
    )
    results = await graph.run(FACTS)
    assert results.data("tts") == {"items": ["a", "b"], "moments": [5, 5]}
    assert results["agent"].duration_ms == 2000


@virtual
async def test_streams_in_a_row_all_work_at_once() -> None:
    async def pass_on(ctx: StageContext) -> Returned:
        async for item in ctx.inputs.stream("agent"):
            await ctx.stream.send(item.upper())
        return None

    graph = (
        streamed(sends("a", "b", every_s=1), Do(pass_on))
        .with_stage("end", collects("c0"), streams=("c0",))
        .build()
    )
    assert (await graph.run(FACTS)).data("end") == {"items": ["A", "B"], "moments": [1, 2]}


@virtual
async def test_a_stage_may_read_two_streams() -> None:
    async def read_both(ctx: StageContext) -> Returned:
        return {name: [item async for item in ctx.inputs.stream(name)] for name in ("a", "b")}

    graph = (
        Pipeline()
        .with_stage("a", sends(1, 2, every_s=1))
        .with_stage("b", sends(3, 4))
        .with_stage("both", Do(read_both), streams=("a", "b"))
        .build()
    )
    assert (await graph.run(FACTS)).data("both") == {"a": [1, 2], "b": [3, 4]}


# --- bounded -----------------------------------------------------------------------------------------------------


@virtual
async def test_a_producer_is_never_further_ahead_than_the_channel_holds() -> None:
    ahead: list[int] = []
    sent = taken = 0

    async def produce(ctx: StageContext) -> Returned:
        nonlocal sent
        for number in range(CAPACITY * 3):
            await ctx.stream.send(number)
            sent += 1
        return None

    async def consume(ctx: StageContext) -> Returned:
        nonlocal taken
        async for _ in ctx.inputs.stream("agent"):
            taken += 1
            ahead.append(sent - taken)
            await anyio.sleep(0.01)
        return None

    await streamed(Do(produce), Do(consume)).build().run(FACTS)
    assert taken == CAPACITY * 3
    assert CAPACITY - 1 <= max(ahead) <= CAPACITY


@virtual
async def test_every_consumer_sees_every_item_at_the_pace_of_the_slowest() -> None:
    count = CAPACITY + 10
    graph = streamed(sends(*range(count)), collects("agent"), collects("agent", every_s=1)).build()
    results = await graph.run(FACTS)
    for name in ("c0", "c1"):
        assert results.data(name)["items"] == list(range(count))
    assert results["agent"].duration_ms == 9000
    assert results["c0"].duration_ms == 9000


@virtual
async def test_nobody_reads_and_nobody_waits() -> None:
    results = await Pipeline().with_stage("agent", sends(*range(CAPACITY * 3))).build().run(FACTS)
    assert (results.ok("agent"), results.duration_ms) == (True, 0)


# --- what the end of a stream is -----------------------------------------------------------------------------------


@virtual
async def test_the_producer_s_output_can_be_read_after_its_stream() -> None:
    async def consume(ctx: StageContext) -> Returned:
        inputs = ctx.inputs
        await anyio.sleep(1)  # the producer has ended by now: what can be seen must not depend on that
        before = (inputs.has_output("agent"), inputs.get_output("agent"), inputs.get("text"))
        items = [item async for item in inputs.stream("agent")]
        return {"before": before, "items": items, "after": inputs.get_from("agent", "text")}

    results = await streamed(sends("a", then={"text": "all"}), Do(consume)).build().run(FACTS)
    assert results.data("c0") == {"before": (False, None, None), "items": ["a"], "after": "all"}


@pytest.mark.parametrize("how", ["skips", "sends nothing", "is passed by"])
@virtual
async def test_a_producer_without_items_is_an_empty_stream(how: str) -> None:
    producer = returns(StageOutput.skip("no need"), 1, AGENT) if how == "skips" else returns(None, 1, AGENT)
    pipeline = Pipeline().with_stage("router", gives(ROUTE, route="other"), ROUTE)
    pipeline = pipeline.with_stage("other", gives(), dependencies=("router",), when=("router", "other"))
    pipeline = pipeline.with_stage(
        "agent",
        producer,
        dependencies=("router",),
        when=("router", "agent") if how == "is passed by" else None,
    )
    graph = pipeline.with_stage(
        "tts", collects("agent"), streams=("agent",), dependencies=("router",)
    ).build()
    results = await graph.run(FACTS)
    assert results.data("tts") == {"items": [], "moments": []}
    assert results["agent"].status is (StageStatus.OK if how == "sends nothing" else StageStatus.SKIP)


@pytest.mark.parametrize("how", ["fails", "raises"])
@virtual
async def test_an_error_crosses_the_edge_after_the_items_before_it(how: str) -> None:
    seen: list[object] = []
    cause = ValueError("broken")

    async def produce(ctx: StageContext) -> Returned:
        for item in ("a", "b"):
            await ctx.stream.send(item)
        await anyio.sleep(1)
        if how == "raises":
            raise cause
        return StageOutput.fail("broken", {"code": 7})

    async def consume(ctx: StageContext) -> Returned:
        try:
            async for item in ctx.inputs.stream("agent"):
                seen.append(item)
        except StageFailed as error:
            seen.append(error)
            raise
        return None

    with pytest.raises(StageFailed) as caught:
        await streamed(Do(produce, AGENT), Do(consume)).build().run(FACTS)
    assert caught.value.stage == "agent"
    error: Any = seen.pop()
    assert seen == ["a", "b"]
    assert isinstance(error, StageFailed)
    assert (error.stage, error.__cause__) == ("agent", cause if how == "raises" else None)
    assert error.data == ({"code": 7} if how == "fails" else {})


# --- nothing hangs, whoever ends however ---------------------------------------------------------------------------

End = Literal["returns", "skips", "fails", "raises", "cancels", "hangs"]
ENDS: tuple[End, ...] = ("returns", "skips", "fails", "raises", "cancels", "hangs")
DECISIVE: dict[str, type[RunEnded]] = {
    "fails": StageFailed,
    "raises": StageFailed,
    "cancels": PipelineCancelled,
}


async def _ends(end: End) -> Returned:
    """After a second, end like that."""
    await anyio.sleep(1)
    match end:
        case "returns":
            return None
        case "skips":
            return StageOutput.skip("no need")
        case "fails":
            return StageOutput.fail("bad")
        case "raises":
            raise ValueError("bad")
        case "cancels":
            return StageOutput.cancel("enough")
        case "hangs":
            await anyio.sleep_forever()
            return None


def _producing(items: int, end: End) -> Do:
    async def produce(ctx: StageContext) -> Returned:
        for number in range(items):
            await ctx.stream.send(number)
        return await _ends(end)

    return Do(produce, AGENT)


def _consuming(items: int | None, end: End) -> Do:
    """Reads so many items, or all, and ends."""

    async def consume(ctx: StageContext) -> Returned:
        left = items
        if left != 0:
            async for _ in ctx.inputs.stream("agent"):
                left = None if left is None else left - 1
                if left == 0:
                    break
        return await _ends(end)

    return Do(consume)


def _expected(items: int, reads: int | None, producer: End, consumer: End) -> set[type[RunEnded] | None]:
    """How a run of the two may end: by whoever is the first to end decisively, in ties by either."""
    is_blocked = reads is not None and items - reads > CAPACITY
    needs_end = reads is None or reads > items
    producer_s = (2 if consumer != "hangs" else None) if is_blocked else 1
    consumer_s = (2 if producer in ("returns", "skips") else None) if needs_end else 1
    moments = [(moment, end) for moment, end in ((producer_s, producer), (consumer_s, consumer)) if moment]
    decisive = [(moment, DECISIVE[end]) for moment, end in moments if end in DECISIVE]
    if decisive:
        return {kind for moment, kind in decisive if moment == min(decisive, key=lambda each: each[0])[0]}
    return {DeadlineExceeded if "hangs" in (producer, consumer) else None}


@pytest.mark.no_cover
@pytest.mark.parametrize("consumer", ENDS)
@pytest.mark.parametrize("producer", ENDS)
@pytest.mark.parametrize("reads", [0, 5, None])
@pytest.mark.parametrize("items", [0, 3, CAPACITY * 3])
def test_neither_side_hangs_whoever_ends_however(
    items: int, reads: int | None, producer: End, consumer: End
) -> None:
    sink = CollectingEventSink()
    graph = streamed(_producing(items, producer), _consuming(reads, consumer)).build()

    async def run() -> type[RunEnded] | None:
        try:
            await graph.run(FACTS, event_sink=sink, deadline_s=30)
        except RunEnded as error:
            return type(error)
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return None

    assert run_virtual(run) in _expected(items, reads, producer, consumer)
    starts = [event.data["stage"] for event in sink.of("stage.started")]
    ends = [event.data["stage"] for event in sink.events if event.type in _STAGE_ENDS]
    assert sorted(starts) == sorted(ends) == ["agent", "c0"]


_STAGE_ENDS = {"stage.completed", "stage.skipped", "stage.failed", "stage.cancelled"}


@virtual
async def test_one_consumer_that_leaves_does_not_disturb_the_other() -> None:
    count = CAPACITY * 2
    graph = streamed(sends(*range(count)), _consuming(1, "returns"), collects("agent")).build()
    results = await graph.run(FACTS)
    assert results.data("c1")["items"] == list(range(count))


@pytest.mark.parametrize("side", ["producer", "consumer"])
@virtual
async def test_a_timeout_on_either_side_lets_the_other_go(side: str) -> None:
    def limit(name: str) -> float | None:
        return 2 if name == side else None

    graph = (
        Pipeline()
        .with_stage("agent", _producing(CAPACITY * 3, "hangs"), timeout_s=limit("producer"))
        .with_stage("tts", _consuming(1, "hangs"), streams=("agent",), timeout_s=limit("consumer"))
        .build()
    )
    with pytest.raises(StageFailed, match="took longer than 2 s") as caught:
        await graph.run(FACTS)
    assert caught.value.stage == {"producer": "agent", "consumer": "tts"}[side]
    assert anyio.current_time() == 2


@pytest.mark.parametrize("waiting", ["for room", "for an item"])
@virtual
async def test_the_caller_s_cancellation_reaches_who_waits_at_a_stream(waiting: str) -> None:
    items = CAPACITY * 3 if waiting == "for room" else 0
    reads = 0 if waiting == "for room" else None
    graph = streamed(_producing(items, "hangs"), _consuming(reads, "hangs")).build()
    with anyio.move_on_after(3) as scope:
        await graph.run(FACTS)
    assert scope.cancelled_caught
    assert anyio.current_time() == 3
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_a_sibling_s_failure_ends_both_sides() -> None:
    graph = streamed(_producing(CAPACITY * 3, "hangs"), _consuming(1, "hangs")).with_stage(
        "bad", raises(ValueError("bad"), 3)
    )
    with pytest.raises(StageFailed) as caught:
        await graph.build().run(FACTS)
    assert {name: str(output.status) for name, output in caught.value.results.items()} == {
        "agent": "cancel", "c0": "cancel", "bad": "fail",
    }  # fmt: skip


# --- another try ---------------------------------------------------------------------------------------------------


def _trying(act: Callable[[StageContext, int], Any], kind: StageKind = AGENT) -> Do:
    tries = 0

    async def try_it(ctx: StageContext) -> Returned:
        nonlocal tries
        tries += 1
        output: Returned = await act(ctx, tries)
        return output

    return Do(try_it, kind)


POLICY = RetryPolicy(base_delay_s=1, jitter=0)


@virtual
async def test_a_producer_may_try_again_before_its_first_item() -> None:
    async def produce(ctx: StageContext, tries: int) -> Returned:
        if tries == 1:
            return StageOutput.retry("busy")
        await ctx.stream.send("a")
        return None

    graph = Pipeline().with_stage("agent", _trying(produce), retry=POLICY)
    results = await graph.with_stage("tts", collects("agent"), streams=("agent",)).build().run(FACTS)
    assert results.data("tts") == {"items": ["a"], "moments": [1]}


@virtual
async def test_a_producer_whose_items_are_gone_cannot_try_again() -> None:
    async def produce(ctx: StageContext, tries: int) -> Returned:
        await ctx.stream.send("a")
        return StageOutput.retry("broke off")

    graph = Pipeline().with_stage("agent", _trying(produce), retry=POLICY)
    with pytest.raises(
        StageFailed, match=r"broke off \(another try is impossible, because its consumers have had"
    ):
        await graph.with_stage("tts", collects("agent"), streams=("agent",)).build().run(FACTS)


@virtual
async def test_a_consumer_that_has_read_cannot_try_again() -> None:
    async def consume(ctx: StageContext, tries: int) -> Returned:
        async for _ in ctx.inputs.stream("agent"):
            break
        return StageOutput.retry("busy")

    graph = Pipeline().with_stage("agent", sends("a", "b"))
    with pytest.raises(StageFailed, match=r"busy \(another try is impossible, because it has had items"):
        await graph.with_stage("tts", _trying(consume), streams=("agent",), retry=POLICY).build().run(FACTS)
