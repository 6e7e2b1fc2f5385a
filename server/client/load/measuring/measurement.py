"""A whole measurement: protocol, sounds, the reference agent, every load or a search, and the report of it all."""

import signal
from collections.abc import Callable
from functools import partial

import anyio

from server.client.captions import Write
from server.client.load.calls.place import Place, probe
from server.client.load.figures.report import Report, StepReport, bars_report, whole_report
from server.client.load.figures.server_side import Page, fetch_page, has_same_origin, metrics_url
from server.client.load.hearing.mouth import Voicebox
from server.client.load.measuring.fleet import Fleet, WorkerError, connected, spawned
from server.client.load.measuring.loads import LoadOrder, Loads
from server.client.load.measuring.scenario_file import Speak, make_voicebox, needs_voice
from server.client.load.reference.calibration import measure_in_process, measure_over_socket
from server.client.load.targets import target_name
from server.domain.errors import ServerError, alone
from server.first_use import set_aside


class UnreachableError(ServerError):
    """The server cannot be reached."""


class Measurement:
    """One measurement of a server. `run` returns a report also when it is interrupted."""

    def __init__(self, order: LoadOrder, find_voice: Callable[[], Speak | None], say: Write) -> None:
        """`find_voice` gives the voice for texts, if there is one; `say` is told how things go, a line each."""
        self._order = order
        self._find_voice = find_voice
        self._say = say
        self._steps: list[StepReport] = []
        self._has_metrics = True
        self._fleet: Fleet | None = None
        self._calibration: dict[str, dict[str, object]] = {}

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
        # Until all calls have ended: another Ctrl-C meanwhile is none that ends them in the middle of that.
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with anyio.create_task_group() as tasks:

                async def work() -> None:
                    await self._measure(place, voicebox)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(work)
                await anext(signals)
                is_interrupted = True
                tasks.cancel_scope.cancel()
        return is_interrupted

    async def _measure(self, place: Place, voicebox: Voicebox) -> None:
        if self._order.calibrates:
            self._say("measuring the reference agent")
            in_process = await anyio.to_thread.run_sync(measure_in_process)
            self._calibration["in process"] = dict(bars_report(in_process))
            self._calibration["over a socket"] = dict(bars_report(await measure_over_socket()))
        fetch = self._fetch if self._has_metrics else None
        await Loads(self._order, place, voicebox, self._say, fleet=self._fleet, fetch=fetch).run(self._steps)

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
