"""Running a graph: order, routing, every outcome, and that nothing of a run is left."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from stageflow import (
    OTHERWISE,
    CollectingEventSink,
    ContextSnapshot,
    DeadlineExceeded,
    Pipeline,
    PipelineCancelled,
    StageContext,
    StageEvent,
    StageFailed,
    StageKind,
    StageOutput,
    StageStatus,
    StageTimeout,
)
from stageflow.stage_run import GRACE_S
from stages.testing.virtual_time import run_virtual, virtual
from tests.stageflow.doubles import Do, Log, Returned, gives, raises, returns, sends

NOTHING = ContextSnapshot(pipeline_run_id="run-1")
ROUTE = StageKind.ROUTE


# --- order ---------------------------------------------------------------------------------------------------


@virtual
async def test_a_stage_starts_when_all_its_dependencies_have_ended() -> None:
    started: dict[str, float] = {}

    def noting(name: str, seconds: float) -> Do:
        async def act(ctx: StageContext) -> Returned:
            started[name] = anyio.current_time()
            await anyio.sleep(seconds)
            return {}

        return Do(act)

    graph = (
        Pipeline()
        .with_stage("d", noting("d", 1), dependencies=("b", "c"))
        .with_stage("b", noting("b", 5), dependencies=("a",))
        .with_stage("c", noting("c", 2), dependencies=("a",))
        .with_stage("a", noting("a", 1))
        .build()
    )
    results = await graph.run(NOTHING)
    assert started == {"a": 0, "b": 1, "c": 1, "d": 6}
    assert list(results) == ["a", "b", "c", "d"]
    assert [spec.name for spec in graph.stages] == ["a", "b", "c", "d"]
    assert results.duration_ms == 7000
    assert results["b"].duration_ms == 5000


@virtual
async def test_hundreds_of_stages_in_a_row_and_side_by_side() -> None:
    pipeline = Pipeline().with_stage("s0", gives())
    for number in range(1, 300):
        pipeline = pipeline.with_stage(f"s{number}", gives(), dependencies=(f"s{number - 1}",))
    assert len(await pipeline.build().run(NOTHING)) == 300
    broad = Pipeline()
    for number in range(300):
        broad = broad.with_stage(f"s{number}", gives(after_s=1))
    assert (await broad.build().run(NOTHING)).duration_ms == 1000


@virtual
async def test_an_own_skip_does_not_cascade_and_can_be_seen() -> None:
    async def look(ctx: StageContext) -> Returned:
        output = ctx.inputs.get_output("a")
        assert output is not None
        return {"status": output.status, "reason": output.reason, "key": ctx.inputs.get("key")}

    results = await (
        Pipeline()
        .with_stage("a", returns(StageOutput.skip("no user", {"key": 1})))
        .with_stage("b", Do(look), dependencies=("a",))
        .build()
        .run(NOTHING)
    )
    assert results.data("b") == {"status": StageStatus.SKIP, "reason": "no user", "key": 1}


# --- routing ---------------------------------------------------------------------------------------------------


def routed(route: object) -> Pipeline:
    pipeline = Pipeline().with_stage("router", gives(ROUTE, route=route))
    for branch in ("support", "sales"):
        agent = sends(branch[:2], then={"by": branch})
        pipeline = pipeline.with_stage(
            branch, agent, StageKind.AGENT, when=("router", branch), dependencies=("router",)
        )
    return pipeline.with_stage("more_sales", gives(), dependencies=("sales",)).with_stage(
        "join", gives(), dependencies=("support", "sales")
    )


@virtual
async def test_only_the_branch_of_the_route_runs_and_what_joins_branches() -> None:
    sink = CollectingEventSink()
    results = await routed("support").build().run(NOTHING, event_sink=sink)
    assert {name: output.status for name, output in results.items()} == {
        "router": "ok", "support": "ok", "sales": "skip", "more_sales": "skip", "join": "ok",
    }  # fmt: skip
    assert results["sales"].reason == "'router' said 'support', not 'sales'"
    assert results["more_sales"].reason == "depends only on what was passed by: sales"
    assert [event.data["stage"] for event in sink.of("stage.skipped")] == ["sales", "more_sales"]
    assert "sales" not in [event.data["stage"] for event in sink.of("stage.started")]


@virtual
async def test_a_route_that_no_stage_takes_fails_the_router() -> None:
    """A typing mistake, or a model's invention: every branch was skipped, and nothing was answered."""
    with pytest.raises(
        StageFailed, match=r"'router' gave the route 'other', which no stage takes.*OTHERWISE"
    ):
        await routed("other").build().run(NOTHING)


