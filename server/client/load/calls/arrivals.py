"""When calls begin, and which scenario each of them is. Pure: the same seed gives the same calls at the same times."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from server.client.load.script import Mix, Scenario
from server.domain.errors import ServerError

_WRITTEN = re.compile(r"(constant|poisson|ramp):(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?(?:/s)?")

_BURST = re.compile(r"burst:(\d+)/(\d+(?:\.\d+)?)s")
_MOST_AT_ONCE, _LEAST_BETWEEN_S = 10_000, 0.1


class ArrivalsError(ServerError):
    """Arrivals that cannot be read."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """An open model: calls begin at these rates, however many are there already."""

    kind: str
    first_per_s: float
    last_per_s: float
    at_once: int = 1
    """So many begin together."""

    @classmethod
    def read(cls, written: str) -> "Arrivals":
        """`constant:2/s`, `poisson:2/s`, `ramp:0-5/s`, or `burst:20/5s`, 20 every 5 s. Raises ArrivalsError."""
        if (burst := _BURST.fullmatch(written)) is not None:
            calls, between_s = int(burst[1]), float(burst[2])
            if not (1 <= calls <= _MOST_AT_ONCE and between_s >= _LEAST_BETWEEN_S):
                raise ArrivalsError(
                    f"--arrivals: {written!r}: from 1 to {_MOST_AT_ONCE} calls every 0.1 s or more"
                )
            return cls("burst", 1 / between_s, 1 / between_s, calls)
        match = _WRITTEN.fullmatch(written)
        if match is None or (match[1] == "ramp") != (match[3] is not None):
            raise ArrivalsError(
                f"--arrivals: {written!r} is none of constant:2/s, poisson:2/s, ramp:0-5/s, burst:20/5s"
            )
        first, last = float(match[2]), float(match[3] or match[2])
        if max(first, last) == 0 or max(first, last) > 1_000:
            raise ArrivalsError(f"--arrivals: {written!r}: from 0 to 1000 a second, and not none at all")
        return cls(match[1], first, last)

    def times_s(self, duration_s: float, seed: int) -> Sequence[float]:
        """When each call begins."""
        chance = random.Random(f"arrivals {seed}")  # a seed gives the same calls
        times: list[float] = []
        due = 0.0
        if self.kind == "burst":
            times += [0.0] * self.at_once
        while True:
            due += chance.expovariate(1.0) if self.kind == "poisson" else 1.0
            at_s = self._when(due, duration_s)
            if at_s >= duration_s:
                return times
            times += [at_s] * self.at_once

    def _when(self, calls: float, duration_s: float) -> float:
        """When so many calls have begun: the rate goes evenly from the first to the last."""
        slope = (self.last_per_s - self.first_per_s) / duration_s
        if abs(slope) < 1e-12:
            return calls / self.first_per_s
        under_root = self.first_per_s**2 + 2 * slope * calls
        if under_root < 0:
            return duration_s
        return float((under_root**0.5 - self.first_per_s) / slope)


def choose(mix: Mix, number: int, seed: int) -> Scenario:
    """The scenario of a call, by the weights."""
    chance = random.Random(f"scenario {seed} {number}")
    return chance.choices(mix.scenarios, [one.weight for one in mix.scenarios])[0]
