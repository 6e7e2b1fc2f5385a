"""Any graph, any outcomes, any delays: what always holds of a run, and of a build. In virtual time."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stageflow import (
    CollectingEventSink,
    ContextSnapshot,
    Pipeline,
    PipelineBuildError,
    PipelineCancelled,
    PipelineResults,
    RunEnded,
    StageContext,
    StageFailed,
    StageKind,
    StageOutput,
    StageStatus,
)
from stages.testing.virtual_time import run_virtual
from tests.stageflow.doubles import Do, Returned, gives

FACTS = ContextSnapshot(pipeline_run_id="run-1")
Outcome = Literal["ok", "skip", "cancel", "fail", "raise"]
STATUS = {"ok": "ok", "skip": "skip", "cancel": "cancel", "fail": "fail", "raise": "fail"}
STAGE_ENDS = {"stage.completed", "stage.skipped", "stage.failed", "stage.cancelled"}
RUN_ENDS = {"pipeline.completed", "pipeline.failed", "pipeline.cancelled"}

profile = settings(max_examples=150, derandomize=True)


@dataclass(frozen=True)
class Plan:
    """A stage of a random graph: what it needs, how long it takes, and how it ends."""

    name: str
    needs: tuple[str, ...]
    delay_s: int
    outcome: Outcome


Plans = tuple[Plan, ...]


@st.composite
def acyclic(
    draw: st.DrawFn, outcomes: tuple[Outcome, ...] = ("ok", "skip", "cancel", "fail", "raise")
) -> Plans:
    """Up to nine stages, in any order of declaration; mostly they end well, so that runs get somewhere."""
    count = draw(st.integers(1, 9))
    often_ok = st.one_of(st.just("ok"), st.just("ok"), st.sampled_from(outcomes))
    plans = []
    for number in range(count):
        needs = draw(st.lists(st.sampled_from(range(number)), unique=True, max_size=3)) if number else []
        names = tuple(f"s{need}" for need in needs)
        outcome: Any = draw(often_ok)
        plans.append(Plan(f"s{number}", names, draw(st.integers(0, 3)), outcome))
    return tuple(draw(st.permutations(plans)))


def pipeline_of(plans: Plans) -> Pipeline:
    pipeline = Pipeline()
    for plan in plans:
        pipeline = pipeline.with_stage(plan.name, _acting(plan), dependencies=plan.needs)
    return pipeline


def _acting(plan: Plan) -> Do:
    async def act(ctx: StageContext) -> Returned:
        await anyio.sleep(plan.delay_s)
        match plan.outcome:
            case "ok":
                return {"by": plan.name}
            case "skip":
                return StageOutput.skip("no need")
            case "cancel":
                return StageOutput.cancel("enough")
            case "fail":
                return StageOutput.fail("bad")
            case "raise":
                raise ValueError("bad")

    return Do(act)


@dataclass
class Ran:
    """What a run came to. `moments` are those of its events."""

    results: PipelineResults
    error: RunEnded | None
    sink: CollectingEventSink
    ended_s: float

    def moments(self, types: set[str]) -> dict[str, float]:
        """When the stages had such an event; asserts that none had two."""
        found: dict[str, float] = {}
        for event, moment in zip(self.sink.events, self.stamps, strict=True):
            if event.type in types and event.data["stage"] is not None:
                assert event.data["stage"] not in found
                found[event.data["stage"]] = moment
        return found

    @property
    def stamps(self) -> list[float]:
        assert isinstance(self.sink, Stamping)
        return self.sink.stamps


class Stamping(CollectingEventSink):
    """Notes when each event came."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps: list[float] = []

    def emit(self, event: Any) -> None:
        super().emit(event)
        self.stamps.append(anyio.current_time())


def ran(pipeline: Pipeline, *, deadline_s: float | None = None) -> Ran:
    """Run in virtual time; nothing may be left of it."""

    async def run() -> Ran:
        sink, error = Stamping(), None
        try:
            results = await pipeline.build().run(FACTS, event_sink=sink, deadline_s=deadline_s)
        except RunEnded as caught:
            results, error = caught.results, caught
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return Ran(results, error, sink, anyio.current_time())

    return run_virtual(run)


