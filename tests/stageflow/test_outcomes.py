"""What each outcome of a stage does to the run, to its siblings and to its dependants: the whole table.

`tests/stageflow/test_executor.py` has each ending in detail; here they stand side by side, with retries and with
what is awaited, for how long, and what is told.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import anyio
import pytest

from stageflow import (
    CollectingEventSink,
    ContextSnapshot,
    DeadlineExceeded,
    Pipeline,
    PipelineCancelled,
    RetryInterceptor,
    RetryPolicy,
    RunEnded,
    StageContext,
    StageEvent,
    StageFailed,
    StageOutput,
    StageStatus,
    StageTimeout,
    TimeoutInterceptor,
)
from stages.testing.virtual_time import run_virtual, virtual
from tests.stageflow.doubles import Do, Log, Returned, gives, raises, returns

FACTS = ContextSnapshot(pipeline_run_id="run-1")


# --- the table -------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """An outcome, and all that follows from it. The stage ends after a second."""

    stage: Callable[[], Do]
    ends: type[RunEnded] | None
    """What the run raises, if it does not complete."""
    stage_event: str
    run_event: str
    timeout_s: float | None = None
    deadline_s: float | None = None


def _returning(output: Returned) -> Callable[[], Do]:
    return lambda: returns(output, 1)


TABLE = {
    "ok": Row(_returning(StageOutput.ok(x=1)), None, "stage.completed", "pipeline.completed"),
    "a dict": Row(_returning({"x": 1}), None, "stage.completed", "pipeline.completed"),
    "nothing": Row(_returning(None), None, "stage.completed", "pipeline.completed"),
    "skip": Row(_returning(StageOutput.skip("no need")), None, "stage.skipped", "pipeline.completed"),
    "cancel": Row(
        _returning(StageOutput.cancel("enough")), PipelineCancelled, "stage.cancelled", "pipeline.cancelled"
    ),
    "fail": Row(_returning(StageOutput.fail("bad")), StageFailed, "stage.failed", "pipeline.failed"),
    "retry": Row(_returning(StageOutput.retry("busy")), StageFailed, "stage.failed", "pipeline.failed"),
    "raise": Row(lambda: raises(ValueError("bad"), 1), StageFailed, "stage.failed", "pipeline.failed"),
    "own cancellation": Row(
        lambda: raises(asyncio.CancelledError(), 1), StageFailed, "stage.failed", "pipeline.failed"
    ),
    "timeout": Row(lambda: gives(after_s=9), StageTimeout, "stage.failed", "pipeline.failed", timeout_s=1),
    "deadline": Row(
        lambda: gives(after_s=9), DeadlineExceeded, "stage.cancelled", "pipeline.failed", deadline_s=1
    ),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_an_outcome_ends_the_run_or_lets_it_go_on(row: Row) -> None:
    log, sink = Log(), CollectingEventSink()
    graph = (
        Pipeline()
        .with_stage("it", row.stage(), timeout_s=row.timeout_s)
        .with_stage("sibling", log.waits("sibling", 3, cleanup_s=0.25))
        .with_stage("after", log.waits("after", 3), dependencies=("it",))
        .with_stage("after both", log.waits("after both", 3), dependencies=("it", "sibling"))
        .build()
    )

    async def run() -> None:
        if row.ends is None:
            results = await graph.run(FACTS, event_sink=sink, deadline_s=row.deadline_s)
            assert anyio.current_time() == 6
        else:
            with pytest.raises(RunEnded) as caught:
                await graph.run(FACTS, event_sink=sink, deadline_s=row.deadline_s)
            assert type(caught.value) is row.ends
            assert caught.value.stage == "it"
            results = caught.value.results
            assert anyio.current_time() == 1.25
        assert list(results) == (
            ["it", "sibling", "after", "after both"] if row.ends is None else ["it", "sibling"]
        )
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(run)
    completed = ["sibling done", "after done", "after both done"]
    assert log == (completed if row.ends is None else ["sibling cancelled"])
    own = [event for event in sink.events if event.data["stage"] == "it" and event.type.startswith("stage.")]
    assert [event.type for event in own] == ["stage.started", row.stage_event]
    assert sink.types()[-1] == row.run_event
    assert sum(type_ in _TERMINAL for type_ in sink.types()) == 1


_TERMINAL = {"pipeline.completed", "pipeline.failed", "pipeline.cancelled"}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_every_ending_says_how_long_the_stage_took(row: Row) -> None:
    sink = CollectingEventSink()
    graph = Pipeline().with_stage("it", row.stage(), timeout_s=row.timeout_s).build()

    async def run() -> None:
        with suppress(RunEnded):
            await graph.run(FACTS, event_sink=sink, deadline_s=row.deadline_s)

    run_virtual(run)
    assert sink.of(row.stage_event)[0].data["duration_ms"] == 1000


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (StageOutput.skip("no need"), "no need"),
        (StageOutput.cancel("enough"), "enough"),
        (StageOutput.fail("bad"), "bad"),
    ],
)
@virtual
async def test_every_ending_says_why(output: StageOutput, why: str) -> None:
    sink = CollectingEventSink()
    with suppress(RunEnded):
        await Pipeline().with_stage("it", returns(output)).build().run(FACTS, event_sink=sink)
    told = sink.events[2].data
    assert (told.get("reason") or told.get("error")) == why


# --- another try -----------------------------------------------------------------------------------------------


class Busy:
    """A stage's function that asks for another try so many times, and notes when it was called."""

    def __init__(self, times: int, after_s: float | None = None, takes_s: float = 0.0) -> None:
        self.times = times
        self.after_s = after_s
        self.takes_s = takes_s
        self.moments: list[float] = []
        self.seen: list[object] = []

    async def __call__(self, ctx: StageContext) -> Returned:
        self.moments.append(anyio.current_time())
        items = ctx.inputs.get("items")
        self.seen.append(list(items or ()))
        if items is not None:
            with pytest.raises(TypeError):
                items.append("mine")
        ctx.emit_event("custom.tried", {"attempt": len(self.moments)})
        await anyio.sleep(self.takes_s)
        if len(self.moments) <= self.times:
            return StageOutput.retry("busy", after_s=self.after_s)
        return {"tries": len(self.moments)}


