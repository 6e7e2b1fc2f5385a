"""Every mistake that an author of stages can make is answered with the stage, the thing and the remedy."""

import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from stageflow import (
    ContextSnapshot,
    CorePorts,
    InvalidOutputError,
    LLMPorts,
    Pipeline,
    PipelineBuildError,
    RetryPolicy,
    StageContext,
    StageFailed,
    StageflowError,
    StageKind,
    StageOutput,
    StageStatus,
    StageUsageError,
    StreamError,
    UndeclaredDependencyError,
)
from stages.testing.virtual_time import run_virtual, virtual
from tests.stageflow.doubles import Do, Returned, collects, gives, returns, sends

AGENT, GUARD, ROUTE = StageKind.AGENT, StageKind.GUARD, StageKind.ROUTE


class WithoutExecute:
    kind = StageKind.TRANSFORM


class Synchronous:
    kind = StageKind.TRANSFORM

    def execute(self, ctx: StageContext) -> dict[str, Any]:
        return {}


class Generating:
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> Any:
        yield {}


class NeedsArguments:
    name = "llm"
    kind = StageKind.TRANSFORM

    def __init__(self, client: object, model: str = "small") -> None:
        self.client = client

    async def execute(self, ctx: StageContext) -> None:
        return None


class WithoutKind:
    async def execute(self, ctx: StageContext) -> None:
        return None


def sorted_route(ctx: StageContext) -> dict[str, Any]:
    return {}


class KnowsItsRoutes:
    name = "router"
    kind = ROUTE
    routes: tuple[str, ...] = ("support", "sales")

    async def execute(self, ctx: StageContext) -> StageOutput:
        return StageOutput.ok(route="sales")


class HasNoRoutes(KnowsItsRoutes):
    routes = ()


def with_a(stage: Any, *args: Any, **kwargs: Any) -> Pipeline:
    return Pipeline().with_stage("a", stage, *args, **kwargs)


def branch(
    router: Any, kind: StageKind, when: tuple[str, str], dependencies: tuple[str, ...] = ()
) -> Pipeline:
    return (
        Pipeline()
        .with_stage("router", router, kind)
        .with_stage("b", gives(), when=when, dependencies=dependencies)
    )


# --- faults of a pipeline ----------------------------------------------------------------------------------------

