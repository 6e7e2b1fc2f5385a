"""The knee: the greatest number of callers at which every objective held; doubling, then halving. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from server.client.counted import counted


@dataclass(frozen=True, slots=True)
class Step:
    """One number of callers, and which objectives broke."""

    callers: int
    broken: tuple[str, ...]
    is_valid: bool = True
    """Whether the generator kept up."""
    is_told: bool = True
    """Whether what broke did, and not only had too few turns to say."""


@dataclass(slots=True)
class Search:
    """Ask `next`, run it, tell `took`."""

    first: int = 1
    most: int = 1_000
    precision: float = 0.1
    """The knee is known when the next step would be closer than this share of it."""
    steps: list[Step] = field(default_factory=list)

    @property
    def held(self) -> int:
        """The greatest number at which all held; 0 if none."""
        return max((step.callers for step in self._valid if not step.broken), default=0)

    @property
    def broke(self) -> Step | None:
        """The least number above it at which something broke."""
        above = [step for step in self._told if step.broken and step.callers > self.held]
        return min(above, key=lambda step: step.callers, default=None)

    @property
    def is_floor(self) -> bool:
        """Whether the generator or the limit ended the search before the server did."""
        return self.broke is None

    def next(self) -> int | None:
        """How many callers to try; None when the knee is known, or cannot be."""
        if any(not step.is_valid for step in self.steps):
            return None
        broke = self.broke
        if broke is None:
            tried = max((step.callers for step in self.steps), default=0)
            wanted = min(max(self.first, tried * 2), self.most)
            return wanted if wanted > tried else None
        least = max((step.callers for step in self.steps if step.callers < broke.callers), default=0)
        if broke.callers - least <= max(1, self.precision * least):
            return None
        return (least + broke.callers) // 2

    def took(
        self, callers: int, broken: Sequence[str], *, is_valid: bool = True, is_told: bool = True
    ) -> None:
        """Take what a step gave."""
        self.steps.append(Step(callers, tuple(broken), is_valid, is_told))

    def __str__(self) -> str:
        broke, tried = self.broke, max((step.callers for step in self.steps), default=0)
        if not self.held and any(not step.is_valid for step in self.steps):
            return f"unknown: with {counted(tried, 'caller')} the generator itself was late"
        if not self.held and any(not step.is_told for step in self.steps):
            return (
                f"unknown: too few turns to say, with up to {counted(tried, 'caller')}; --duration gives more"
            )
        if broke is None:
            return f"at least {counted(self.held, 'caller')}: the search ended before anything broke"
        return f"{counted(self.held, 'caller')}; with {broke.callers} {', '.join(broke.broken)} broke"

    @property
    def _valid(self) -> list[Step]:
        return [step for step in self.steps if step.is_valid]

    @property
    def _told(self) -> list[Step]:
        return [step for step in self._valid if step.is_told]
