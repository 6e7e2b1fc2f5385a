"""A whole measurement: protocol, sounds, the reference agent, every load or a search, and the report of it all."""

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio

from server.client.counted import counted
from server.client.load.audit import Limits
from server.client.load.calibration import measure_in_process, measure_over_socket
from server.client.load.canaries import IDLE_S
from server.client.load.fleet import Fleet, WorkerError, connected, spawned
from server.client.load.jobs import Job, make_job
from server.client.load.mouth import Voicebox
from server.client.load.objectives import Objective
from server.client.load.place import Place, probe
from server.client.load.report import Report, StepReport, bars_report, step_report, whole_report
from server.client.load.run import Findings, Progress
from server.client.load.runner import Load, Runner
from server.client.load.scenario_file import Speak, make_voicebox, needs_voice
from server.client.load.script import Mix
from server.client.load.search import Search
from server.client.load.server_side import Page, ServerSide, fetch_page, has_same_origin, metrics_url
from server.client.load.targets import target_name
from server.client.load.verdicts import step_said, tells_what_broke
from server.client.load.wire import Target
from server.domain.errors import ServerError, alone
from server.first_use import set_aside

RAMP_S_PER_CALLER = 0.05
MOST_RAMP_S = 5.0
PROGRESS_S = 5
LOOK_S = 2.0
FIRST_PROGRESS_S = (1, 2, 3)


class UnreachableError(ServerError):
    """Nobody is there."""


@dataclass(frozen=True, slots=True)
class Order:
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
    limits: Limits = field(default_factory=Limits)
    environment: dict[str, str] = field(default_factory=dict)


