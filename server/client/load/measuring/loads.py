"""The loads of a measurement, one after another or as a search wants them, and what becomes of each."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import anyio

from server.client.captions import Write
from server.client.counted import counted
from server.client.load.calls.audit import AuditLimits
from server.client.load.calls.place import Place
from server.client.load.calls.run import Findings, Progress, Watch
from server.client.load.calls.runner import Load, Runner
from server.client.load.figures.canaries import IDLE_S
from server.client.load.figures.objectives import Objective
from server.client.load.figures.report import StepReport, step_report
from server.client.load.figures.search import Search
from server.client.load.figures.server_side import Page, ServerSide
from server.client.load.figures.verdicts import step_said, tells_what_broke
from server.client.load.hearing.mouth import Voicebox
from server.client.load.measuring.fleet import Fleet
from server.client.load.measuring.jobs import Job, make_job
from server.client.load.script import Mix
from server.client.load.targets import target_name
from server.client.load.wire import Target
from server.domain.errors import ServerError

RAMP_S_PER_CALLER = 0.05
MOST_RAMP_S = 5.0
PROGRESS_S = 5
LOOK_S = 2.0
FIRST_PROGRESS_S = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What is to be measured, checked."""

    url: str
    target: type[Target] | None
    """None: what the server takes."""
    api_key: str | None
    mix: Mix
    folder: Path
    """Where the scenario's recordings are."""
    objectives: tuple[Objective, ...]
    duration_s: float
    seed: int
    loads: tuple[Load, ...] = ()
    search: Search | None = None
    protocol: str | None = None
    """The name of `target`, as it was given."""
    processes: int = 1
    workers: tuple[str, ...] = ()
    """Instead of this process these, as `host:port`."""
    worker_key: str | None = None
    calibrates: bool = True
    canaries: int = 0
    """Callers who talk alone first, and then beside each load."""
    metrics_url: str | None = None
    """Where the server tells of itself; None: where servers do by custom, if this one does."""
    metrics_key: str | None = None
    """The key there; None: that of the server, if it is the same."""
    limits: AuditLimits = field(default_factory=AuditLimits)
    environment: dict[str, str] = field(default_factory=dict)


class Loads:
    """All loads of an order at one place."""

    def __init__(
        self,
        order: LoadOrder,
        place: Place,
        voicebox: Voicebox,
        say: Write,
        *,
        fleet: Fleet | None = None,
        fetch: Callable[[], Awaitable[Page]] | None = None,
    ) -> None:
        """`say` is told how things go, a line each; `fleet` makes the calls instead of this process; `fetch` gives
        what the server says of itself, or raises ServerError."""
        self._order = order
        self._place = place
        self._voicebox = voicebox
        self._say = say
        self._fleet = fleet
        self._fetch = fetch
        self._idle: Findings | None = None
        """What the canaries heard alone."""

    async def run(self, steps: list[StepReport]) -> None:
        """Append what each load gave to `steps`, also of one that is cancelled. Raises WorkerError."""
        order, search = self._order, self._order.search
        if order.canaries:
            self._idle = await self._alone()
        for load in order.loads:
            await self._step(load, steps)
        while search is not None and (callers := search.next()) is not None:
            report = await self._step(self._beside_canaries(callers), steps)
            broken = [one.objective for one in report.verdicts if not one.holds]
            search.took(callers, broken, is_valid=not report.invalid, is_told=tells_what_broke(report))
            self._say(step_said(report))

    async def _alone(self) -> Findings:
        order = self._order
        load = Load(min(IDLE_S, order.duration_s), canaries=order.canaries)
        self._say(f"{load.canaries} canaries alone for {load.duration_s:g} s")
        crew = self._crew(load)
        await crew.run()
        return crew.findings

    def _beside_canaries(self, callers: int) -> Load:
        return replace(closed_load(callers, self._order.duration_s), canaries=self._order.canaries)

    async def _step(self, load: Load, steps: list[StepReport]) -> StepReport:
        """One load. What was measured is reported also when it is cancelled."""
        order = self._order
        name = counted(load.callers, "caller") if load.callers else counted(len(load.times_s), "arrival")
        self._say(f"{name} for {load.duration_s:g} s at {order.url} ({target_name(self._place.target)})")
        crew, server = self._crew(load), ServerSide()
        try:
            async with anyio.create_task_group() as tasks:
                if self._fetch is not None:
                    tasks.start_soon(_look_at_the_server, self._fetch, server)
                await crew.run()
                tasks.cancel_scope.cancel()
        finally:
            report = step_report(
                name,
                load.callers or None,
                crew.findings,
                order.objectives,
                since_s=load.ramp_s,
                limits=order.limits,
                server=server.figures(),
                idle=self._idle,
            )
            steps.append(report)
        return report

    def _crew(self, load: Load) -> "_Crew":
        order = self._order
        if self._fleet is None:
            return _Alone(Runner(self._place, order.mix, self._voicebox, load, order.seed), self._watch)
        protocol = order.protocol or target_name(self._place.target)
        job = make_job(self._place, protocol, order.mix, self._voicebox, load, order.seed)
        return _Together(self._fleet, job, self._watch)

    def _watch(self, progress: Progress) -> None:
        if round(progress.lasted_s) in FIRST_PROGRESS_S or round(progress.lasted_s) % PROGRESS_S == 0:
            self._say(f"{progress.lasted_s:4.0f} s: {progress}")


async def _look_at_the_server(fetch: Callable[[], Awaitable[Page]], server: ServerSide) -> None:
    """Every two seconds, until cancelled. A page that does not come is one less."""
    while True:
        with suppress(ServerError):
            server.take(await fetch(), anyio.current_time())
        await anyio.sleep(LOOK_S)


class _Crew(Protocol):
    """Whoever makes the calls of one load."""

    @property
    def findings(self) -> Findings: ...

    async def run(self) -> None: ...


class _Alone:
    """All calls made by this process."""

    def __init__(self, runner: Runner, watch: Watch) -> None:
        self._runner = runner
        self._watch = watch

    @property
    def findings(self) -> Findings:
        return self._runner.so_far.findings()

    async def run(self) -> None:
        await self._runner.run(lambda so_far: self._watch(so_far.progress()))


class _Together:
    """The calls shared among several other processes."""

    def __init__(self, fleet: Fleet, job: Job, watch: Watch) -> None:
        self._fleet = fleet
        self._job = job
        self._watch = watch

    @property
    def findings(self) -> Findings:
        return self._fleet.findings

    async def run(self) -> None:
        await self._fleet.run(self._job, self._watch)


def closed_load(callers: int, duration_s: float) -> Load:
    """So many callers at a time, who begin one after another."""
    return Load(
        duration_s, callers=callers, ramp_s=min(MOST_RAMP_S, duration_s / 4, callers * RAMP_S_PER_CALLER)
    )