FAULTS = {
    "no stages": (Pipeline(), ("no stages", "with_stage")),
    "a name twice": (with_a(gives()).with_stage("a", gives()), ("'a'", "twice", "name of its own")),
    "an empty name": (Pipeline().with_stage("", gives()), ("stage ''", "name", "not empty")),
    "a name that is no string": (
        Pipeline().with_stage(7, gives()),  # type: ignore[arg-type]
        ("stage 7", "name is a string"),
    ),
    "no execute": (
        with_a(WithoutExecute),
        ("'a'", "WithoutExecute has no execute", "async def execute(self, ctx)"),
    ),
    "not async": (with_a(Synchronous), ("'a'", "execute of Synchronous is not async", "async def execute")),
    "a generator": (with_a(Generating), ("'a'", "execute of Generating", "async def execute")),
    "arguments": (with_a(NeedsArguments), ("'a'", "NeedsArguments", "(client)", "add an instance")),
    "no kind": (with_a(WithoutKind), ("'a'", "kind is None", "give a StageKind")),
    "a generator that yields": (with_a(Generating), ("'a'", "`yield`", "ctx.stream.send(item)")),
    "a capacity of nothing": (
        with_a(sends()).with_stage("b", gives(), streams=("a",), capacity=0),
        ("'b'", "capacity is 0", "more than 0"),
    ),
    "a retry that is none": (with_a(gives(), retry=3), ("'a'", "retry is 3", "give a RetryPolicy")),
    "a config that cannot be frozen": (
        with_a(gives(), config={"lock": threading.Lock()}),
        ("'a'", "its config has 'lock'", "services go into ports"),
    ),
    "a function that is not async": (with_a(sorted_route), ("'a'", "sorted_route is not async", "async def")),
    "a timeout of nothing": (with_a(gives(), timeout_s=0), ("'a'", "timeout_s is 0", "more than 0")),
    "a key of the framework's": (
        with_a(gives(), config={"inputs": 1}),
        ("'a'", "config key 'inputs'", "use another name"),
    ),
    "an unknown dependency": (
        with_a(gives(), dependencies=("strt",)).with_stage("stt", gives()),
        ("'a' depends on 'strt'", "not in the pipeline", "others are: 'stt'"),
    ),
    "an unknown stream": (
        with_a(gives(), streams=("agnt",)).with_stage("agent", sends()),
        ("'a' reads the stream of 'agnt'", "not in the pipeline", "'agent'"),
    ),
    "itself": (with_a(gives(), dependencies=("a",)), ("'a' depends on itself", "remove that edge")),
    "its own stream": (
        with_a(sends(), streams=("a",)),
        ("'a' reads the stream of itself", "remove that edge"),
    ),
    "a cycle": (
        with_a(gives(), dependencies=("b",))
        .with_stage("b", gives(), dependencies=("c",))
        .with_stage("c", gives(), dependencies=("a",)),
        ("cycle: ", "'a' -> 'c' -> 'b' -> 'a'", "remove one of its edges"),
    ),
    "a cycle with a stream": (
        with_a(sends(), dependencies=("b",)).with_stage("b", collects("a"), streams=("a",)),
        ("cycle: ", "'a' -> 'b' -> 'a'", "remove one of its edges"),
    ),
    "no route": (
        with_a(gives(), when="router"),
        ("'a' has when='router'", "give a stage and its route"),
    ),
    "a router that is not there": (
        with_a(gives(), when=("router", "x")),
        ("'a' runs only when 'router' says 'x'", "not in the pipeline", "add it"),
    ),
    "a router that is none": (
        branch(gives(), StageKind.TRANSFORM, ("router", "x"), ("router",)),
        ("'b'", "'router' is of kind transform", "needs a ROUTE stage"),
    ),
    "a route not waited for": (
        branch(gives(ROUTE, route="x"), ROUTE, ("router", "x")),
        ("'b'", "not downstream", "add 'router' to its dependencies"),
    ),
    "a route that no router produces": (
        branch(KnowsItsRoutes(), ROUTE, ("router", "suport"), ("router",)),
        ("'b'", "'router' says 'suport'", "its routes are 'support', 'sales'"),
    ),
    "a route of a router that has none": (
        branch(HasNoRoutes(), ROUTE, ("router", "sales"), ("router",)),
        ("'b'", "'router' says 'sales'", "it never says 'sales'"),
    ),
    "a stream of who sends none": (
        Pipeline()
        .with_stage("router", gives(ROUTE), ROUTE)
        .with_stage("b", collects("router"), streams=("router",)),
        ("'b' reads the stream of 'router'", "of kind route", "use dependencies"),
    ),
    "a stream and a value": (
        with_a(sends()).with_stage("b", collects("a"), streams=("a",), dependencies=("a",)),
        ("'b'", "reads", "stream", "remove 'a' from its dependencies"),
    ),
    "a stream behind its own end": (
        with_a(sends())
        .with_stage("m", gives(), dependencies=("a",))
        .with_stage("b", collects("a"), streams=("a",), dependencies=("m",)),
        ("'b' reads the stream of 'a'", "only after 'm'", "wait for the other", "in a stage "),
    ),
}
"""A pipeline with one fault, and what its message must hold."""


