"""Fifteen bugs that frameworks of this kind have shipped with, and this one must not: a test each, in their order."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from stageflow import (
    CollectingEventSink,
    ContextSnapshot,
    Pipeline,
    PipelineTimer,
    RetryPolicy,
    RunEnded,
    StageArtifact,
    StageContext,
    StageEvent,
    StageFailed,
    StageKind,
    StageOutput,
    StageStatus,
)
from stageflow.stage_run import GRACE_S
from stageflow.streams import CAPACITY
from stages.testing.virtual_time import run_virtual, virtual
from tests.stageflow.doubles import Do, Log, Returned, collects, gives, raises, returns, sends

FACTS = ContextSnapshot(pipeline_run_id="run-1")
GUARD, ROUTE = StageKind.GUARD, StageKind.ROUTE


class Interceptor:
    """Hooks that do nothing, to be overridden."""

    priority = 0

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        return None

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        return None

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        return None


@virtual
async def test_1_a_guard_that_fails_fails_every_time() -> None:
    """A circuit breaker opened around a guard after a few failures, and let bad input pass."""

    async def refuse(ctx: StageContext) -> Returned:
        raise ValueError(f"bad input {ctx.snapshot.input_text}")

    log = Log()
    graph = (
        Pipeline()
        .with_stage("guard", Do(refuse, GUARD), GUARD)
        .with_stage("agent", log.waits("agent", 0), dependencies=("guard",))
        .build()
    )
    for number in range(100):
        with pytest.raises(StageFailed, match=f"bad input {number}$"):
            await graph.run(ContextSnapshot(input_text=str(number)))
    assert log == []


@virtual
async def test_2_an_exception_before_a_stage_keeps_it_from_running() -> None:
    """It was swallowed, and the stage ran: a refused stage must not."""

    class Refusing(Interceptor):
        async def before(self, stage_name: str, ctx: StageContext) -> None:
            raise refusal

    log, refusal = Log(), PermissionError("not you")
    graph = Pipeline().with_stage("a", log.waits("a", 0)).build(interceptors=(Refusing(),))
    with pytest.raises(StageFailed, match="'a' failed: PermissionError: not you") as caught:
        await graph.run(FACTS)
    assert caught.value.__cause__ is refusal
    assert log == []


@pytest.mark.parametrize("hook", ["after", "on_error"])
@virtual
async def test_2_an_exception_in_any_other_hook_fails_the_stage_too(hook: str) -> None:
    async def refuse(*_: object) -> None:
        raise PermissionError("not you")

    interceptor = Interceptor()
    setattr(interceptor, hook, refuse)
    stage = gives(x=1) if hook == "after" else raises(ValueError("bad"))
    with pytest.raises(StageFailed, match="PermissionError: not you"):
        await Pipeline().with_stage("a", stage).build(interceptors=(interceptor,)).run(FACTS)


@virtual
async def test_3_cancelling_a_run_leaves_other_runs_of_the_graph_alone() -> None:
    """State of a run was kept in the graph, so a cancellation reached them all."""
    graph = (
        Pipeline()
        .with_stage("a", gives(after_s=2, x=1))
        .with_stage("b", gives(after_s=2), dependencies=("a",))
        .build()
    )
    completed: list[str] = []

    async def run(name: str, patience_s: float) -> None:
        with anyio.move_on_after(patience_s):
            results = await graph.run(ContextSnapshot(pipeline_run_id=name))
            assert (results.run_id, results.ok("b"), results.duration_ms) == (name, True, 4000)
            completed.append(name)

    async with anyio.create_task_group() as tasks:
        for name, patience_s in (("one", 1), ("two", 10), ("three", 3), ("four", 10)):
            tasks.start_soon(run, name, patience_s)
    assert sorted(completed) == ["four", "two"]


@pytest.mark.parametrize(
    "how", ["fails", "raises", "times out", "cancels itself", "cancels the run", "caller"]
)
@virtual
async def test_4_no_ending_leaves_a_task_behind(how: str) -> None:
    """Orphans went on after the run had returned: they spoke, and they wrote."""
    ends = {
        "fails": returns(StageOutput.fail("bad"), 1),
        "raises": raises(ValueError("bad"), 1),
        "cancels itself": raises(asyncio.CancelledError(), 1),
        "cancels the run": returns(StageOutput.cancel("enough"), 1),
    }
    log = Log()
    graph = (
        Pipeline()
        .with_stage("a", ends.get(how, gives(after_s=100)), timeout_s=1 if how == "times out" else None)
        .with_stage("b", log.waits("b", cleanup_s=0.5))
        .with_stage("c", log.waits("c"))
        .with_stage("d", log.waits("d"), dependencies=("a",))
        .build()
    )
    outcome = "returned"
    with anyio.move_on_after(1 if how == "caller" else 100):
        try:
            await graph.run(FACTS)
        except (RunEnded, asyncio.CancelledError) as error:
            outcome = type(error).__name__
        assert log == ["c cancelled", "b cancelled"]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert anyio.current_time() == 1.5
    assert outcome == {
        "times out": "StageTimeout", "cancels the run": "PipelineCancelled", "caller": "CancelledError",
    }.get(how, "StageFailed")  # fmt: skip


@virtual
async def test_4_a_stage_that_raises_a_cancellation_of_its_own_has_failed() -> None:
    graph = Pipeline().with_stage("a", raises(asyncio.CancelledError(), 1)).build()
    with pytest.raises(
        StageFailed, match="'a' failed: CancelledError: raised, though nobody had cancelled it"
    ):
        await graph.run(FACTS)


@virtual
async def test_5_a_router_routes() -> None:
    """It could name a route, but every branch ran."""
    pipeline = Pipeline().with_stage("router", gives(ROUTE, route="b"), ROUTE)
    for name in ("a", "b", "c"):
        pipeline = pipeline.with_stage(name, gives(), when=("router", name), dependencies=("router",))
    results = await pipeline.with_stage("join", gives(), dependencies=("a", "b", "c")).build().run(FACTS)
    assert {name: str(results[name].status) for name in ("a", "b", "c", "join")} == {
        "a": "skip", "b": "ok", "c": "skip", "join": "ok",
    }  # fmt: skip


@virtual
async def test_6_a_retry_is_no_success() -> None:
    """A stage that asked for another try counted as done, and its dependants started."""
    log = Log()
    asks = returns(StageOutput.retry("busy"))
    pipeline = Pipeline().with_stage("after", log.waits("after", 0), dependencies=("a",))
    with pytest.raises(StageFailed, match=r"busy \(it asks for another try, but has no retry policy"):
        await pipeline.with_stage("a", asks).build().run(FACTS)
    with pytest.raises(
        StageFailed, match=r"busy \(after 3 attempts, which is all that its retry policy allows\)"
    ):
        await pipeline.with_stage("a", asks, retry=RetryPolicy(jitter=0)).build().run(FACTS)
    assert log == []


@pytest.mark.parametrize("slowest", ["a", "b", "c"])
@virtual
async def test_7_get_does_not_depend_on_who_finished_first(slowest: str) -> None:
    async def look(ctx: StageContext) -> Returned:
        return {"near": ctx.inputs.get("near"), "far": ctx.inputs.get("far")}

    pipeline = Pipeline()
    for name, needs in (("far", ()), ("a", ("far",)), ("b", ("far",)), ("c", ("far",))):
        data = {"far": name} if name == "far" else {"near": name}
        after_s = 2.0 if name == slowest else 1.0
        pipeline = pipeline.with_stage(name, gives(after_s=after_s, **data), dependencies=needs)
    results = await pipeline.with_stage("look", Do(look), dependencies=("c", "b", "a")).build().run(FACTS)
    assert results.data("look") == {"near": "a", "far": "far"}


@virtual
async def test_8_nothing_that_a_stage_gives_is_lost() -> None:
    """`ok(data, x=1)` lost x, and what the context had recorded never reached the output."""

    async def give(ctx: StageContext) -> Returned:
        ctx.add_artifact("chart", {"bars": 3})
        ctx.emit_event("custom.seen", {"step": 1})
        return StageOutput.ok(
            {"y": 2}, x=1, artifacts=[StageArtifact("file", "a.txt")], events=[StageEvent("custom.own")]
        )

    output = (await Pipeline().with_stage("a", Do(give)).build().run(FACTS))["a"]
    assert output.data == {"y": 2, "x": 1}
    assert [(each.type, each.payload) for each in output.artifacts] == [
        ("file", "a.txt"),
        ("chart", {"bars": 3}),
    ]
    assert [(each.type, dict(each.data)) for each in output.events] == [
        ("custom.own", {}),
        ("custom.seen", {"step": 1}),
    ]


@virtual
async def test_9_the_configuration_of_run_and_stage_reaches_the_stage() -> None:
    async def look(ctx: StageContext) -> Returned:
        return {key: ctx.config.get(key) for key in ("of_run", "of_stage", "of_both")}

    results = await (
        Pipeline()
        .with_stage("a", Do(look), config={"of_stage": 1, "of_both": "stage"})
        .with_stage("b", Do(look))
        .build()
        .run(FACTS, config={"of_run": 2, "of_both": "run"})
    )
    assert results.data("a") == {"of_run": 2, "of_stage": 1, "of_both": "stage"}
    assert results.data("b") == {"of_run": 2, "of_stage": None, "of_both": "run"}


@virtual
async def test_10_a_consumer_works_while_its_producer_does_and_any_number_of_items_passes() -> None:
    """The consumer started after the producer, which stalled as soon as there were more items than room."""
    count = CAPACITY * 3
    graph = (
        Pipeline()
        .with_stage("agent", sends(*range(count), every_s=1))
        .with_stage("tts", collects("agent"), streams=("agent",))
        .build()
    )
    results = await graph.run(FACTS)
    assert results.data("tts")["items"] == list(range(count))
    assert results.data("tts")["moments"] == list(range(1, count + 1))


@virtual
async def test_10_more_items_than_room_wait_for_a_slow_consumer() -> None:
    count = CAPACITY * 3
    graph = (
        Pipeline()
        .with_stage("agent", sends(*range(count)))
        .with_stage("tts", collects("agent", every_s=1), streams=("agent",))
        .build()
    )
    results = await graph.run(FACTS)
    assert results.data("tts")["items"] == list(range(count))
    assert results["agent"].duration_ms == (count - CAPACITY - 1) * 1000


@pytest.mark.parametrize("end", ["returns", "fails"])
@virtual
async def test_11_a_producer_is_let_go_when_its_consumer_is_gone(end: str) -> None:
    """It waited for ever for room in a queue that nobody read any more."""

    async def leave(ctx: StageContext) -> Returned:
        async for _ in ctx.inputs.stream("agent"):
            break
        await anyio.sleep(1)
        return None if end == "returns" else StageOutput.fail("bad")

    graph = (
        Pipeline()
        .with_stage("agent", sends(*range(CAPACITY * 3)))
        .with_stage("tts", Do(leave), streams=("agent",))
        .build()
    )
    if end == "returns":
        results = await graph.run(FACTS)
        assert (results.ok("agent"), results.ok("tts"), results["agent"].duration_ms) == (True, True, 1000)
    else:
        with pytest.raises(StageFailed, match="'tts' failed: bad") as caught:
            await graph.run(FACTS)
        assert caught.value.results["agent"].status is StageStatus.CANCEL
    assert anyio.current_time() == 1


@virtual
async def test_12_a_normal_run_tells_of_its_life() -> None:
    """Events were defined, and never emitted."""
    sink = CollectingEventSink()
    graph = (
        Pipeline()
        .with_stage("a", gives(after_s=1))
        .with_stage("b", returns(StageOutput.skip("nothing")), dependencies=("a",))
        .build()
    )
    await graph.run(FACTS, event_sink=sink)
    told = [(event.type, event.data["stage"], event.data["duration_ms"]) for event in sink.events]
    assert told == [
        ("pipeline.started", None, 0),
        ("stage.started", "a", 0),
        ("stage.completed", "a", 1000),
        ("stage.started", "b", 0),
        ("stage.skipped", "b", 0),
        ("pipeline.completed", None, 1000),
    ]
    assert {event.data["run_id"] for event in sink.events} == {"run-1"}
    assert [event.data["kind"] for event in sink.events[1:-1]] == [StageKind.TRANSFORM] * 4


def test_13_durations_ignore_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was set back gave negative durations."""
    for clock in ("time.time", "time.time_ns"):
        monkeypatch.setattr(clock, lambda: 0)

    async def run() -> Mapping[str, StageOutput]:
        return await Pipeline().with_stage("a", gives(after_s=3)).build().run(FACTS)

    assert run_virtual(run)["a"].duration_ms == 3000
    now_s = iter((10.0, 12.5))
    assert PipelineTimer(lambda: next(now_s)).elapsed_ms() == 2500
    timer = PipelineTimer()
    waited = anyio.run(_waited_ms, timer)
    assert 0 < waited < 5000