EVEN = RetryPolicy(max_attempts=5, base_delay_s=1, max_delay_s=4, jitter=0)


@virtual
async def test_back_off_doubles_up_to_its_limit() -> None:
    busy = Busy(4)
    results = await Pipeline().with_stage("a", Do(busy), retry=EVEN).build().run(FACTS)
    assert busy.moments == [0, 1, 3, 7, 11]
    assert results.data("a") == {"tries": 5}
    assert results["a"].duration_ms == 11_000


@virtual
async def test_chance_takes_a_share_of_the_back_off() -> None:
    policy = RetryPolicy(max_attempts=2, base_delay_s=4, jitter=0.5)
    waits_s = []
    for _ in range(50):
        busy, began_s = Busy(1), anyio.current_time()
        await Pipeline().with_stage("a", Do(busy), retry=policy).build().run(FACTS)
        waits_s.append(anyio.current_time() - began_s)
    assert all(2 <= wait_s <= 4 for wait_s in waits_s)
    assert len({round(wait_s, 3) for wait_s in waits_s}) > 10


@virtual
async def test_a_stage_that_says_when_is_obeyed() -> None:
    busy = Busy(2, after_s=7)
    await Pipeline().with_stage("a", Do(busy), retry=EVEN).build().run(FACTS)
    assert busy.moments == [0, 7, 14]


@virtual
async def test_another_try_sees_the_same_inputs_and_dependants_wait() -> None:
    busy, sink = Busy(1), CollectingEventSink()
    results = await (
        Pipeline()
        .with_stage("up", gives(items=["theirs"]))
        .with_stage("a", Do(busy), dependencies=("up",), retry=EVEN)
        .with_stage("after", gives(after_s=1), dependencies=("a",))
        .build()
        .run(FACTS, event_sink=sink)
    )
    assert busy.seen == [["theirs"], ["theirs"]]
    assert results.duration_ms == 2000
    retried = sink.of("stage.retried")[0].data
    assert (retried["stage"], retried["attempt"], retried["wait_s"], retried["error"]) == ("a", 1, 1, "busy")
    assert [event.data["stage"] for event in sink.of("stage.started")] == ["up", "a", "after"]
    assert [event.data["attempt"] for event in sink.of("custom.tried")] == [1, 2]


@virtual
async def test_attempts_end_with_the_policy() -> None:
    busy = Busy(9)
    with pytest.raises(StageFailed, match=r"busy \(after 5 attempts") as caught:
        await Pipeline().with_stage("a", Do(busy), retry=EVEN).build().run(FACTS)
    assert len(busy.moments) == 5
    assert caught.value.results.failed() == ("a",)


@pytest.mark.parametrize(
    ("limit", "ends"),
    [("timeout", StageTimeout), ("deadline", DeadlineExceeded), ("caller", asyncio.CancelledError)],
)
def test_a_wait_for_another_try_ends_with_the_time_there_is(limit: str, ends: type[BaseException]) -> None:
    busy = Busy(9, after_s=10)
    pipeline = Pipeline().with_stage("a", Do(busy), retry=EVEN, timeout_s=25 if limit == "timeout" else None)

    async def run() -> None:
        with anyio.move_on_after(25 if limit == "caller" else 100):
            with pytest.raises(ends):
                await pipeline.build().run(FACTS, deadline_s=25 if limit == "deadline" else None)
        assert anyio.current_time() == 25

    run_virtual(run)
    assert busy.moments == [0, 10, 20]


