"""Whether a process has more to do than it can do in time, judged by what is about to happen. Pure.

Two things are looked at ten times a second: how late the event loop was, and how long somebody who asks would wait for
the models (`server.telemetry.model_queues`). Each has a limit.

| what                                     | sessions are                                                            |
| ---------------------------------------- | ----------------------------------------------------------------------- |
| the mean of a figure is above its limit  | refused. The loop's lateness is a mean over seconds, as one slow step   |
|                                          | says nothing; the wait for models over less than one: it is a forecast |
| both are below half of their limits, and | taken again: a queue that is empty for a moment is not the end of it    |
| have been for `CALM_S`                   |                                                                         |
| anything between                         | as before                                                               |
"""

import math
from dataclasses import dataclass
from enum import StrEnum

LOOK_S = 0.1
"""Between two looks."""

LAG_LOOKS, WAIT_LOOKS = 30, 2
"""So many looks weigh about two thirds of a mean: three seconds, and a fifth of one."""

CALM_S = 5.0
"""Most of what passes from one question of a caller to the next: who has had an answer will ask again."""

MAX_RETRY_S = 30


class Strain(StrEnum):
    """Whether a process can take more sessions."""

    LIGHT = "light"
    HEAVY = "heavy"


class Cause(StrEnum):
    """What a process has too much of."""

    LOOP = "event loop"
    MODELS = "models"


@dataclass(slots=True)
class Pressure:
    """Two running means of how late a process is, and what follows from them. A limit of 0 is none."""

    max_lag_s: float
    max_wait_s: float
    lag_s: float = 0.0
    wait_s: float = 0.0
    strain: Strain = Strain.LIGHT
    cause: Cause = Cause.MODELS
    """What was over its limit last."""
    _since: float = 0.0
    """When sessions were refused first, or taken again."""
    _calm_since: float | None = None

    def note(self, lag_s: float, wait_s: float, now: float) -> None:
        """One look: how late the loop was, and how long somebody who asks would wait for the models."""
        self.lag_s += (lag_s - self.lag_s) / LAG_LOOKS
        self.wait_s += (wait_s - self.wait_s) / WAIT_LOOKS
        of_lag, of_wait = _share(self.lag_s, self.max_lag_s), _share(self.wait_s, self.max_wait_s)
        share = max(of_lag, of_wait)
        self._calm_since = None if share >= 0.5 else now if self._calm_since is None else self._calm_since
        if share > 1.0:
            self.cause = Cause.MODELS if of_wait > of_lag else Cause.LOOP
            self._turn(Strain.HEAVY, now)
        elif self._calm_since is not None and now - self._calm_since >= CALM_S:
            self._turn(Strain.LIGHT, now)

    def retry_after_s(self, now: float) -> int:
        """When who is refused now had better come again: when what waits is done and it has been calm for long enough.
        Callers who stay ask again, so that what has lasted for long is expected to last as long again."""
        queue_s = max(0.0, self.wait_s - self.max_wait_s / 2) if self.max_wait_s else 0.0
        loop_s = LAG_LOOKS * LOOK_S * math.log(max(1.0, 2 * _share(self.lag_s, self.max_lag_s)))
        lasted_s = now - self._since if self.strain is Strain.HEAVY else 0.0
        return min(MAX_RETRY_S, math.ceil(max(queue_s + CALM_S, loop_s + CALM_S, lasted_s)))

    def _turn(self, strain: Strain, now: float) -> None:
        if strain is not self.strain:
            self.strain, self._since = strain, now


def _share(figure: float, limit: float) -> float:
    return figure / limit if limit else 0.0
