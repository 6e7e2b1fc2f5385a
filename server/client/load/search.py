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
        above = [step for step in self._valid if step.broken and step.callers > self.held]
        return min(above, key=lambda step: step.callers, default=None)

    @property
    def is_floor(self) -> bool:
        """Whether the generator or the limit ended the search before the server did."""
        return self.broke is None

    def next(self) -> int | None:
        """How many callers to try; None when the knee is known, or cannot be."""
        if any(not step.is_valid for step in self.steps):
            return None
        held, broke = self.held, self.broke
        if broke is None:
            wanted = max(self.first, held * 2) if self.steps else self.first
            wanted = min(wanted, self.most)
            return wanted if wanted > held else None
        if broke.callers - held <= max(1, self.precision * held):
            return None
        return (held + broke.callers) // 2

    def took(self, callers: int, broken: Sequence[str], *, is_valid: bool = True) -> None:
        """What a step gave."""
        self.steps.append(Step(callers, tuple(broken), is_valid))

    def __str__(self) -> str:
        broke = self.broke
        if broke is None:
            return f"at least {counted(self.held, 'caller')}: the search ended before anything broke"
        return f"{counted(self.held, 'caller')}; with {broke.callers} {', '.join(broke.broken)} broke"

    @property
    def _valid(self) -> list[Step]:
        return [step for step in self.steps if step.is_valid]
