"""What authors of stages run into: statuses as text, groups, context variables, ports, retries, optional stages."""

import asyncio
import contextvars
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from stageflow import (
    CollectingEventSink,
    ContextSnapshot,
    CorePorts,
    DeadlineExceeded,
    Interceptor,
    InvalidOutputError,
    LoggingInterceptor,
    MetricsInterceptor,
    Pipeline,
    PipelineBuildError,
    PipelineCancelled,
    RetryInterceptor,
    RetryPolicy,
    StageContext,
    StageEvent,
    StageFailed,
    StageKind,
    StageOutput,
    StagePorts,
    StageStatus,
    StageTimeout,
    StageUsageError,
    TimeoutInterceptor,
)
from stageflow.core import StageCall
from stages.testing.virtual_time import virtual
from tests.stageflow.doubles import Log, Returned, collects, gives, raises, returns, sends

FACTS = ContextSnapshot(pipeline_run_id="run-1")
user = contextvars.ContextVar("user", default="nobody")


@pytest.mark.parametrize("status", ["cancel", "fail", "retry", "blocked"])
@virtual
async def test_a_status_as_text_does_not_fail_open(status: Any) -> None:
    async def guard(ctx: StageContext) -> Returned:
        return StageOutput(status, error="bad")

    log = Log()
    pipeline = Pipeline().with_stage("guard", guard, StageKind.GUARD)
    with pytest.raises((StageFailed, PipelineCancelled)):
        await pipeline.with_stage("agent", log.waits("agent", 0), dependencies=("guard",)).run()
    assert log == []
    with pytest.raises(InvalidOutputError, match="there is no status 'blocked'; there are ok, skip"):
        StageOutput("blocked")  # type: ignore[arg-type]


def test_a_mapping_by_keyword_counts_as_the_data() -> None:
    assert StageOutput.ok(data={"a": 1}, b=2).data == {"a": 1, "b": 2}
    assert StageOutput.ok(data=3).data == {"data": 3}
    assert StageOutput.ok({"a": 1}, data={"b": 2}).data == {"a": 1, "data": {"b": 2}}


@virtual
async def test_a_failure_in_a_task_group_is_told_by_its_leaves() -> None:
    async def refuse() -> None:
        raise ConnectionError("profile service refused")

    async def enrich(ctx: StageContext) -> Returned:
        async with anyio.create_task_group() as outer:
            outer.start_soon(anyio.sleep, 9)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(refuse)
        return None

    with pytest.raises(StageFailed, match=r"'a' failed: ConnectionError: profile service refused$") as caught:
        await Pipeline().with_stage("a", enrich).run()
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize(("a_s", "b_s"), [(1, 2), (2, 1)])
@virtual
async def test_each_stage_has_its_own_copy_of_the_run_s_context_variables(a_s: int, b_s: int) -> None:
    async def sets(ctx: StageContext) -> Returned:
        await anyio.sleep(a_s)
        user.set("a stage")
        await anyio.lowlevel.checkpoint()
        return {"own": user.get()}

    async def sees(ctx: StageContext) -> Returned:
        return {"sees": user.get()}

    token = user.set("caller")
    pipeline = Pipeline().with_stage("a", sets).with_stage("b", gives(after_s=b_s))
    results = await pipeline.with_stage("c", sees, dependencies=("a", "b")).run()
    assert (results.data("a"), results.data("c"), user.get()) == (
        {"own": "a stage"},
        {"sees": "caller"},
        "caller",
    )
    user.reset(token)


# --- stages of other shapes ----------------------------------------------------------------------------------------


