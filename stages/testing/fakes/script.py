"""How a scripted provider behaves: what it says, entry by entry, and how late, how badly."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from stages.errors import ProviderError

T = TypeVar("T")

TOKEN = re.compile(r"\s*\S+|\s+")
"""A word with the white space before it."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a scripted provider behaves while it gives its results (partials do not count as results)."""

    delay_s: float = 0.0
    """Time to the first result."""
    gap_s: float = 0.0
    """Time from one result to the next."""
    fails: Callable[[str], ProviderError] | None = None
    """Raise this instead of going on, once `after` results have been given."""
    hangs: bool = False
    """Give nothing more, for ever, once `after` results have been given."""
    after: int = 0
    stubborn_s: float = 0.0
    """Do not stop for so long after being cancelled, as badly behaved libraries do."""

    async def before(self, given: int) -> None:
        """Take the time that the next result takes, when `given` have been given; fail or hang if told to."""
        await self._wait(self.gap_s if given else self.delay_s, misbehaves=given >= self.after)

    async def at_end(self) -> None:
        """After the last result: no script is too short to fail or hang."""
        await self._wait(0.0, misbehaves=True)

    async def _wait(self, seconds: float, *, misbehaves: bool) -> None:
        try:
            await anyio.sleep(seconds)
            if misbehaves and self.fails is not None:
                raise self.fails(f"scripted to fail after {self.after} results")
            if misbehaves and self.hangs:
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if self.stubborn_s:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(self.stubborn_s)
            raise


class Script(Generic[T]):
    """Entries, one a call, begun again at their end."""

    def __init__(self, entries: Sequence[T]) -> None:
        self._entries = entries
        self._calls = 0

    def next(self) -> T:
        """The next entry."""
        entry = self._entries[self._calls % len(self._entries)]
        self._calls += 1
        return entry
