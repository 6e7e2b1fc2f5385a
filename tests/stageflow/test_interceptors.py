"""What is around every attempt of every stage: the order of hooks, what they are given, and the built-in ones."""

import logging
import math
from typing import Any

import anyio
import pytest

from stageflow import (
    ContextSnapshot,
    Interceptor,
    LoggingInterceptor,
    MetricsInterceptor,
    Pipeline,
    RetryPolicy,
    Span,
    StageContext,
    StageFailed,
    StageKind,
    StageOutput,
    TracingInterceptor,
)
from stages.testing.virtual_time import run_virtual, virtual
from tests.stageflow.doubles import Do, Log, Returned, gives, raises, returns

FACTS = ContextSnapshot(pipeline_run_id="run-1")


class Noting(Interceptor):
    """Notes its calls."""

    priority = 0

    def __init__(self, name: str, notes: list[str], priority: int = 0) -> None:
        self.name = name
        self.notes = notes
        self.priority = priority

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        assert ctx.stage_name == stage_name
        self.notes.append(f"{self.name} before {stage_name}")

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        self.notes.append(f"{self.name} after {stage_name}: {output.status}")

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        self.notes.append(f"{self.name} on_error {stage_name}: {error}")


@virtual
async def test_the_lowest_priority_is_outermost() -> None:
    notes: list[str] = []
    inner, outer, middle = Noting("inner", notes, 9), Noting("outer", notes, -1), Noting("middle", notes)
    graph = Pipeline().with_stage("a", gives()).build(interceptors=(inner, outer, middle))
    await graph.run(FACTS)
    assert notes == [
        "outer before a", "middle before a", "inner before a",
        "inner after a: ok", "middle after a: ok", "outer after a: ok",
    ]  # fmt: skip


@virtual
async def test_of_the_same_priority_the_first_is_outermost() -> None:
    notes: list[str] = []
    first, inner, second = Noting("first", notes), Noting("inner", notes, 1), Noting("second", notes)
    await Pipeline().with_stage("a", gives()).build(interceptors=(first, inner, second)).run(FACTS)
    assert [note.split()[0] for note in notes] == ["first", "second", "inner", "inner", "second", "first"]


@virtual
async def test_an_error_passes_them_all_from_the_inside_out() -> None:
    notes: list[str] = []
    graph = Pipeline().with_stage("a", raises(ValueError("bad")))
    with pytest.raises(StageFailed):
        await graph.build(interceptors=(Noting("outer", notes, 0), Noting("inner", notes, 1))).run(FACTS)
    assert notes == ["outer before a", "inner before a", "inner on_error a: bad", "outer on_error a: bad"]


@virtual
async def test_every_attempt_of_every_stage_is_wrapped() -> None:
    notes: list[str] = []
    outputs = iter((StageOutput.retry("busy"), StageOutput.ok()))

    async def second_time_lucky(ctx: StageContext) -> Returned:
        return next(outputs)

    graph = (
        Pipeline()
        .with_stage("a", Do(second_time_lucky), retry=RetryPolicy())
        .with_stage("b", returns(StageOutput.skip("no need")), dependencies=("a",))
        .build(interceptors=(Noting("i", notes),))
    )
    await graph.run(FACTS)
    assert notes == [
        "i before a", "i after a: retry", "i before a", "i after a: ok", "i before b", "i after b: skip",
    ]  # fmt: skip


@virtual
async def test_an_inner_refusal_is_an_error_for_those_further_out_and_the_stage_does_not_run() -> None:
    class Refusing(Noting):
        async def before(self, stage_name: str, ctx: StageContext) -> None:
            raise PermissionError("not you")

    notes: list[str] = []
    log = Log()
    graph = Pipeline().with_stage("a", log.waits("a", 0))
    with pytest.raises(StageFailed, match="PermissionError: not you"):
        await graph.build(interceptors=(Refusing("inner", notes, 1), Noting("outer", notes))).run(FACTS)
    assert notes == ["outer before a", "outer on_error a: not you"]
    assert log == []