async def _waited_ms(timer: PipelineTimer) -> float:
    await anyio.sleep(0.01)
    return timer.elapsed_ms()


@virtual
async def test_14_a_stubborn_sibling_delays_an_error_by_the_grace_at_most() -> None:
    async def shielded(ctx: StageContext) -> Returned:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3600)
        return {}

    graph = (
        Pipeline()
        .with_stage("bad", raises(ValueError("bad"), 1))
        .with_stage("stubborn", Do(shielded))
        .build()
    )
    with pytest.raises(StageFailed, match="'bad' failed: ValueError: bad"):
        await graph.run(FACTS)
    assert anyio.current_time() == 1 + GRACE_S


def _changes_a_list(ctx: StageContext) -> None:
    ctx.inputs.get("items").append("mine")
    ctx.inputs.get_from("a", "items").clear()


def _changes_what_is_nested(ctx: StageContext) -> None:
    ctx.inputs.get("nested")["list"][0]["x"] = 2


def _changes_an_output(ctx: StageContext) -> None:
    output = ctx.inputs.get_output("a")
    assert output is not None
    output.data["items"].append("mine")
    output.data["new"] = "mine"  # type: ignore[index]  # that is what must not work


def _changes_an_artifact(ctx: StageContext) -> None:
    output = ctx.inputs.get_output("a")
    assert output is not None
    output.artifacts[0].payload["bars"] = 99