class Measurement:
    """One of them. `run` returns a report also when it is interrupted."""

    def __init__(
        self, order: Order, find_voice: Callable[[], Speak | None], say: Callable[[str], object]
    ) -> None:
        """`find_voice` gives the voice for texts, if there is one; `say` is told how things go, a line each."""
        self._order = order
        self._find_voice = find_voice
        self._say = say
        self._steps: list[StepReport] = []
        self._has_metrics = True
        self._fleet: Fleet | None = None
        self._calibration: dict[str, dict[str, object]] = {}
        self._idle: Findings | None = None
        """What the canaries heard alone."""

    async def run(self) -> Report:
        """Everything, until it is done or Ctrl-C. Raises UnreachableError, ScenarioError."""
        order = self._order
        try:
            place = await probe(
                Place(order.url, order.target, order.api_key) if order.target else None,
                order.url,
                order.api_key,
            )
        except ServerError as error:
            raise UnreachableError(str(error)) from error
        await self._find_metrics()
        speak = await anyio.to_thread.run_sync(self._find_voice) if needs_voice(order.mix) else None
        voicebox = await anyio.to_thread.run_sync(make_voicebox, order.mix, place.target, speak, order.folder)
        set_aside()
        is_interrupted = await self._with_fleet(place, voicebox)
        return whole_report(
            self._steps,
            order.search,
            target=order.url,
            protocol=target_name(place.target),
            seed=order.seed,
            environment=order.environment,
            calibration=self._calibration,
            interrupted=is_interrupted,
        )

    async def _with_fleet(self, place: Place, voicebox: Voicebox) -> bool:
        order = self._order
        if not order.workers and order.processes == 1:
            return await self._until_interrupted(place, voicebox)
        fleet = connected(order.workers, order.worker_key) if order.workers else spawned(order.processes)
        try:
            async with fleet as self._fleet:
                return await self._until_interrupted(place, voicebox)
        except (WorkerError, ExceptionGroup) as error:
            if isinstance(wrong := alone(error), WorkerError):
                raise UnreachableError(str(wrong)) from error
            raise

    async def _until_interrupted(self, place: Place, voicebox: Voicebox) -> bool:
        """Measure, and tell whether Ctrl-C came before the end."""
        is_interrupted = False
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                await self._measure(place, voicebox)
                tasks.cancel_scope.cancel()

            tasks.start_soon(work)
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await anext(signals)
                is_interrupted = True
                tasks.cancel_scope.cancel()
        return is_interrupted

    async def _measure(self, place: Place, voicebox: Voicebox) -> None:
        order, search = self._order, self._order.search
        if order.calibrates:
            self._say("measuring the reference agent")
            in_process = await anyio.to_thread.run_sync(measure_in_process)
            self._calibration["in process"] = dict(bars_report(in_process))
            self._calibration["over a socket"] = dict(bars_report(await measure_over_socket()))
        if order.canaries:
            self._idle = await self._alone(place, voicebox)
        for load in order.loads:
            await self._step(place, voicebox, load)
        while search is not None and (callers := search.next()) is not None:
            report = await self._step(place, voicebox, self._beside_canaries(callers))
            broken = [one.objective for one in report.verdicts if not one.holds]
            search.took(callers, broken, is_valid=not report.invalid, is_told=tells_what_broke(report))
            self._say(step_said(report))

    async def _alone(self, place: Place, voicebox: Voicebox) -> Findings:
        order = self._order
        load = Load(min(IDLE_S, order.duration_s), canaries=order.canaries)
        self._say(f"{load.canaries} canaries alone for {load.duration_s:g} s")
        crew = self._crew(place, voicebox, load)
        await crew.run()
        return crew.findings

    def _beside_canaries(self, callers: int) -> Load:
        return replace(closed_load(callers, self._order.duration_s), canaries=self._order.canaries)

    async def _step(self, place: Place, voicebox: Voicebox, load: Load) -> StepReport:
        """One load. What was measured is reported also when it is cancelled."""
        order = self._order
        name = counted(load.callers, "caller") if load.callers else counted(len(load.times_s), "arrival")
        self._say(f"{name} for {load.duration_s:g} s at {order.url} ({target_name(place.target)})")
        crew, server = self._crew(place, voicebox, load), ServerSide()
        try:
            async with anyio.create_task_group() as tasks:
                if self._has_metrics:
                    tasks.start_soon(self._look_at_the_server, server)
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
            self._steps.append(report)
        return report

    async def _find_metrics(self) -> None:
        """Whether the server tells of itself. Raises UnreachableError where it was said that it does."""
        try:
            await self._fetch()
        except ServerError as error:
            if self._order.metrics_url is not None:
                raise UnreachableError(f"--metrics: {error}") from error
            self._has_metrics = False

    async def _fetch(self) -> Page:
        order, customary = self._order, metrics_url(self._order.url)
        url = order.metrics_url or customary
        key = order.metrics_key or (order.api_key if has_same_origin(url, customary) else None)
        fetch = partial(fetch_page, url, key)
        return await anyio.to_thread.run_sync(fetch, abandon_on_cancel=True)

    async def _look_at_the_server(self, server: ServerSide) -> None:
        """Every two seconds, until cancelled. A page that does not come is one less."""
        while True:
            with suppress(ServerError):
                server.take(await self._fetch(), anyio.current_time())
            await anyio.sleep(LOOK_S)

    def _crew(self, place: Place, voicebox: Voicebox, load: Load) -> "_Crew":
        order = self._order
        if self._fleet is None:
            return _Alone(Runner(place, order.mix, voicebox, load, order.seed), self._watch)
        protocol = order.protocol or target_name(place.target)
        job = make_job(place, protocol, order.mix, voicebox, load, order.seed)
        return _Together(self._fleet, job, self._watch)

    def _watch(self, progress: Progress) -> None:
        if round(progress.lasted_s) in FIRST_PROGRESS_S or round(progress.lasted_s) % PROGRESS_S == 0:
            self._say(f"{progress.lasted_s:4.0f} s: {progress}")


class _Crew(Protocol):
    """Whoever makes the calls of one load."""

    @property
    def findings(self) -> Findings: ...

    async def run(self) -> None: ...


class _Alone:
    """This process."""

    def __init__(self, runner: Runner, watch: Callable[[Progress], object]) -> None:
        self._runner = runner
        self._watch = watch

    @property
    def findings(self) -> Findings:
        return self._runner.so_far.findings()

    async def run(self) -> None:
        await self._runner.run(lambda so_far: self._watch(so_far.progress()))


class _Together:
    """Several others."""

    def __init__(self, fleet: Fleet, job: Job, watch: Callable[[Progress], object]) -> None:
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