def _ends_s(plans: Plans) -> dict[str, int]:
    """When each stage would end if nothing stopped the run."""
    ends: dict[str, int] = {}
    left = list(plans)
    while left:
        plan = next(plan for plan in left if all(need in ends for need in plan.needs))
        left.remove(plan)
        ends[plan.name] = max((ends[need] for need in plan.needs), default=0) + plan.delay_s
    return ends


@profile
@given(acyclic())
def test_a_run_respects_every_edge_and_ends_every_stage_once(plans: Plans) -> None:
    run = ran(pipeline_of(plans))
    started, ended = run.moments({"stage.started"}), run.moments(STAGE_ENDS)
    assert started.keys() == ended.keys() == run.results.keys()
    order = [event.data["stage"] for event in run.sink.events if event.type == "stage.started"]
    for plan in plans:
        for need in plan.needs if plan.name in started else ():
            assert ended[need] <= started[plan.name]
            assert order.index(need) < order.index(plan.name)
            assert list(run.results).index(need) < list(run.results).index(plan.name)


@profile
@given(acyclic())
def test_a_run_has_one_ending_and_it_is_the_last_event(plans: Plans) -> None:
    run = ran(pipeline_of(plans))
    endings = [type_ for type_ in run.sink.types() if type_ in RUN_ENDS]
    assert len(endings) == 1
    assert run.sink.types()[-1] == endings[0]
    kinds = {type(None): "completed", PipelineCancelled: "cancelled", StageFailed: "failed"}
    assert endings == [f"pipeline.{kinds[type(run.error)]}"]


@profile
@given(acyclic())
def test_results_are_complete_or_explained(plans: Plans) -> None:
    """The first stage to end badly decides; whoever was under way then is cut short; nobody else starts."""
    run = ran(pipeline_of(plans))
    ends_s, outcome = _ends_s(plans), {plan.name: plan.outcome for plan in plans}
    delay_s = {plan.name: plan.delay_s for plan in plans}
    bad_s = {name: ends_s[name] for name in ends_s if outcome[name] in ("cancel", "fail", "raise")}
    if not bad_s:
        assert run.error is None
        assert {name: str(output.status) for name, output in run.results.items()} == {
            name: STATUS[each] for name, each in outcome.items()
        }
        assert run.ended_s == max(ends_s.values())
        return
    assert run.error is not None
    end_s = min(bad_s.values())
    assert run.ended_s == end_s
    assert bad_s[run.error.stage] == end_s
    assert run.results[run.error.stage].status == STATUS[outcome[run.error.stage]]
    for name in ends_s:
        if ends_s[name] < end_s:
            assert run.results[name].status == STATUS[outcome[name]]
        elif ends_s[name] - delay_s[name] > end_s:
            assert name not in run.results
        elif ends_s[name] > end_s and name in run.results:
            assert run.results[name].status is StageStatus.CANCEL
            assert run.results[name].reason == f"the run ended with stage {run.error.stage!r}"


@profile
@given(acyclic(("ok", "skip")), st.integers(0, 12))
def test_a_deadline_is_kept(plans: Plans, tenths_s: int) -> None:
    deadline_s = tenths_s + 0.5
    run = ran(pipeline_of(plans), deadline_s=deadline_s)
    needs_s = max(_ends_s(plans).values())
    assert run.ended_s == min(needs_s, deadline_s)
    assert (run.error is None) == (needs_s < deadline_s)


@profile
@given(acyclic(("ok", "skip")), st.randoms(use_true_random=False))
def test_what_get_finds_does_not_depend_on_delays(plans: Plans, random: Any) -> None:
    async def look(ctx: StageContext) -> Returned:
        return {"found": ctx.inputs.get("by")}

    def found(delays: Mapping[str, int]) -> object:
        changed = tuple(Plan(plan.name, plan.needs, delays[plan.name], plan.outcome) for plan in plans)
        names = tuple(plan.name for plan in plans)
        return ran(pipeline_of(changed).with_stage("look", Do(look), dependencies=names)).results.data(
            "look"
        )["found"]

    assert found({plan.name: 0 for plan in plans}) == found(
        {plan.name: random.randint(0, 9) for plan in plans}
    )


# --- routing -------------------------------------------------------------------------------------------------------