def _changes_an_event(ctx: StageContext) -> None:
    output = ctx.inputs.get_output("a")
    assert output is not None
    output.events[0].data["step"] = 99  # type: ignore[index]  # that is what must not work


@pytest.mark.parametrize(
    "change",
    [
        _changes_a_list,
        _changes_what_is_nested,
        _changes_an_output,
        _changes_an_artifact,
        _changes_an_event,
    ],
)
@virtual
async def test_15_a_stage_cannot_change_what_upstream_gave(change: Callable[[StageContext], None]) -> None:
    async def give(ctx: StageContext) -> Returned:
        ctx.add_artifact("chart", {"bars": 3})
        ctx.emit_event("custom.seen", {"step": 1})
        return {"items": ["theirs"], "nested": {"list": [{"x": 1}]}}

    async def meddle(ctx: StageContext) -> Returned:
        try:
            change(ctx)
        except TypeError:
            return {"refused": True}
        return {}

    async def look(ctx: StageContext) -> Returned:
        output = ctx.inputs.get_output("a")
        assert output is not None
        return {
            "data": dict(output.data),
            "payload": output.artifacts[0].payload,
            "event": dict(output.events[0].data),
        }

    results = await (
        Pipeline()
        .with_stage("a", Do(give))
        .with_stage("meddler", Do(meddle), dependencies=("a",))
        .with_stage("look", Do(look), dependencies=("meddler",))
        .build()
        .run(FACTS)
    )
    expected: dict[str, Any] = {"items": ["theirs"], "nested": {"list": [{"x": 1}]}}
    assert results.data("look") == {"data": expected, "payload": {"bars": 3}, "event": {"step": 1}}
    assert results.data("a") == expected