@pytest.mark.parametrize(("route", "runs"), [("sales", "sales"), ("other", "rest"), (None, "rest")])
@virtual
async def test_a_default_branch_takes_what_no_other_takes(route: str | None, runs: str) -> None:
    router = returns(StageOutput.skip("no idea"), kind=ROUTE) if route is None else gives(ROUTE, route=route)
    pipeline = Pipeline().with_stage("router", router)
    for name, takes in (("sales", "sales"), ("support", ("support", "help")), ("rest", OTHERWISE)):
        pipeline = pipeline.with_stage(name, gives(), dependencies=("router",), when=("router", takes))
    results = await pipeline.build().run(NOTHING)
    assert [name for name in ("sales", "support", "rest") if results.ok(name)] == [runs]


@virtual
async def test_a_stage_may_take_several_routes() -> None:
    for route, runs in (("a", True), ("b", True), ("c", False)):
        pipeline = Pipeline().with_stage("router", gives(ROUTE, route=route))
        pipeline = pipeline.with_stage("ab", gives(), dependencies=("router",), when=("router", ("a", "b")))
        pipeline = pipeline.with_stage("c", gives(), dependencies=("router",), when=("router", "c"))
        assert (await pipeline.build().run(NOTHING)).ok("ab") is runs


@virtual
async def test_a_consumer_of_routed_streams_reads_the_one_that_runs() -> None:
    async def speak(ctx: StageContext) -> Returned:
        heard = [item for name in ("support", "sales") async for item in _each(ctx, name)]
        return {"heard": heard, "by": ctx.inputs.get("by")}

    pipeline = routed("sales").with_stage("tts", Do(speak), streams=("support", "sales"))
    results = await pipeline.build().run(NOTHING)
    assert results.data("tts") == {"heard": ["sa"], "by": "sales"}


async def _each(ctx: StageContext, name: str) -> AsyncIterator[Any]:
    async for item in ctx.inputs.stream(name):
        yield item


@virtual
async def test_a_router_that_gives_no_route_fails_and_says_who_waits() -> None:
    with pytest.raises(StageFailed, match=r"'router' gave no route, which 'support', 'sales' wait for"):
        await routed(None).build().run(NOTHING)


@virtual
async def test_a_router_that_skips_leads_nowhere() -> None:
    pipeline = (
        Pipeline()
        .with_stage("router", returns(StageOutput.skip("not today"), kind=ROUTE), ROUTE)
        .with_stage("a", gives(), when=("router", "a"), dependencies=("router",))
    )
    assert (await pipeline.build().run(NOTHING))["a"].status is StageStatus.SKIP


# --- outcomes --------------------------------------------------------------------------------------------------


@virtual
async def test_cancel_ends_the_run_with_reason_data_and_results() -> None:
    log = Log()
    sink = CollectingEventSink()
    graph = (
        Pipeline()
        .with_stage("early", gives(x=1))
        .with_stage("guard", returns(StageOutput.cancel("policy", {"blocked": True}), 1, StageKind.GUARD))
        .with_stage("sibling", log.waits("sibling"))
        .with_stage("after", log.waits("after"), dependencies=("guard",))
        .build()
    )
    with pytest.raises(PipelineCancelled) as caught:
        await graph.run(NOTHING, event_sink=sink)
    stop = caught.value
    assert (stop.stage, stop.reason, stop.data) == ("guard", "policy", {"blocked": True})
    assert list(stop.results) == ["early", "guard", "sibling"]
    assert stop.results["sibling"].reason == "the run ended with stage 'guard'"
    assert log == ["sibling cancelled"]
    assert sink.types()[-3:] == ["stage.cancelled", "stage.cancelled", "pipeline.cancelled"]
    assert sink.events[-1].data["reason"] == "policy"