@virtual
async def test_a_router_without_a_route_is_an_error_for_its_interceptors() -> None:
    class Errors(Interceptor):
        async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
            notes.append(f"{stage_name}: {error}")

    notes: list[str] = []
    graph = (
        Pipeline()
        .with_stage("router", gives(StageKind.ROUTE))
        .with_stage("a", gives(), dependencies=("router",), when=("router", "a"))
    )
    with pytest.raises(StageFailed):
        await graph.build(interceptors=(Errors(),)).run(FACTS)
    assert len(notes) == 1
    assert notes[0].startswith("router: stage 'router' gave no route")


@virtual
async def test_who_is_cancelled_is_let_go_and_its_interceptors_are_told() -> None:
    notes: list[str] = []
    with anyio.move_on_after(1):
        await (
            Pipeline().with_stage("a", gives(after_s=9)).build(interceptors=(Noting("i", notes),)).run(FACTS)
        )
    assert notes == ["i before a", "i on_error a: the caller cancelled the run"]


@virtual
async def test_a_trace_has_a_span_for_each_attempt() -> None:
    spans: list[Span] = []
    graph = (
        Pipeline()
        .with_stage("a", gives(after_s=1))
        .with_stage("b", returns(StageOutput.fail("bad"), 2), dependencies=("a",))
        .with_stage("c", raises(ValueError("worse"), 0.5), dependencies=("a",))
        .build(interceptors=(TracingInterceptor(spans.append),))
    )
    with pytest.raises(StageFailed):
        await graph.run(FACTS)
    assert [(each.stage, each.start_ms, each.end_ms, str(each.status), each.error) for each in spans] == [
        ("a", 0, 1000, "ok", None),
        ("c", 1000, 1500, "fail", "ValueError: worse"),
        ("b", 1000, 1500, "cancel", "StageCancelled: the run ended with stage 'c'"),
    ]
    assert {each.run_id for each in spans} == {"run-1"}


@virtual
async def test_metrics_count_and_add_up_over_runs() -> None:
    metrics = MetricsInterceptor()
    graph = Pipeline().with_stage("a", gives(after_s=1)).build(interceptors=(metrics,))
    for _ in range(3):
        await graph.run(FACTS)
    with pytest.raises(StageFailed):
        await Pipeline().with_stage("a", raises(ValueError("bad"))).build(interceptors=(metrics,)).run(FACTS)
    assert metrics.outcomes["a", "ok"] == 3
    assert sum(metrics.outcomes.values()) == 4
    assert metrics.total_ms["a"] == 3000


def test_the_log_says_how_each_attempt_ended_and_keeps_words_under_pii(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        ending = Pipeline().with_stage("a", gives(after_s=1))
        ending = ending.with_stage("b", raises(ValueError("my secret")), dependencies=("a",))
        with pytest.raises(StageFailed):
            await ending.build(interceptors=(LoggingInterceptor(),)).run(FACTS)

    with caplog.at_level(logging.INFO, "stageflow"):
        run_virtual(run)
    first, second = (vars(record) for record in caplog.records)
    assert (first["stage"], first["run_id"], first["duration_ms"]) == ("a", "run-1", 1000)
    assert second["stage"] == "b"
    assert "my secret" in second["pii.error"]
    assert [key for key, value in second.items() if "my secret" in str(value)] == ["pii.error"]


@pytest.mark.parametrize("after_s", [math.inf, math.nan, "5"])
@virtual
async def test_a_wait_without_an_end_is_no_wait_for_another_try(after_s: Any) -> None:
    async def busy(ctx: StageContext) -> StageOutput:
        return StageOutput.retry("busy", after_s=after_s)

    with pytest.raises(StageFailed, match=f"after_s is {after_s!r}; it must be a number of seconds"):
        await Pipeline().with_stage("a", busy, retry=RetryPolicy()).build().run(FACTS)
    assert anyio.current_time() == 0


def test_a_retry_policy_whose_waits_have_no_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"max_delay_s=inf.*max_delay_s < inf"):
        RetryPolicy(base_delay_s=math.inf, max_delay_s=math.inf)