@profile
@given(acyclic(("ok",)), st.sampled_from(["left", "right", "other"]), st.data())
def test_routing_skips_what_depends_only_on_the_skipped(
    plans: Plans, route: str, data: st.DataObject
) -> None:
    branches = {plan.name: data.draw(st.sampled_from([None, None, "left", "right"])) for plan in plans}
    pipeline = Pipeline().with_stage("router", gives(StageKind.ROUTE, route=route), StageKind.ROUTE)
    for plan in plans:
        branch = branches[plan.name]
        pipeline = pipeline.with_stage(
            plan.name,
            _acting(plan),
            dependencies=(*plan.needs, *(["router"] if branch else [])),
            when=("router", branch) if branch else None,
        )
    run = ran(pipeline)
    if any(branches.values()) and route not in branches.values():
        assert isinstance(run.error, StageFailed)
        assert "which no stage takes" in run.error.reason
        return
    skipped: set[str] = set()
    for plan in sorted(plans, key=lambda plan: plan.name):
        branch = branches[plan.name]
        needs = {*plan.needs, *(["router"] if branch else [])}
        if branch not in (None, route) or (needs and needs <= skipped):
            skipped.add(plan.name)
    assert {name for name, output in run.results.items() if output.status == "skip"} == skipped
    assert len(run.results) == len(plans) + 1


# --- streams -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """A consumer of a random stream: how many items it takes (None: all), and how long over each."""

    takes: int | None
    pause_s: int


readers = st.builds(Reader, st.one_of(st.none(), st.integers(0, 100)), st.integers(0, 1))


@profile
@given(st.integers(0, 150), st.integers(0, 1), st.lists(readers, min_size=1, max_size=3))
def test_every_consumer_gets_the_first_items_in_order(
    items: int, pause_s: int, consumers: list[Reader]
) -> None:
    async def produce(ctx: StageContext) -> Returned:
        for number in range(items):
            await anyio.sleep(pause_s)
            await ctx.stream.send(number)
        return None

    def reading(reader: Reader) -> Do:
        async def read(ctx: StageContext) -> Returned:
            got: list[int] = []
            while reader.takes is None or len(got) < reader.takes:
                item = await anext(ctx.inputs.stream("agent"), None)
                if item is None:
                    break
                got.append(item)
                await anyio.sleep(reader.pause_s)
            return {"got": got}

        return Do(read)

    pipeline = Pipeline().with_stage("agent", Do(produce))
    for number, reader in enumerate(consumers):
        pipeline = pipeline.with_stage(f"c{number}", reading(reader), streams=("agent",))
    run = ran(pipeline)
    assert run.error is None
    for number, reader in enumerate(consumers):
        expected = items if reader.takes is None else min(items, reader.takes)
        assert run.results.data(f"c{number}")["got"] == list(range(expected))


@dataclass(frozen=True)
class Streaming:
    """A stage of a random graph with streams: reads all of its streams at once, then sends, waits and ends.

    Who reads one only may stop early: who stops reading, but waits for another stream, asks to be waited for.
    """

    name: str
    needs: tuple[str, ...]
    streams: tuple[str, ...]
    takes: int | None
    items: int
    delay_s: int
    outcome: Outcome


@st.composite
def streaming(draw: st.DrawFn) -> tuple[Streaming, ...]:
    """Up to seven stages with edges of both sorts, as far as `build` allows them."""
    plans: list[Streaming] = []
    outcomes: list[Outcome] = ["ok", "ok", "ok", "ok", "ok", "skip", "cancel", "fail", "raise"]
    for number in range(draw(st.integers(2, 7))):
        earlier = st.sampled_from([f"s{other}" for other in range(number)] or ["none"])
        streams = draw(st.lists(earlier, unique=True, max_size=2)) if number else []
        needs = draw(st.lists(earlier, unique=True, max_size=1)) if number else []
        plan = Streaming(
            f"s{number}",
            tuple(name for name in needs if name not in streams),
            tuple(streams),
            draw(st.one_of(st.none(), st.integers(1, 20))) if len(streams) == 1 else None,
            draw(st.sampled_from([0, 1, 10, 63, 64, 65, 150])),
            draw(st.integers(0, 3)),
            draw(st.sampled_from(outcomes)),
        )
        plans.append(plan)
        try:
            streaming_pipeline(plans).build()
        except PipelineBuildError:  # it reads a stream behind its end
            plans[-1] = replace(plan, streams=())
    return tuple(plans)


