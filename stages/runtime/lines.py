"""Whose call is next: every session has a small line of its own, and nobody's line makes another's longer. Pure.

The most urgent call is first. Among equals the lines take turns, so that a session with many calls waits for
itself; within a line, first come first. A call that was passed over for long counts as the most urgent: else those who
always have something urgent could keep it waiting for ever. A full line refuses its own session, and no other.
"""

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")

_CALLER: ContextVar[str] = ContextVar("caller", default="")

PASSED_OVER = 8
"""So many calls of others, and one more for each line, may go before one that came earlier."""


@contextmanager
def calls_of(session_id: str) -> Iterator[None]:
    """What is called in here, and in tasks that are started in here, are calls of this session."""
    token = _CALLER.set(session_id)
    try:
        yield
    finally:
        _CALLER.reset(token)


def caller() -> str:
    """Whose calls these are."""
    return _CALLER.get()


class _Line(Generic[T]):
    def __init__(self) -> None:
        self.waiting: list[tuple[int, int, int, T]] = []
        """A heap of (priority, arrival, calls taken by then, call)."""
        self.served_at = 0

    def urgency(self, taken: int, patience: int) -> tuple[int, int, int]:
        priority, arrival, taken_then, _ = self.waiting[0]
        if taken - taken_then > patience:
            return -1, 0, arrival
        return priority, self.served_at, arrival


class Lines(Generic[T]):
    """Calls that wait for one model. Priorities are 0 and up; lower is more urgent."""

    def __init__(self, line_limit: int) -> None:
        self._line_limit = line_limit
        self._lines: dict[str, _Line[T]] = {}
        self._arrivals = 0
        self._taken = 0

    def __len__(self) -> int:
        return sum(len(line.waiting) for line in self._lines.values())

    def count(self, priority: int) -> int:
        """How many calls of this priority wait."""
        return sum(entry[0] == priority for line in self._lines.values() for entry in line.waiting)

    def is_full(self, who: str) -> bool:
        """Whether the line of this caller has no place left."""
        return who in self._lines and len(self._lines[who].waiting) >= self._line_limit

    def add(self, who: str, priority: int, call: T) -> None:
        """Put a call at the end of its caller's line."""
        self._arrivals += 1
        line = self._lines.setdefault(who, _Line())
        heapq.heappush(line.waiting, (priority, self._arrivals, self._taken, call))

    def take(self) -> T:
        """The next call. There must be one."""
        patience = PASSED_OVER + len(self._lines)
        who, line = min(self._lines.items(), key=lambda item: item[1].urgency(self._taken, patience))
        call = heapq.heappop(line.waiting)[-1]
        self._taken += 1
        line.served_at = self._taken
        if not line.waiting:
            del self._lines[who]
        return call

    def remove(self, who: str, call: T) -> None:
        """Take a call out of its line, if it is in it."""
        line = self._lines.get(who)
        if line is None:
            return
        line.waiting = [entry for entry in line.waiting if entry[-1] is not call]
        heapq.heapify(line.waiting)
        if not line.waiting:
            del self._lines[who]

    def take_all(self) -> list[T]:
        """All that wait; nothing waits afterwards."""
        calls = [entry[-1] for line in self._lines.values() for entry in line.waiting]
        self._lines.clear()
        return calls

    def least_priority(self) -> int | None:
        """The most urgent priority that waits."""
        return min((line.waiting[0][0] for line in self._lines.values()), default=None)
