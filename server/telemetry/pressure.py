"""Whether a process has more to do than it can do in time, judged by what just happened. Pure.

Two things are looked at ten times a second: how late the event loop was, and how long calls wait for the model that has
most to do. Their means over the last seconds are held against limits, so that one slow step refuses nobody; and they
must fall to half of that before the process takes sessions again, so that it does not waver.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stages.runtime.worker import WorkerStatistics

LOOKS = 30
"""So many looks weigh about two thirds of a mean: three seconds."""


class Strain(StrEnum):
    """Whether more can be taken."""

    LIGHT = "light"
    HEAVY = "heavy"


@dataclass(slots=True)
class Pressure:
    """The two means, and what follows from them. A limit of 0 is none."""

    max_lag_s: float
    max_wait_s: float
    lag_s: float = 0.0
    wait_s: float = 0.0
    strain: Strain = Strain.LIGHT

    def note(self, lag_s: float, wait_s: float) -> None:
        """One look: how late the loop was, and how long calls wait for a model (`QueueWaits`)."""
        self.lag_s += (lag_s - self.lag_s) / LOOKS
        self.wait_s += (wait_s - self.wait_s) / LOOKS
        share = max(_share(self.lag_s, self.max_lag_s), _share(self.wait_s, self.max_wait_s))
        if share > 1.0:
            self.strain = Strain.HEAVY
        elif share < 0.5:
            self.strain = Strain.LIGHT


@dataclass(slots=True)
class _Queue:
    begun: int
    waited_s: float
    seen_at: float
    """When a call was begun last, or none waited."""
    wait_s: float = 0.0


@dataclass(slots=True)
class QueueWaits:
    """How long calls wait for each model.

    A model computes for longer than the time between two looks: where none of its calls was begun since the last, those
    that wait still wait as long as the ones before, or since then.
    """

    _queues: dict[str, _Queue] = field(default_factory=dict)

    def longest_s(self, workers: Mapping[str, WorkerStatistics], now: float) -> float:
        """Of the model for which calls wait longest."""
        return max((self._wait_s(name, figures, now) for name, figures in workers.items()), default=0.0)

    def _wait_s(self, name: str, figures: WorkerStatistics, now: float) -> float:
        queue = self._queues.setdefault(name, _Queue(0, 0.0, now))
        if (new := figures.begun - queue.begun) > 0:
            queue.wait_s = (figures.waited_s - queue.waited_s) / new
        elif figures.waiting:
            return max(queue.wait_s, now - queue.seen_at)
        else:
            queue.wait_s = 0.0
        queue.begun, queue.waited_s, queue.seen_at = figures.begun, figures.waited_s, now
        return queue.wait_s


def _share(figure: float, limit: float) -> float:
    return figure / limit if limit else 0.0