def streaming_pipeline(plans: Sequence[Streaming]) -> Pipeline:
    pipeline = Pipeline()
    for plan in plans:
        pipeline = pipeline.with_stage(
            plan.name, _streaming(plan), dependencies=plan.needs, streams=plan.streams
        )
    return pipeline


def _streaming(plan: Streaming) -> Do:
    ending = _acting(Plan(plan.name, (), plan.delay_s, plan.outcome))

    async def read(ctx: StageContext, name: str) -> None:
        taken = 0
        async for _ in ctx.inputs.stream(name):
            taken += 1
            await ctx.stream.send(name)
            if taken == plan.takes:
                break

    async def act(ctx: StageContext) -> Returned:
        async with anyio.create_task_group() as tasks:
            for name in plan.streams:
                tasks.start_soon(read, ctx, name)
        for _ in range(plan.items):
            await ctx.stream.send(plan.name)
        return await ending.execute(ctx)

    return Do(act)


@profile
@given(streaming(), st.one_of(st.none(), st.integers(0, 8)))
def test_nothing_hangs_and_nothing_is_left_however_streams_are_laid(
    plans: tuple[Streaming, ...], patience_s: int | None
) -> None:
    """In virtual time a hang raises; so does a task that is left."""
    sink = Stamping()

    async def run() -> bool:
        with anyio.move_on_after(1000 if patience_s is None else patience_s + 0.5) as scope:
            with suppress(RunEnded):
                await streaming_pipeline(plans).build().run(FACTS, event_sink=sink)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return scope.cancelled_caught

    is_cancelled = run_virtual(run)
    starts = [event.data["stage"] for event in sink.of("stage.started")]
    ends = [event.data["stage"] for event in sink.events if event.type in STAGE_ENDS]
    assert sorted(starts) == sorted(ends)
    assert len(set(starts)) == len(starts)
    endings = [type_ for type_ in sink.types() if type_ in RUN_ENDS]
    assert len(endings) == 1
    assert sink.types()[-1] == endings[0]
    if is_cancelled:
        assert endings == ["pipeline.cancelled"]
    if all(plan.outcome in ("ok", "skip") for plan in plans) and patience_s is None:
        assert endings == ["pipeline.completed"]
        assert len(starts) == len(plans)


# --- cycles --------------------------------------------------------------------------------------------------------

Edges = dict[str, set[str]]


def _some_of_others(number: int, count: int) -> st.SearchStrategy[set[str]]:
    """A stage that needs itself is a fault of its own."""
    others = [f"s{other}" for other in range(count) if other != number]
    return st.sets(st.sampled_from(others), max_size=3) if others else st.just(set[str]())


graphs = st.integers(1, 7).flatmap(
    lambda count: st.fixed_dictionaries(
        {f"s{number}": _some_of_others(number, count) for number in range(count)}
    )
)


def _has_cycle(needs: Edges) -> bool:
    left = {name: set(needs[name]) for name in needs}
    while free := [name for name in left if not left[name] & left.keys()]:
        for name in free:
            del left[name]
    return bool(left)


def _paths(error: PipelineBuildError) -> Iterator[list[str]]:
    return (re.findall(r"'(s\d)'", fault) for fault in error.faults if "cycle" in fault)


@profile
@given(graphs)
def test_a_cycle_is_always_found_with_its_path(needs: Edges) -> None:
    pipeline = Pipeline()
    for name in needs:
        pipeline = pipeline.with_stage(name, gives(), dependencies=sorted(needs[name]))
    if not _has_cycle(needs):
        assert len(pipeline.build().stages) == len(needs)
        return
    with pytest.raises(PipelineBuildError) as caught:
        pipeline.build()
    paths = list(_paths(caught.value))
    assert len(paths) == len(caught.value.faults)
    opened = {name: set(needs[name]) for name in needs}
    for path in paths:
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert all(one in needs[other] for one, other in pairwise(path))
        opened[path[1]].discard(path[0])
    assert not _has_cycle(opened)


@profile
@given(acyclic(("ok",)))
def test_the_order_of_a_graph_is_topological_and_stable(plans: Plans) -> None:
    names = [spec.name for spec in pipeline_of(plans).build().stages]
    assert sorted(names) == sorted(plan.name for plan in plans)
    for plan in plans:
        assert all(names.index(need) < names.index(plan.name) for need in plan.needs)
    free = [plan.name for plan in plans if not plan.needs]
    assert [name for name in names if name in free] == free