@virtual
async def test_defaults_for_all_stages_yield_to_a_stage_s_own() -> None:
    defaults = (RetryInterceptor(EVEN), TimeoutInterceptor(5))
    patient, own = Busy(1), Busy(1)
    await (
        Pipeline()
        .with_stage("a", Do(patient))
        .with_stage("b", Do(own), retry=RetryPolicy(base_delay_s=2, jitter=0))
        .with_stage("c", gives(after_s=9), timeout_s=10)
        .build(interceptors=defaults)
        .run(FACTS)
    )
    assert (patient.moments, own.moments) == ([0, 1], [0, 2])
    with pytest.raises(StageTimeout, match="'d' failed: it took longer than 5 s"):
        await Pipeline().with_stage("d", gives(after_s=9)).build(interceptors=defaults).run(FACTS)


# --- what is awaited, and what is reported -----------------------------------------------------------------------


@virtual
async def test_who_swallows_a_cancellation_frees_nobody_and_changes_nothing() -> None:
    log = Log()

    async def swallow(ctx: StageContext) -> Returned:
        try:
            await anyio.sleep(100)
        except asyncio.CancelledError:
            log.append("swallowed")
        return {"late": True}

    graph = (
        Pipeline()
        .with_stage("bad", raises(ValueError("bad"), 1))
        .with_stage("deaf", Do(swallow))
        .with_stage("after", log.waits("after"), dependencies=("deaf",))
        .build()
    )
    with pytest.raises(StageFailed, match="'bad' failed: ValueError: bad") as caught:
        await graph.run(FACTS)
    assert log == ["swallowed"]
    assert "after" not in caught.value.results
    assert anyio.current_time() == 1


@virtual
async def test_all_clean_up_side_by_side_and_are_awaited() -> None:
    log = Log()
    pipeline = Pipeline().with_stage("bad", raises(ValueError("bad"), 1))
    for name, cleanup_s in (("a", 0.9), ("b", 0.3), ("c", 0.6)):
        pipeline = pipeline.with_stage(name, log.waits(name, cleanup_s=cleanup_s))
    with pytest.raises(StageFailed) as caught:
        await pipeline.build().run(FACTS)
    assert log == ["b cancelled", "c cancelled", "a cancelled"]
    assert anyio.current_time() == 1.9
    assert {name: str(output.status) for name, output in caught.value.results.items()} == {
        "bad": "fail", "a": "cancel", "b": "cancel", "c": "cancel",
    }  # fmt: skip
    assert caught.value.results["a"].reason == "the run ended with stage 'bad'"


@virtual
async def test_a_stage_can_see_that_its_run_is_being_cancelled_and_end_at_a_checkpoint() -> None:
    log = Log()

    async def compute(ctx: StageContext) -> Returned:
        log.append(f"before: {ctx.is_cancelled}")
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1.5)
        log.append(f"after: {ctx.is_cancelled}")
        await ctx.checkpoint()
        log.append("went on")
        return None

    pipeline = Pipeline().with_stage("bad", raises(ValueError("bad"), 1)).with_stage("a", Do(compute))
    with pytest.raises(StageFailed):
        await pipeline.build().run(FACTS)
    assert log == ["before: False", "after: True"]


@virtual
async def test_two_that_end_at_once_make_one_ending() -> None:
    sink = CollectingEventSink()
    graph = (
        Pipeline()
        .with_stage("a", raises(ValueError("a"), 1))
        .with_stage("b", raises(ValueError("b"), 1))
        .with_stage("c", returns(StageOutput.cancel("c"), 1))
        .build()
    )
    with pytest.raises(StageFailed) as caught:
        await graph.run(FACTS, event_sink=sink)
    assert caught.value.stage == "a"
    assert len([type_ for type_ in sink.types() if type_ in _TERMINAL]) == 1
    assert caught.value.results["a"].status is StageStatus.FAIL


@virtual
async def test_whom_the_caller_cancels_is_told_so() -> None:
    sink, log = CollectingEventSink(), Log()
    graph = Pipeline().with_stage("a", log.waits("a")).with_stage("b", log.waits("b", cleanup_s=0.5)).build()
    with anyio.move_on_after(1):
        await graph.run(FACTS, event_sink=sink)
    told = [(event.type, event.data["stage"], event.data["reason"]) for event in sink.events[3:]]
    assert told == [
        ("stage.cancelled", "a", "the caller cancelled the run"),
        ("stage.cancelled", "b", "the caller cancelled the run"),
        ("pipeline.cancelled", None, "the caller cancelled the run"),
    ]


def test_a_sink_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def emit(self, event: StageEvent) -> None:
            raise OSError("disk full")

    async def emits(ctx: StageContext) -> Returned:
        ctx.emit_event("custom.seen")
        return {"x": 1}

    async def run() -> None:
        results = await Pipeline().with_stage("a", Do(emits)).build().run(FACTS, event_sink=Broken())
        assert results.data("a") == {"x": 1}

    run_virtual(run)
    failed = ["pipeline.started", "stage.started", "custom.seen", "stage.completed", "pipeline.completed"]
    assert [vars(record)["event"] for record in caplog.records] == failed