@pytest.mark.parametrize("how", ["fails", "raises"])
def test_failure_ends_the_run_with_error_cause_and_results(how: str) -> None:
    log, cause = Log(), ValueError("bad")
    failing = returns(StageOutput.fail("bad", {"code": 7}), 1) if how == "fails" else raises(cause, 1)
    graph = (
        Pipeline()
        .with_stage("early", gives(x=1))
        .with_stage("bad", failing)
        .with_stage("sibling", log.waits("sibling", cleanup_s=0.3))
        .with_stage("after", log.waits("after"), dependencies=("bad", "sibling"))
        .build()
    )

    async def run() -> None:
        with pytest.raises(StageFailed) as caught:
            await graph.run(NOTHING)
        failure = caught.value
        assert failure.stage == "bad"
        assert failure.error == ("bad" if how == "fails" else "ValueError: bad")
        assert failure.__cause__ is (None if how == "fails" else cause)
        assert failure.data == ({"code": 7} if how == "fails" else {})
        assert failure.results.failed() == ("bad",)
        assert failure.results.ok("early")
        assert not failure.results.ok("after")
        assert failure.results.data("after") == {}
        assert anyio.current_time() == 1.3

    run_virtual(run)
    assert log == ["sibling cancelled"]


@virtual
async def test_a_stage_that_exceeds_its_time_fails() -> None:
    log = Log()
    graph = (
        Pipeline().with_stage("slow", log.waits("slow"), timeout_s=2).with_stage("x", log.waits("x")).build()
    )
    with pytest.raises(StageTimeout, match="stage 'slow' failed: it took longer than 2 s") as caught:
        await graph.run(NOTHING)
    assert anyio.current_time() == 2
    assert caught.value.results["slow"].status is StageStatus.FAIL
    assert caught.value.results["x"].status is StageStatus.CANCEL
    assert isinstance(caught.value, StageFailed)


@virtual
async def test_a_stage_that_swallows_its_timeout_has_failed_all_the_same() -> None:
    async def swallow(ctx: StageContext) -> Returned:
        try:
            await anyio.sleep(10)
        except asyncio.CancelledError:
            return {"late": True}
        return {}

    with pytest.raises(StageTimeout) as caught:
        await Pipeline().with_stage("a", Do(swallow), timeout_s=1).build().run(NOTHING)
    assert caught.value.results.failed() == ("a",)


@virtual
async def test_a_stage_in_time_is_left_alone() -> None:
    graph = (
        Pipeline()
        .with_stage("a", gives(after_s=1), timeout_s=1.5)
        .with_stage("b", gives(after_s=1), dependencies=("a",))
        .build()
    )
    assert (await graph.run(NOTHING, deadline_s=2.5)).ok("b")


@virtual
async def test_a_run_that_exceeds_its_deadline_fails_and_names_who_ran() -> None:
    log, sink = Log(), CollectingEventSink()
    graph = Pipeline().with_stage("a", gives()).with_stage("b", log.waits("b"), dependencies=("a",)).build()
    with pytest.raises(DeadlineExceeded, match=r"longer than 3 s; still running: b") as caught:
        await graph.run(NOTHING, deadline_s=3, event_sink=sink)
    assert anyio.current_time() == 3
    assert caught.value.stage == "b"
    assert caught.value.results["b"].status is StageStatus.CANCEL
    assert sink.types()[-2:] == ["stage.cancelled", "pipeline.failed"]


@virtual
async def test_the_first_verdict_stands() -> None:
    async def fail_when_cancelled(ctx: StageContext) -> Returned:
        try:
            await anyio.sleep(10)
        finally:
            raise KeyError("second")

    graph = (
        Pipeline().with_stage("a", raises(ValueError("first"), 1)).with_stage("b", Do(fail_when_cancelled))
    )
    with pytest.raises(StageFailed, match="first") as caught:
        await graph.build().run(NOTHING)
    assert caught.value.results["b"].error == "KeyError: 'second'"


