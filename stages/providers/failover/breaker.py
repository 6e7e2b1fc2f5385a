"""Decides from what became of its last calls whether a provider is asked at all, and remembers how fast it was.

closed ──(`failures` in a row, or one that lasts)──> open ──(`pause_s`)──> half-open ──(the probe succeeds)──> closed
                                                       ^───(the probe fails, twice the pause)───┘

Pure: time comes in as `now`, in seconds of any steady clock.
"""

import math
from collections import deque
from enum import StrEnum

FAILURES = 3
"""So many in a row are no accident."""

PAUSE_S, LONGEST_PAUSE_S = 10.0, 160.0
"""How long nobody asks a provider that fails: at first, and at most."""

_KEPT = 128
"""Times to the first result that the percentiles are of."""


class BreakerState(StrEnum):
    """Whether calls go to a provider."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """The state of one provider, shared by all sessions of the process."""

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self._failures = 0
        self._pause_s = PAUSE_S
        self._asks_again_at = -math.inf
        """While open, when the next probe may go; while half-open, when the probe that has gone counts as lost."""
        self._first_s = deque[float](maxlen=_KEPT)

    def admits(self, now: float) -> bool:
        """Whether a call may go to the provider. One that may while it is not closed is the probe."""
        if self.state is BreakerState.CLOSED:
            return True
        if now < self._asks_again_at:
            return False
        self.state = BreakerState.HALF_OPEN
        self._asks_again_at = now + self._pause_s
        return True

    def succeeded(self, first_s: float | None = None) -> None:
        """A call gave its first result after so long, where that says how fast the provider is."""
        if first_s is not None:
            self._first_s.append(first_s)
        self.state = BreakerState.CLOSED
        self._failures = 0
        self._pause_s = PAUSE_S

    def took(self, first_s: float) -> None:
        """A call's first result took so long, or longer."""
        self._first_s.append(first_s)

    def failed(self, now: float, *, lasting: bool = False, retry_after_s: float | None = None) -> None:
        """A call failed; `lasting` if the next one will as well. `retry_after_s` is what the provider asked for."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        elif self._failures < FAILURES and not lasting and retry_after_s is None:
            return
        self.state = BreakerState.OPEN
        self._asks_again_at = now + max(self._pause_s, retry_after_s or 0.0)

    def usual_s(self, least_calls: int) -> float | None:
        """The time that 95 of 100 of its last calls kept to; None before so many calls."""
        return self.first_result_s(0.95) if len(self._first_s) >= least_calls else None

    def first_result_s(self, share: float) -> float | None:
        """The time to the first result that this share of the last calls kept to; None before the first."""
        if not self._first_s:
            return None
        ordered = sorted(self._first_s)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