@virtual
async def test_a_decorated_method_and_a_function_are_stages() -> None:
    def traced(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def inner(*args: Any) -> Any:
            return function(*args)

        return inner

    class Decorated:
        kind = StageKind.TRANSFORM

        @traced
        async def execute(self, ctx: StageContext) -> Returned:
            return {"x": 1}

    async def plain(ctx: StageContext) -> Returned:
        return {"y": ctx.inputs.get("x")}

    results = await Pipeline().with_stage("d", Decorated).with_stage("f", plain, dependencies=("d",)).run()
    assert results.data("f") == {"y": 1}


def test_the_documented_stages_pass_a_strict_type_checker(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={tmp_path}",
        "typed.py",
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"MYPYPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r'Revealed type is "(builtins\.)?str"', done.stdout)


TYPED = """
from stageflow import ContextSnapshot, Pipeline, StageContext, StageKind, StageOutput

class Listen:
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        return StageOutput.ok(text=(ctx.snapshot.input_text or "").strip())

class Named:
    name = "named"
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        text = ctx.inputs.require_from("listen", "text", str)
        reveal_type(text)
        return StageOutput.ok(text=text)

async def plain(ctx: StageContext) -> dict[str, int]:
    return {"n": 1}

pipeline = Pipeline().with_stage("listen", Listen).with_stage("named", Named(), dependencies=("listen",))
graph = pipeline.with_stage("plain", plain).build()
ContextSnapshot(messages=[{"role": "user", "content": "hi"}], profile={"display_name": "Ada"})
"""


# --- ports ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MyPorts(CorePorts):
    translator: object = None


@pytest.mark.parametrize("ports", [MyPorts(translator="T"), StagePorts(extra={"translator": "T"})])
@virtual
async def test_services_of_one_s_own_come_in_as_a_subclass_or_by_name(ports: Any) -> None:
    async def look(ctx: StageContext) -> Returned:
        return {"t": ctx.ports.translator, "required": ctx.require_port("translator"), "db": ctx.ports.db}

    results = await Pipeline().with_stage("s", look).run(FACTS, ports=ports)
    assert results.data("s") == {"t": "T", "required": "T", "db": None}


# --- another try ---------------------------------------------------------------------------------------------------

QUICK = RetryPolicy(3, 0.001)


@pytest.mark.parametrize(("policy", "error", "tries"), [
    (QUICK, ConnectionError("reset"), 3),
    (QUICK, ValueError("bad"), 1),
    (RetryPolicy(2, 0.001, retry_on=(ValueError,)), ValueError("bad"), 2),
    (RetryPolicy(2, 0.001, retry_on=(ValueError,)), ExceptionGroup("all", [ValueError("bad")]), 2),
    (RetryPolicy(2, 0.001, retry_on=(ValueError,)), ExceptionGroup("some", [ValueError("x"), KeyError("y")]), 1),
])  # fmt: skip
@virtual
async def test_what_was_raised_is_tried_again_if_the_policy_says_so(
    policy: RetryPolicy, error: Exception, tries: int
) -> None:
    calls: list[int] = []

    async def flaky(ctx: StageContext) -> Returned:
        calls.append(1)
        raise error

    with pytest.raises(StageFailed) as caught:
        await Pipeline().with_stage("s", flaky, retry=policy).run()
    assert len(calls) == tries
    assert caught.value.__cause__ is (
        error.exceptions[0] if isinstance(error, ExceptionGroup) and tries == 2 else error
    )


@virtual
async def test_a_class_keeps_its_instance_for_further_attempts_and_only_for_them() -> None:
    class Counting:
        kind = StageKind.ENRICH

        def __init__(self) -> None:
            self.calls = 0

        async def execute(self, ctx: StageContext) -> StageOutput:
            self.calls += 1
            return StageOutput.retry("busy") if self.calls < 3 else StageOutput.ok(calls=self.calls)

    graph = Pipeline().with_stage("c", Counting, retry=QUICK).build()
    assert [(await graph.run(FACTS)).data("c") for _ in range(2)] == [{"calls": 3}] * 2


def test_retry_on_needs_classes_of_exceptions() -> None:
    with pytest.raises(ValueError, match="retry_on a tuple of classes of exceptions"):
        RetryPolicy(retry_on=ValueError)  # type: ignore[arg-type]


# --- optional stages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["raises", "fails", "is late"])
@virtual
async def test_the_failure_of_an_optional_stage_is_a_skip_that_carries_its_error(how: str) -> None:
    stage = {
        "raises": raises(ConnectionError("down"), 1),
        "fails": returns(StageOutput.fail("down"), 1),
        "is late": gives(after_s=9),
    }[how]
    sink = CollectingEventSink()
    pipeline = Pipeline().with_stage("profile", stage, StageKind.ENRICH, timeout_s=2, optional=True)
    pipeline = pipeline.with_stage("agent", gives(after_s=1, said="Hello"), dependencies=("profile",))
    results = await pipeline.with_stage("other", gives(after_s=4)).build().run(FACTS, event_sink=sink)
    assert results.data("agent") == {"said": "Hello"}
    assert results.ok("other")
    output = results["profile"]
    assert output.status is StageStatus.SKIP
    assert ("longer than 2 s" if how.startswith("is") else "down") in str(output.error)
    assert "optional" in str(output.reason)
    assert sink.of("stage.skipped")[0].data["stage"] == "profile"
    assert results.duration_ms == 4000
    assert asyncio.current_task() is not None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_optional_stage_that_ignores_its_cancellation_is_brought_down_and_the_run_goes_on() -> None:
    """In real time: asked again at every turn of the loop, such a stage leaves virtual time no reason to move."""

    async def stubborn(ctx: StageContext) -> Returned:
        while True:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    async def after(ctx: StageContext) -> Returned:
        async with asyncio.timeout(5):
            await asyncio.sleep(0.01)
        return {"said": "Hello"}

    pipeline = Pipeline().with_stage("profile", stubborn, timeout_s=0.05, optional=True)
    results = await pipeline.with_stage("agent", after, dependencies=("profile",)).run()
    assert results.data("agent") == {"said": "Hello"}
    assert results["profile"].status is StageStatus.SKIP
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_an_optional_stage_may_cancel_the_run_and_is_cancelled_with_it() -> None:
    pipeline = Pipeline().with_stage("a", returns(StageOutput.cancel("enough"), 1), optional=True)
    log = Log()
    with pytest.raises(PipelineCancelled):
        await pipeline.with_stage("b", log.waits("b"), optional=True).run()
    assert log == ["b cancelled"]


# --- time ----------------------------------------------------------------------------------------------------------


async def test_a_stage_that_computes_without_awaiting_sees_that_its_time_is_up() -> None:
    saw: list[bool] = []

    async def computes(ctx: StageContext) -> Returned:
        end = time.perf_counter() + 5
        while time.perf_counter() < end and not ctx.is_cancelled:
            pass
        saw.append(ctx.is_cancelled)
        return {"half": True}

    with pytest.raises(StageTimeout):
        await Pipeline().with_stage("s", computes, timeout_s=0.3).run()
    with pytest.raises(DeadlineExceeded):
        await Pipeline().with_stage("s", computes).run(FACTS, deadline_s=0.3)
    assert saw == [True, True]


async def test_a_worker_thread_can_ask_whether_its_run_is_over() -> None:
    async def threaded(ctx: StageContext) -> Returned:
        def work() -> None:
            saw.append(ctx.is_cancelled)
            anyio.from_thread.run_sync(begun.set)
            end = time.perf_counter() + 5
            while time.perf_counter() < end:
                if ctx.is_cancelled:
                    saw.append("stopped")
                    return

        await anyio.to_thread.run_sync(work)
        return None

    saw: list[object] = []
    begun = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pipeline().with_stage("s", threaded).run)
        await begun.wait()
        tasks.cancel_scope.cancel()
    assert saw == [False, "stopped"]
    with pytest.raises(StageTimeout):
        await Pipeline().with_stage("s", threaded, timeout_s=0.3).run()


@virtual
async def test_a_stage_s_task_carries_its_name() -> None:
    async def named(ctx: StageContext) -> Returned:
        task = asyncio.current_task()
        return {"name": task.get_name() if task else ""}

    results = await Pipeline().with_stage("stt", named).with_stage("b", named, dependencies=("stt",)).run()
    assert [results.data(name)["name"] for name in ("stt", "b")] == ["stt", "b"]


# --- streams -------------------------------------------------------------------------------------------------------


@virtual
async def test_a_producer_sees_that_nobody_reads_any_more() -> None:
    made: list[int] = []

    async def writes(ctx: StageContext) -> Returned:
        while ctx.stream.wanted:
            made.append(len(made))
            await ctx.stream.send(made[-1])
            await anyio.sleep(1)
        return None

    async def takes_ten(ctx: StageContext) -> Returned:
        async for number in ctx.inputs.stream("llm"):
            if number == 9:
                break
        return None

    await Pipeline().with_stage("llm", writes).with_stage("tts", takes_ten, streams=("llm",)).run()
    assert len(made) == 10


@virtual
async def test_the_capacity_of_an_edge_can_be_set() -> None:
    ahead: list[int] = []

    async def writes(ctx: StageContext) -> Returned:
        for number in range(9):
            await ctx.stream.send(number)
            ahead.append(number)
        return None

    async def looks(ctx: StageContext) -> Returned:
        await anyio.sleep(1)
        return {"ahead": len(ahead)}

    results = await (
        Pipeline().with_stage("p", writes).with_stage("c", looks, streams=("p",), capacity=3).run()
    )
    assert results.data("c") == {"ahead": 3}


async def _source(ctx: StageContext) -> Returned:
    for number in range(500):
        await ctx.stream.send(number)
    return None


async def _through(ctx: StageContext) -> Returned:
    async for number in ctx.inputs.stream("src"):
        await ctx.stream.send(number)
    return None


def diamond(sink: Any) -> Pipeline:
    pipeline = Pipeline().with_stage("src", _source)
    for name in ("a", "b"):
        pipeline = pipeline.with_stage(name, _through, streams=("src",))
    return pipeline.with_stage("sink", sink, streams=("a", "b"))


@virtual
async def test_a_stall_names_the_ring_of_those_who_wait() -> None:
    async def one_after_the_other(ctx: StageContext) -> Returned:
        return {"n": len([item for name in ("a", "b") for item in await _all(ctx, name)])}

    with pytest.raises(StageFailed, match="streams wait for each other") as caught:
        await diamond(one_after_the_other).run()
    for part in ("'sink' waits for an item of 'a'", "'src' waits for room towards 'b'", "let 'sink' read"):
        assert part in caught.value.reason
    assert caught.value.stage == "sink"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _all(ctx: StageContext, name: str) -> list[Any]:
    return [item async for item in ctx.inputs.stream(name)]


@virtual
async def test_who_reads_in_two_tasks_or_gives_up_in_time_is_no_ring() -> None:
    async def at_once(ctx: StageContext) -> Returned:
        async def slowly(name: str) -> None:
            async for _ in ctx.inputs.stream(name):
                await anyio.sleep(1.5 if name == "b" else 0)

        async with anyio.create_task_group() as tasks:
            for name in ("a", "b"):
                tasks.start_soon(slowly, name)
        return {"ok": True}

    async def gives_up(ctx: StageContext) -> Returned:
        with anyio.move_on_after(5):
            await _all(ctx, "a")
        return {"ok": True}

    for sink in (at_once, gives_up):
        assert (await diamond(sink).run()).data("sink") == {"ok": True}


@virtual
async def test_who_asks_behind_a_stream_is_told_what_to_do() -> None:
    async def asks(ctx: StageContext) -> Returned:
        await _all(ctx, "sentences")
        return {"total": ctx.inputs.get_from("tokens", "total")}

    pipeline = Pipeline().with_stage("tokens", sends("a", then={"total": 1}))
    pipeline = pipeline.with_stage("sentences", collects("tokens"), streams=("tokens",))
    with pytest.raises(StageFailed, match="there is a stream between them; read its stream too"):
        await pipeline.with_stage("sink", asks, streams=("sentences",)).run()

    async def reads_both(ctx: StageContext) -> Returned:
        await _all(ctx, "tokens")
        return await asks(ctx)

    assert (await pipeline.with_stage("sink", reads_both, streams=("sentences", "tokens")).run()).data(
        "sink"
    ) == {"total": 1}


# --- interceptors and sinks ----------------------------------------------------------------------------------------


class Limit(Interceptor):
    """Lets so many attempts run at once."""

    def __init__(self, slots: int) -> None:
        self.free = asyncio.Semaphore(slots)
        self.told: list[str] = []

    async def before(self, stage_name: str, ctx: StageContext) -> None:
        await self.free.acquire()

    async def after(self, stage_name: str, output: StageOutput, ctx: StageContext) -> None:
        self.free.release()

    async def on_error(self, stage_name: str, error: Exception, ctx: StageContext) -> None:
        await anyio.sleep(0.1)  # it may await, although the stage is being cancelled
        self.told.append(type(error).__name__)
        self.free.release()


@virtual
async def test_an_interceptor_gives_back_what_it_took_however_a_stage_ends() -> None:
    limit, metrics = Limit(1), MetricsInterceptor()
    slow = Pipeline().with_stage("slow", gives(after_s=9), timeout_s=1).build(interceptors=(limit, metrics))
    with pytest.raises(StageTimeout):
        await slow.run(FACTS)
    with anyio.move_on_after(0.5):
        await slow.run(FACTS)
    failing = Pipeline().with_stage("a", raises(ValueError("bad"), 1)).with_stage("b", gives(after_s=9))
    with pytest.raises(StageFailed):
        await failing.build(interceptors=(wide := Limit(2),)).run(FACTS)
    assert limit.told == ["StageTimeout", "StageCancelled"]
    assert sorted(wide.told) == ["StageCancelled", "ValueError"]
    assert not limit.free.locked()
    assert dict(metrics.outcomes) == {("slow", "fail"): 1, ("slow", "cancel"): 1}


@virtual
async def test_around_is_the_whole_of_an_interceptor() -> None:
    class Around:
        priority = 1

        async def around(self, stage_name: str, ctx: StageContext, call: StageCall) -> StageOutput:
            notes.append(f"before {stage_name}")
            try:
                output = await call(ctx)
                return StageOutput.ok({**output.data, "more": 2})
            except asyncio.CancelledError:
                notes.append("cancelled")
                raise

    notes: list[str] = []
    results = await Pipeline().with_stage("a", gives(x=1)).build(interceptors=(Around(),)).run(FACTS)
    assert results.data("a") == {"x": 1, "more": 2}
    with pytest.raises(StageTimeout):
        await (
            Pipeline()
            .with_stage("b", gives(after_s=9), timeout_s=1)
            .build(interceptors=(Around(),))
            .run(FACTS)
        )
    assert notes == ["before a", "before b", "cancelled"]


class OnlyBefore:
    async def before(self, stage_name: str, ctx: StageContext) -> None:
        return None


class NotAsync(Interceptor):
    def before(self, stage_name: str, ctx: StageContext) -> None:  # type: ignore[override]
        return None


@pytest.mark.parametrize(("given", "part"), [
    (OnlyBefore(), "OnlyBefore has only before; inherit from Interceptor"),
    (NotAsync(), "NotAsync has a hook that is not async; write `async def before`"),
    (LoggingInterceptor, "LoggingInterceptor is a class; give an instance"),
    ("tracing", "interceptor str has only no hook"),
    (TimeoutInterceptor(-1), "timeout_s=-1"),
    (TimeoutInterceptor("5"), "timeout_s='5'"),  # type: ignore[arg-type]
    (RetryInterceptor(3), "policy=3; give a RetryPolicy"),  # type: ignore[arg-type]
])  # fmt: skip
def test_build_refuses_what_is_no_interceptor(given: object, part: str) -> None:
    with pytest.raises(PipelineBuildError) as caught:
        Pipeline().with_stage("s", gives()).build(interceptors=(given,))
    assert part in caught.value.faults[0]


@virtual
async def test_a_sink_that_is_async_or_none_is_refused() -> None:
    class AsyncSink:
        async def emit(self, event: StageEvent) -> None:
            return None

    for sink, part in (
        (AsyncSink(), "emit is async"),
        (7, "give an object with"),
        (CollectingEventSink, "give an"),
    ):
        with pytest.raises(StageUsageError, match=part):
            await Pipeline().with_stage("s", gives()).run(event_sink=sink)


@virtual
async def test_an_event_says_whose_it_is_and_when_it_was() -> None:
    async def speaks(ctx: StageContext) -> Returned:
        await anyio.sleep(1)
        ctx.emit_event("stt.partial", {"text": "hel"})
        return None

    sink = CollectingEventSink()
    await Pipeline().with_stage("stt", speaks).run(FACTS, event_sink=sink)
    own = sink.of("stt.partial")[0]
    assert (own.run_id, own.stage, own.at_ms, own.data) == ("run-1", "stt", 1000, {"text": "hel"})
    assert own == StageEvent("stt.partial", {"text": "hel"})
    assert [event.at_ms for event in sink.events] == [0, 0, 1000, 1000, 1000]


@virtual
async def test_a_run_in_a_stage_tells_the_same_sink_and_its_cancel_is_the_run_s() -> None:
    inner = Pipeline().with_stage("guard", returns(StageOutput.cancel("blocked", {"refusal": "No."}))).build()

    async def runs(ctx: StageContext) -> Returned:
        return (await inner.run(ctx)).data("guard")

    sink = CollectingEventSink()
    with pytest.raises(PipelineCancelled, match="'sub' cancelled the run: blocked") as caught:
        await Pipeline().with_stage("sub", runs).run(event_sink=sink)
    assert caught.value.data == {"refusal": "No."}
    assert "guard" in [event.data["stage"] for event in sink.events]


@virtual
async def test_a_failure_without_a_word_says_so() -> None:
    with pytest.raises(StageFailed, match="'s' failed: it failed, and did not say why"):
        await Pipeline().with_stage("s", returns(StageOutput.fail())).run()
