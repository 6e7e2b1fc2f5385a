"""How the process does, measured for Prometheus: its memory and files, the lateness of its event loop, its workers."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.telemetry.model_queues import ModelQueues
from server.telemetry.pressure import LOOK_S, Pressure, Strain
from stages.runtime.worker import each_worker, worker_statistics

_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""No step may hold the loop for longer than 0.01 s."""

LOOKS = 50
"""How many times the loop's lateness is measured to each look at the process."""


class ProcessMetrics:
    """The metrics of one process: `watch` measures it, `page` has the newest look at it."""

    def __init__(self, registry: CollectorRegistry, pressure: Pressure, asking: Callable[[], int]) -> None:
        """`pressure` is told of each look; `asking` tells how many sessions are about to ask the models."""
        self._pressure = pressure
        self._asking = asking
        self._queues = queues = ModelQueues(own_cores())
        self._loop_lag = Histogram(
            "stageflow_voice_loop_lag_seconds",
            "How late the event loop was, looked at ten times a second.",
            buckets=_LAG_S,
            registry=registry,
        )
        Gauge(
            "stageflow_voice_overloaded",
            "1 while sessions are refused because the process has too much to do.",
            registry=registry,
        ).set_function(lambda: pressure.strain is Strain.HEAVY)
        Gauge(
            "stageflow_voice_model_wait_seconds",
            "How long somebody who asks would wait for the models, those who are about to ask included.",
            registry=registry,
        ).set_function(lambda: queues.wait_s)
        registry.register(_Workers(queues))
        self._look = Gauge(
            "stageflow_voice_process_look_seconds",
            "When the figures of the process were taken, on a clock that only this process has.",
            registry=registry,
        )
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self.page = ""

    def would_be_late(self) -> bool:
        """Whether one more session would have somebody wait too long for the models: they may come faster than the
        mean follows by which the pressure is judged."""
        limit_s = self._pressure.max_wait_s
        return 0.0 < limit_s < self._queues.forecast_s(each_worker(), self._asking() + 1)

    async def watch(self) -> None:
        """Measure the event loop, and look at the process now and then. Returns only when cancelled."""
        while True:
            looked_s = anyio.current_time()
            page = await anyio.to_thread.run_sync(generate_latest, self._process)  # it reads files
            self.page = page.decode()
            self._look.set(looked_s)
            for _ in range(LOOKS):
                due = anyio.current_time() + LOOK_S
                await anyio.sleep_until(due)
                now = anyio.current_time()
                lag_s = max(0.0, now - due)
                self._loop_lag.observe(lag_s)
                self._pressure.note(lag_s, self._queues.look(each_worker(), self._asking()), now)


def own_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """The cores that this process may use: those that it is let run on, and no more than its container's share of the
    machine's time, in which a limit of Kubernetes or Docker stands. Reads a file."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        return min(cores, int(most) / int(period))
    except (OSError, ValueError):  # "max": there is no limit
        return cores


class _Workers(Collector):
    """The threads that run the models, as they are when somebody asks."""

    def __init__(self, queues: ModelQueues) -> None:
        self._queues = queues

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
        wait = GaugeMetricFamily(
            "stageflow_voice_worker_wait_seconds",
            "How long the last of the calls will wait that somebody waits for.",
            labels=["worker"],
        )
        for name, wait_s in self._queues.waits_s().items():
            wait.add_metric([name], wait_s)
        yield from (waiting, calls, waited, wait)