# --- cancellation by the caller --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["scope", "task"])
def test_the_caller_s_cancellation_goes_on_to_the_caller(by: str) -> None:
    log, sink = Log(), CollectingEventSink()
    graph = (
        Pipeline()
        .with_stage("a", log.waits("a", cleanup_s=0.2))
        .with_stage("b", log.waits("b"))
        .with_stage("c", log.waits("c"), dependencies=("b",))
        .build()
    )

    async def by_scope() -> None:
        with anyio.move_on_after(1) as scope:
            await graph.run(NOTHING, event_sink=sink)
        assert scope.cancelled_caught
        assert anyio.current_time() == 1.2

    async def by_task() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(graph.run(NOTHING, event_sink=sink))
        await anyio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert anyio.current_time() == 1.2

    run_virtual(by_scope if by == "scope" else by_task)
    assert sorted(log) == ["a cancelled", "b cancelled"]
    ended = {event.data["stage"]: event.data for event in sink.of("stage.cancelled")}
    assert {name: data["reason"] for name, data in ended.items()} == dict.fromkeys(
        ("a", "b"), "the caller cancelled the run"
    )
    assert {name: data["duration_ms"] for name, data in ended.items()} == {"a": 1200, "b": 1000}
    assert sink.events[-1] == StageEvent(
        "pipeline.cancelled",
        {"run_id": "run-1", "stage": None, "kind": None, "duration_ms": 1200, "reason": "the caller cancelled the run"},
    )  # fmt: skip


@virtual
async def test_a_run_in_a_cancelled_scope_starts_nothing() -> None:
    log = Log()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Pipeline().with_stage("a", log.waits("a")).build().run(NOTHING)
    assert log == []


@virtual
async def test_a_stage_that_swallows_the_caller_s_cancellation_frees_nobody() -> None:
    log = Log()

    async def swallow(ctx: StageContext) -> Returned:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.5)
        try:
            await anyio.sleep(10)
        except asyncio.CancelledError:
            log.append("swallowed")
        return {}

    graph = (
        Pipeline().with_stage("a", Do(swallow)).with_stage("b", log.waits("b"), dependencies=("a",)).build()
    )
    with anyio.move_on_after(0.2) as scope:
        await graph.run(NOTHING)
    assert scope.cancelled_caught
    assert log == ["swallowed"]


# --- the stubborn ------------------------------------------------------------------------------------------------


async def shielded(ctx: StageContext) -> Returned:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(1000)
    return {}


async def deaf_to_everything(ctx: StageContext) -> Returned:
    with anyio.CancelScope(shield=True):
        for _ in range(3):
            with suppress(BaseException):
                await anyio.sleep(1000)
    return {}


async def with_children(ctx: StageContext) -> Returned:
    with anyio.CancelScope(shield=True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1000)
            await anyio.sleep(1000)
    return {}


STUBBORN = {"shielded": shielded, "deaf to everything": deaf_to_everything, "with children": with_children}


@pytest.mark.parametrize("act", STUBBORN.values(), ids=STUBBORN)
@pytest.mark.parametrize("why", ["sibling fails", "times out", "deadline", "caller's scope", "caller's task"])
def test_who_overstays_is_named_and_brought_down(
    act: Callable[[StageContext], Awaitable[Returned]], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink = CollectingEventSink()
    pipeline = Pipeline().with_stage("stubborn", Do(act), timeout_s=1 if why == "times out" else None)
    if why == "sibling fails":
        pipeline = pipeline.with_stage("bad", raises(ValueError("bad"), 1))
    graph = pipeline.build()

    async def run() -> None:
        if why == "caller's scope":
            with anyio.move_on_after(1):
                await graph.run(NOTHING, event_sink=sink)
        elif why == "caller's task":
            task = asyncio.get_running_loop().create_task(graph.run(NOTHING, event_sink=sink))
            await anyio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(StageFailed):
                await graph.run(NOTHING, event_sink=sink, deadline_s=1 if why == "deadline" else None)
        assert anyio.current_time() == 1 + GRACE_S
        await anyio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with caplog.at_level(logging.WARNING):
        run_virtual(run)
    assert [event.data["stage"] for event in sink.of("stage.overstayed")] == ["stubborn"]
    assert [(record.message, vars(record)["stage"]) for record in caplog.records] == [
        ("stage overstays its cancellation", "stubborn")
    ]


async def test_who_ignores_every_cancellation_is_brought_down() -> None:
    """In real time: asked again at every turn of the loop, such a stage leaves virtual time no reason to move."""

    async def deaf(ctx: StageContext) -> Returned:
        while True:
            with suppress(asyncio.CancelledError):
                await anyio.sleep(1000)

    began_s = anyio.current_time()
    with pytest.raises(StageFailed, match="bad"):
        await (
            Pipeline()
            .with_stage("deaf", Do(deaf))
            .with_stage("bad", raises(ValueError("bad")))
            .build()
            .run(NOTHING)
        )
    assert anyio.current_time() - began_s >= GRACE_S
    assert asyncio.all_tasks() == {asyncio.current_task()}
