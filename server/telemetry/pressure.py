"""Whether a process has more to do than it can do in time, judged by what just happened. Pure.

Two things are looked at ten times a second: how late the event loop was, and how long calls had waited for a model.
Their
means over the last seconds are held against limits, so that one slow step refuses nobody; and they must fall to half of
that before the process takes sessions again, so that it does not waver.
"""

from dataclasses import dataclass
from enum import StrEnum

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
        """One look: how late the loop was, and how long the calls that were begun since the last had waited each."""
        self.lag_s += (lag_s - self.lag_s) / LOOKS
        self.wait_s += (wait_s - self.wait_s) / LOOKS
        share = max(_share(self.lag_s, self.max_lag_s), _share(self.wait_s, self.max_wait_s))
        if share > 1.0:
            self.strain = Strain.HEAVY
        elif share < 0.5:
            self.strain = Strain.LIGHT


def _share(figure: float, limit: float) -> float:
    return figure / limit if limit else 0.0
