"""What happens in all sessions of the process, counted for Prometheus.

Labels are words of ours, never a client's: their number is bounded, and nothing that was said is in them.
"""

from collections.abc import Callable, Iterator

import anyio
import anyio.to_thread
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.telemetry.provider_metrics import ProviderChains
from server.telemetry.timeline import Timeline
from server.turntaking.floor_table import FloorEvent, State
from stages.runtime.worker import worker_statistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SLOW_CONSUMER = 4408

_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""No step may hold the loop for longer than 0.01 s."""

LOOK_S, LOOKS = 0.1, 50
"""How often the loop's lateness is measured, and how many times to each look at the process."""

_CODES = frozenset({*range(1000, 1016), SLOW_CONSUMER})
"""Close codes that are counted one by one; clients may think of any others."""

_FIRST_AUDIO_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""People notice a pause from 0.2 s on and grow restless after 2 s."""


class Metrics:
    """The counts of one process; implements `server.session.turn_reports.Observer`."""

    def __init__(self, sessions: Callable[[], int], has_store: Callable[[], bool] = lambda: True) -> None:
        """`sessions` tells how many are live, `has_store` whether the store that nodes share is not lost."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a count began, nobody asks
        self._registry = registry = CollectorRegistry()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"stageflow_voice_{name}", what, labels, registry=registry)

        Gauge("stageflow_voice_sessions", "Sessions that are live.", registry=registry).set_function(sessions)
        store = Gauge(
            "stageflow_voice_store_reached", "1 unless the shared store is lost.", registry=registry
        )
        store.set_function(has_store)
        self._sessions_ended = counter("sessions_ended", "Sessions that are over, by close code.", "code")
        self._turns = counter("turns", "Turns that are over, by how they ended.", "ending")
        self._barge_ins = counter("barge_ins", "Answers that the person talked over.")
        self._speculations = counter(
            "speculations",
            "Answers begun before the turn was certainly over, by what became of them.",
            "result",
        )
        self._saved_s = counter("speculation_saved_seconds", "Waiting that kept speculations have saved.")
        self._first_audio = Histogram(
            "stageflow_voice_first_audio_seconds",
            "From the last voiced sample of the person to the first audio of the answer.",
            buckets=_FIRST_AUDIO_S,
            registry=registry,
        )
        self._errors = counter("errors", "Errors that clients were told of, by code.", "code")
        self._refusals = counter(
            "refusals", "Requests refused before a session, by HTTP status and reason.", "status", "reason"
        )
        self._impossible_events = counter(
            "impossible_events",
            "Events that cannot happen to the floor in its state, by both: each is a bug.",
            "state",
            "event",
        )
        self._stage_failures = counter(
            "stage_failures", "Answers that failed, by the stage that did.", "stage"
        )
        self._tool_failures = counter(
            "tool_failures", "Calls of the server's tools that failed, by how.", "error"
        )
        self._loop_lag = Histogram(
            "stageflow_voice_loop_lag_seconds",
            "How late the event loop was, looked at ten times a second.",
            buckets=_LAG_S,
            registry=registry,
        )
        registry.register(_Workers())
        registry.register(ProviderChains())
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._process_page = ""
        self._slow_readers = counter("slow_readers", "Clients closed because they did not read.")
        for result in ("started", "kept", "dropped"):
            self._speculations.labels(result)

    def turn_ended(self, timeline: Timeline) -> None:
        """A turn is over."""
        self._turns.labels(timeline.ending).inc()
        if timeline.failed_stage is not None:
            self._stage_failures.labels(timeline.failed_stage).inc()
        for error in timeline.tool_errors:
            self._tool_failures.labels(error).inc()
        if timeline.interrupted_by == "speech":
            self._barge_ins.inc()
        if timeline.saved_ms:
            self._speculations.labels("started").inc()
            self._speculations.labels("kept").inc()
            self._saved_s.inc(timeline.saved_ms / 1000)
        ms = timeline.timed().ms
        if "speech_end" in ms and "first_audio" in ms:
            self._first_audio.observe(ms["first_audio"] / 1000)

    def answer_dropped(self) -> None:
        """An answer was begun, and then the person went on."""
        self._speculations.labels("started").inc()
        self._speculations.labels("dropped").inc()

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
        return generate_latest(self._registry).decode() + self._process_page

    async def watch(self) -> None:
        """Measure the event loop, and look at the process now and then. Returns only when cancelled."""
        while True:
            page = await anyio.to_thread.run_sync(generate_latest, self._process)  # it reads files
            self._process_page = page.decode()
            for _ in range(LOOKS):
                due = anyio.current_time() + LOOK_S
                await anyio.sleep_until(due)
                self._loop_lag.observe(max(0.0, anyio.current_time() - due))


class _Workers(Collector):
    """The threads that run the models, as they are when somebody asks."""

    def collect(self) -> Iterator[Metric]:
        """One family a figure, with the worker's name as its label."""
        waiting = GaugeMetricFamily(
            "stageflow_voice_worker_waiting", "Calls that wait for a model.", labels=["worker"]
        )
        calls = CounterMetricFamily(
            "stageflow_voice_worker_calls", "Calls of a model, by their end.", labels=["worker", "end"]
        )
        waited = CounterMetricFamily(
            "stageflow_voice_worker_waited_seconds",
            "Time that calls have waited for a model.",
            labels=["worker"],
        )
        for name, figures in worker_statistics().items():
            waiting.add_metric([name], figures.waiting)
            calls.add_metric([name, "done"], figures.done)
            calls.add_metric([name, "dropped"], figures.dropped)
            waited.add_metric([name], figures.waited_s)
        yield from (waiting, calls, waited)