@pytest.mark.parametrize(("pipeline", "parts"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_a_pipeline_names_stage_thing_and_remedy(
    pipeline: Pipeline, parts: tuple[str, ...]
) -> None:
    with pytest.raises(PipelineBuildError) as caught:
        pipeline.build()
    assert len(caught.value.faults) == 1
    assert [part for part in parts if part not in caught.value.faults[0]] == []
    assert caught.value.faults[0] in str(caught.value)


HANGS = {
    "two streams across each other": (
        with_a(sends())
        .with_stage("b", sends())
        .with_stage("c", collects("a"), streams=("a",), dependencies=("b",))
        .with_stage("d", collects("b"), streams=("b",), dependencies=("a",)),
        ("'c' reads the stream of 'a'", "'d' reads the stream of 'b'", "only after", "wait for the other"),
    ),
    "the end of the source of the source": (
        with_a(sends())
        .with_stage("m", collects("a"), streams=("a",))
        .with_stage("b", collects("m"), streams=("m",), dependencies=("a",)),
        ("'b' reads the stream of 'm'", "only after 'a'", "wait for the other"),
    ),
    "a stream behind the start of another": (
        with_a(sends())
        .with_stage("m", sends(), dependencies=("a",))
        .with_stage("b", collects("a"), streams=("a", "m")),
        ("'b' reads the stream of 'a'", "wait for the other", "in a stage "),
    ),
    "a stream behind the end of what feeds it": (
        with_a(sends())
        .with_stage("through", collects("a"), streams=("a",))
        .with_stage("m", gives(), dependencies=("a",))
        .with_stage("b", collects("through"), streams=("through",), dependencies=("m",)),
        ("'b' reads the stream of 'through'", "only after 'm'", "wait for the other", "in a stage "),
    ),
}
"""Pipelines that would hang as soon as there are more items than room."""


@pytest.mark.parametrize(("pipeline", "parts"), HANGS.values(), ids=HANGS)
def test_a_stream_that_would_be_read_too_late_is_a_fault(pipeline: Pipeline, parts: tuple[str, ...]) -> None:
    with pytest.raises(PipelineBuildError) as caught:
        pipeline.build()
    assert len(caught.value.faults) == 1
    assert [part for part in parts if part not in caught.value.faults[0]] == []


def test_all_faults_are_told_at_once() -> None:
    pipeline = (
        Pipeline()
        .with_stage("a", WithoutExecute, dependencies=("b", "nowhere"))  # type: ignore[arg-type]
        .with_stage("b", gives(), dependencies=("a",), timeout_s=-1)
        .with_stage("b", Synchronous)  # type: ignore[arg-type]
        .with_stage("c", gives(), when=("a", "x"), dependencies=("a",))
    )
    with pytest.raises(PipelineBuildError) as caught:
        pipeline.build()
    expected = (
        "'b' is there twice", "has no execute", "'nowhere'", "timeout_s is -1", "not async", "cycle", "needs a ROUTE",
    )  # fmt: skip
    found = [next((fault for fault in caught.value.faults if part in fault), None) for part in expected]
    assert None not in found
    assert len(caught.value.faults) == len(expected)
    assert str(caught.value).splitlines()[0] == "the pipeline has 7 faults:"


def test_every_cycle_is_told() -> None:
    pipeline = Pipeline()
    for one, other in (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("e", "a")):
        pipeline = pipeline.with_stage(one, gives(), dependencies=(other,))
    with pytest.raises(PipelineBuildError) as caught:
        pipeline.build()
    assert len(caught.value.faults) == 2
    assert all("cycle" in fault for fault in caught.value.faults)


# --- mistakes of a stage -------------------------------------------------------------------------------------------


async def gives_a_word(ctx: StageContext) -> Any:
    return "hello"


async def gives_a_number_as_key(ctx: StageContext) -> Any:
    return StageOutput.ok({1: "x"})  # type: ignore[dict-item]


async def gives_a_dict_with_a_number_as_key(ctx: StageContext) -> Any:
    return {1: "x"}


async def asks_for_no_key(ctx: StageContext) -> Any:
    return ctx.inputs.get(None)  # type: ignore[arg-type]


async def asks_for_an_empty_key(ctx: StageContext) -> Any:
    return ctx.inputs.get_from("up", "")


async def asks_for_a_number_as_key(ctx: StageContext) -> Any:
    return ctx.inputs.get(7)  # type: ignore[arg-type]


async def asks_for_a_stage_that_is_not_upstream(ctx: StageContext) -> Any:
    return ctx.inputs.get_from("beside", "x")


async def asks_whether_it_has_ended(ctx: StageContext) -> Any:
    return ctx.inputs.has_output("beside")


async def asks_for_its_output(ctx: StageContext) -> Any:
    return ctx.inputs.get_output("beside")


async def requires_what_is_not_there(ctx: StageContext) -> Any:
    return ctx.inputs.require_from("up", "y")


async def requires_another_type(ctx: StageContext) -> Any:
    return ctx.inputs.require_from("up", "x", str)


async def requires_a_port(ctx: StageContext) -> Any:
    return ctx.require_port("llm_provider")


async def reads_a_stream_without_an_edge(ctx: StageContext) -> Any:
    return [item async for item in ctx.inputs.stream("up")]


Act = Callable[[StageContext], Awaitable[Any]]
MISTAKES: dict[Act, tuple[type[StageflowError], tuple[str, ...]]] = {
    gives_a_word: (
        InvalidOutputError,
        ("'a' returned 'hello' (str)", "return a StageOutput, a dict, or None"),
    ),
    gives_a_number_as_key: (InvalidOutputError, ("'a'", "key 1 (int)", "use strings")),
    gives_a_dict_with_a_number_as_key: (InvalidOutputError, ("'a'", "key 1 (int)", "use strings")),
    asks_for_no_key: (StageUsageError, ("'a'", "key None", "a key is a string, and not empty")),
    asks_for_an_empty_key: (StageUsageError, ("'a'", "key ''", "a key is a string, and not empty")),
    asks_for_a_number_as_key: (StageUsageError, ("'a'", "key 7", "a key is a string, and not empty")),
    **dict.fromkeys(
        (asks_for_a_stage_that_is_not_upstream, asks_whether_it_has_ended, asks_for_its_output),
        (
            UndeclaredDependencyError,
            ("'a' asks for stage 'beside'", "'up'", "add 'beside' to the dependencies"),
        ),
    ),
    requires_what_is_not_there: (
        StageUsageError,
        ("'a' needs 'y' of stage 'up'", "ended with ok and gave x"),
    ),
    requires_another_type: (StageUsageError, ("'a' needs 'x' of stage 'up' as str", "but it is int")),
    requires_a_port: (StageUsageError, ("'a'", "port 'llm_provider'", "ports=LLMPorts(llm_provider=...)")),
    reads_a_stream_without_an_edge: (StreamError, ("'a' reads the stream of 'up'", "streams=('up',)")),
}
"""What a stage does wrong, and what its error must be and hold."""


@pytest.mark.parametrize("act", MISTAKES, ids=lambda act: act.__name__)
def test_a_mistake_of_a_stage_names_stage_thing_and_remedy(act: Act) -> None:
    kind, parts = MISTAKES[act]

    async def run() -> None:
        await (
            Pipeline()
            .with_stage("up", gives(x=1))
            .with_stage("beside", gives(x=2))
            .with_stage("a", Do(act), dependencies=("up",))
            .run()
        )

    with pytest.raises(StageFailed) as caught:
        run_virtual(run)
    assert type(caught.value.__cause__) is kind
    assert isinstance(caught.value.__cause__, StageUsageError)
    assert [part for part in parts if part not in str(caught.value)] == []


@virtual
async def test_a_stage_without_dependencies_is_told_so_too() -> None:
    with pytest.raises(StageFailed, match=r"'a' asks for stage 'beside', but can see no stage"):
        await Pipeline().with_stage("beside", gives()).with_stage("a", Do(asks_for_its_output)).run()


@virtual
async def test_a_send_after_the_stream_is_closed() -> None:
    told: list[str] = []

    async def lends_its_stream(ctx: StageContext) -> Returned:
        lent.append(ctx)
        return None

    async def sends_late(ctx: StageContext) -> Returned:
        with pytest.raises(StreamError) as caught:
            await lent[0].stream.send("late")
        told.append(str(caught.value))
        return None

    lent: list[StageContext] = []
    await (
        Pipeline()
        .with_stage("a", Do(lends_its_stream, AGENT))
        .with_stage("b", Do(sends_late), dependencies=("a",))
        .with_stage("reader", collects("a"), streams=("a",))
        .run()
    )
    assert [
        part
        for part in ("'a' sends after it has ended", "await everything that sends")
        if part not in told[0]
    ] == []


@virtual
async def test_a_send_from_a_kind_that_does_not_stream() -> None:
    async def send(ctx: StageContext) -> Returned:
        await ctx.stream.send("x")
        return None

    with pytest.raises(
        StageFailed, match="'a' sends into its stream, but is of kind route: make it a TRANSFORM"
    ):
        await Pipeline().with_stage("a", Do(send, ROUTE)).run()


@virtual
async def test_a_router_without_a_route() -> None:
    pipeline = branch(gives(ROUTE, way="x"), ROUTE, ("router", "x"), ("router",))
    with pytest.raises(
        StageFailed, match=r"'router' gave no route, which 'b' wait for: return StageOutput.ok\(route="
    ):
        await pipeline.run()


@virtual
async def test_a_retry_without_a_policy() -> None:
    with pytest.raises(StageFailed, match=r"'a' failed: busy .*add retry=RetryPolicy\(\) to its with_stage"):
        await with_a(returns(StageOutput.retry("busy"))).run()


# --- mistakes of who runs a pipeline, or makes values by hand ----------------------------------------------------


@pytest.mark.parametrize("ports", [7, "llm"])
@virtual
async def test_ports_that_are_none(ports: Any) -> None:
    with pytest.raises(StageUsageError, match=f"{ports!r} is no ports: give CorePorts, LLMPorts, AudioPorts"):
        await with_a(gives()).run(ports=ports)


@virtual
async def test_ports_that_are_given_twice() -> None:
    with pytest.raises(StageUsageError, match="LLMPorts is given twice: put all its services into one"):
        await with_a(gives()).run(ports=(LLMPorts(), CorePorts(), LLMPorts()))


@virtual
async def test_a_port_that_nobody_knows() -> None:
    async def look(ctx: StageContext) -> Returned:
        return {"x": ctx.ports.llm_provder}

    with pytest.raises(StageFailed, match=r"there is no port 'llm_provder'; there are .*llm_provider"):
        await with_a(Do(look)).run()


def test_a_snapshot_from_unknown_keys() -> None:
    with pytest.raises(StageUsageError, match=r"cannot be a ContextSnapshot.*'input_txt'"):
        ContextSnapshot.from_dict({"input_txt": "Hi."})
    with pytest.raises(StageUsageError, match=r"cannot be a Message.*'text'"):
        ContextSnapshot(messages=({"role": "user", "text": "Hi."},))


def test_a_retry_policy_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"max_attempts=0.*needs max_attempts >= 1"):
        RetryPolicy(max_attempts=0)


@virtual
async def test_a_result_of_a_stage_that_is_not_there() -> None:
    results = await with_a(returns(StageOutput.skip("nothing"))).run()
    with pytest.raises(KeyError, match="the pipeline has no stage 'b'; it has a"):
        results.data("b")
    assert results["a"].status is StageStatus.SKIP
    assert anyio.current_time() == 0


@pytest.mark.parametrize("deadline_s", ["1", math.nan])
async def test_a_deadline_that_is_no_number_is_refused_before_anything_runs(deadline_s: Any) -> None:
    ran: list[str] = []

    async def note(ctx: StageContext) -> Returned:
        ran.append("one")
        return {}

    graph = Pipeline().with_stage("one", Do(note)).build()
    with pytest.raises(
        StageUsageError, match=f"deadline_s is {deadline_s!r}; it must be a number of seconds"
    ):
        await graph.run(ContextSnapshot(), deadline_s=deadline_s)
    assert not ran
