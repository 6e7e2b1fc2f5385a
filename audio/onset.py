"""Tells the beginning of speech from noise, by a balance of voiced and unvoiced samples."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OnsetLimits:
    """How much voice is enough, and how long to wait for it."""

    enter: float
    enough_samples: int
    patience_samples: int


class Onset:
    """What may be the beginning of speech, or of its resumption. `sample` is where its voice began."""

    __slots__ = ("_balance", "sample")

    def __init__(self, sample: int) -> None:
        self.sample = sample
        self._balance = 0

    @property
    def is_undecided(self) -> bool:
        """Whether there is voice that is neither speech nor noise yet."""
        return self._balance > 0

    def is_certain(self, limits: OnsetLimits, score: float, before: int, position: int) -> bool:
        """The samples from `before` to `position` have this score: whether speech has begun for certain."""
        if score >= limits.enter:
            if self._balance <= 0:
                self._balance = 0
                self.sample = before
            self._balance += position - before
            if self._balance >= limits.enough_samples:
                return True
        elif self._balance > 0:
            self._balance -= position - before
        if position - self.sample >= limits.patience_samples:
            self._balance = 0
        return False

    def clear(self) -> None:
        """What came so far was no beginning."""
        self._balance = 0
