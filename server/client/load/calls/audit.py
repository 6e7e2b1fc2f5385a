"""Whether the generator itself kept up: if not, its figures say nothing of the server, and the run is invalid. Pure."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_STEP_MS = 0.1
_BINS = 20_000
"""Up to two seconds; what is later counts as that late."""


class Lateness:
    """How late many things were, in steps of 0.1 ms, in bounded memory."""

    def __init__(self) -> None:
        self._bins = array("q", bytes(8 * _BINS))
        self.most_ms = 0.0

    def add(self, seconds: float) -> None:
        """Add one measurement."""
        ms = seconds * 1000 if seconds > 0 else 0.0
        if ms > self.most_ms:
            self.most_ms = ms
        at = int(ms / _STEP_MS)
        self._bins[at if at < _BINS else _BINS - 1] += 1

    @property
    def n(self) -> int:
        """How many."""
        return sum(self._bins)

    def percentile(self, percent: int) -> float:
        """In ms, by nearest rank; 0 of none."""
        if not self.n:
            return 0.0
        counts = np.cumsum(np.frombuffer(self._bins, np.int64))
        at = int(np.searchsorted(counts, self.n * percent / 100))
        return round(min(at * _STEP_MS, self.most_ms), 1)


@dataclass(frozen=True, slots=True)
class AuditLimits:
    """Beyond these a run is invalid."""

    send_late_p99_ms: float = 20.0
    loop_lag_p99_ms: float = 50.0
    loop_lag_max_ms: float = 1_000.0
    cpu: float = 0.9
    realtime_ratio: float = 0.98

    def scaled(self, send_late_p99_ms: float) -> "AuditLimits":
        """With this limit of the lateness, and the others as much wider or narrower."""
        factor = send_late_p99_ms / self.send_late_p99_ms
        return AuditLimits(
            send_late_p99_ms,
            self.loop_lag_p99_ms * factor,
            self.loop_lag_max_ms * factor,
            self.cpu * factor,
            1 - (1 - self.realtime_ratio) * factor,
        )


@dataclass(frozen=True, slots=True)
class Audit:
    """What the generator did."""

    frames: int
    send_late_p50_ms: float
    send_late_p99_ms: float
    send_late_max_ms: float
    loop_lag_p50_ms: float
    loop_lag_p99_ms: float
    loop_lag_max_ms: float
    cpu: float
    """Share of one core, of the process that used the most."""
    realtime_ratio: float
    """Of the frames that were due, so many were sent."""

    @classmethod
    def of_all(cls, audits: Sequence["Audit"]) -> "Audit":
        """Of several generators, each figure of the one that did worst; frames are added."""

        def worst(read: Callable[["Audit"], float]) -> float:
            return max(map(read, audits), default=0.0)

        return cls(
            sum(one.frames for one in audits),
            worst(lambda one: one.send_late_p50_ms),
            worst(lambda one: one.send_late_p99_ms),
            worst(lambda one: one.send_late_max_ms),
            worst(lambda one: one.loop_lag_p50_ms),
            worst(lambda one: one.loop_lag_p99_ms),
            worst(lambda one: one.loop_lag_max_ms),
            worst(lambda one: one.cpu),
            min((one.realtime_ratio for one in audits), default=1.0),
        )

    def faults(self, limits: AuditLimits) -> tuple[str, ...]:
        """Why the run is invalid; empty if it is not."""
        checks = (
            (
                self.send_late_p99_ms > limits.send_late_p99_ms,
                f"frames were sent late: p99 {self.send_late_p99_ms:g} ms "
                f"(limit {limits.send_late_p99_ms:g})",
            ),
            (
                self.loop_lag_p99_ms > limits.loop_lag_p99_ms,
                f"the event loop lagged: p99 {self.loop_lag_p99_ms:g} ms (limit {limits.loop_lag_p99_ms:g})",
            ),
            (
                self.loop_lag_max_ms > limits.loop_lag_max_ms,
                f"the event loop, or the machine, stood still for "
                f"{self.loop_lag_max_ms:.0f} ms (limit {limits.loop_lag_max_ms:g})",
            ),
            (
                self.cpu > limits.cpu,
                f"the generator used {self.cpu:.0%} of its core (limit {limits.cpu:.0%})",
            ),
            (
                self.realtime_ratio < limits.realtime_ratio,
                f"of the frames that were due {self.realtime_ratio:.1%} were "
                f"sent (limit {limits.realtime_ratio:.0%})",
            ),
        )
        return tuple(message for is_broken, message in checks if is_broken)
