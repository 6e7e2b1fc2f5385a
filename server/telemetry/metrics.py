"""What happens in all sessions of the process, counted for Prometheus.

Labels are words of ours, never a client's: their number is bounded, and nothing that was said is in them.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics, generate_latest

from server.telemetry.families import counter
from server.telemetry.pressure import Pressure
from server.telemetry.process_metrics import ProcessMetrics
from server.telemetry.provider_metrics import ProviderCalls, ProviderChains
from server.telemetry.timeline import Timeline
from server.telemetry.turn_metrics import TurnMetrics
from server.turntaking.floor_table import FloorEvent, State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SLOW_CONSUMER = 4408

_CODES = frozenset({*range(1000, 1016), SLOW_CONSUMER})
"""Close codes that are counted one by one; clients may think of any others."""


class Metrics:
    """The counts of one process; implements `server.session.turn_reports.Observer`."""

    def __init__(
        self,
        sessions: Callable[[], int],
        has_store: Callable[[], bool] = lambda: True,
        pressure: Pressure | None = None,
        asking: Callable[[], int] = lambda: 0,
    ) -> None:
        """`sessions` tells how many are live, `asking` how many of them are about to ask the models, `has_store`
        whether the store that nodes share is not lost; `pressure` is told how the process does."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a count began, nobody asks
        self._registry = registry = CollectorRegistry()
        Gauge("stageflow_voice_sessions", "Sessions that are live.", registry=registry).set_function(sessions)
        store = Gauge(
            "stageflow_voice_store_reached", "1 unless the shared store is lost.", registry=registry
        )
        store.set_function(has_store)
        self._sessions_ended = counter(
            registry, "sessions_ended", "Sessions that are over, by close code.", "code"
        )
        self._slow_readers = counter(registry, "slow_readers", "Clients closed because they did not read.")
        self._errors = counter(registry, "errors", "Errors that clients were told of, by code.", "code")
        self._refusals = counter(
            registry,
            "refusals",
            "Requests refused before a session, by HTTP status and reason.",
            "status",
            "reason",
        )
        self._impossible_events = counter(
            registry,
            "impossible_events",
            "Events that cannot happen to the floor in its state, by both: each is a bug.",
            "state",
            "event",
        )
        self._turns = TurnMetrics(registry)
        registry.register(ProviderChains())
        registry.register(ProviderCalls())
        self._process = ProcessMetrics(registry, pressure or Pressure(0.0, 0.0), asking)
        self.would_be_late = self._process.would_be_late

    def turn_ended(self, timeline: Timeline) -> None:
        """A turn is over."""
        self._turns.ended(timeline)

    def answer_dropped(self) -> None:
        """An answer was begun, and then the person went on."""
        self._turns.answer_dropped()

    def problem(self, code: str) -> None:
        """A client was told of an error."""
        self._errors.labels(code).inc()

    def impossible_event(self, state: State, event: FloorEvent) -> None:
        """The floor was fed what cannot happen: a bug of the server's."""
        self._impossible_events.labels(state, event).inc()

    def refused(self, status: int, reason: str) -> None:
        """A request was refused, and no session opened."""
        self._refusals.labels(str(status), reason).inc()

    def session_ended(self, close_code: int) -> None:
        """A session is over."""
        is_ours = close_code in _CODES
        self._sessions_ended.labels(str(close_code) if is_ours else "other").inc()
        if close_code == SLOW_CONSUMER:
            self._slow_readers.inc()

    def page(self) -> str:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry).decode() + self._process.page

    async def watch(self) -> None:
        """Measure the event loop, and look at the process now and then. Returns only when cancelled."""
        await self._process.watch()
