"""The places that the live sessions of a process have, and who waits for one that is just being given back.

Whoever hangs up and calls again at once would find the place of the session before still taken, since a session says
good-bye, and is written down, when its socket is gone already. So a newcomer waits a moment for it, and no more of them
than there are places on their way back.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

V = TypeVar("V")

HANDSHAKE_S = 15.0
"""How long a place is kept for a session that is being opened."""

LEASE_S = 60.0
"""How long a place is kept for a live session without being renewed: a node that dies holds it no longer."""

RENEWED_S = 20.0
"""How often that is done."""

FREED_WITHIN_S = 1.0
"""How long a newcomer waits."""


@dataclass(frozen=True, slots=True)
class Seat(Generic[V]):
    """The place of one session."""

    visitor: V
    places: frozenset[str]
    """What it counts against."""
    is_left: Callable[[], bool]
    """Whether its client is gone and not waited for."""


class Seats(Generic[V]):
    """The places of the sessions of one process."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat[V]] = {}
        self._leaving: set[str] = set()
        """Of those, whose places are being given back."""
        self._waiting: Counter[str] = Counter()
        self._freed: anyio.Event | None = None
        """Somebody waits for a place."""

    @contextmanager
    def has(self, name: str, seat: Seat[V]) -> Iterator[None]:
        """The session has its places within."""
        self._seats[name] = seat
        try:
            yield
        finally:
            del self._seats[name]
            self._leaving.discard(name)
            if self._freed is not None:
                self._freed.set()
                self._freed = None

    def leave(self, name: str) -> None:
        """Give back the places of a session, from now on."""
        self._leaving.add(name)

    def is_live(self, name: str) -> bool:
        """Whether the session has its places, and keeps them."""
        return name in self._seats and name not in self._leaving

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return ((name, seat.visitor) for name, seat in tuple(self._seats.items()) if self.is_live(name))

    async def claim(self, place: str, claim: Callable[[], Awaitable[float]]) -> bool:
        """Whether there is room: `claim` gives 0 for that. Where there is none it is asked again when a place becomes
        free whose session has hung up."""
        if not await claim():
            return True
        if self._being_freed(place) <= self._waiting[place]:
            return False
        self._waiting[place] += 1
        try:
            with anyio.move_on_after(FREED_WITHIN_S):
                while self._being_freed(place):
                    self._freed = self._freed or anyio.Event()
                    await self._freed.wait()
                    if not await claim():
                        return True
            return False
        finally:
            self._waiting -= Counter((place,))

    def _being_freed(self, place: str) -> int:
        return sum(
            place in seat.places and (name in self._leaving or seat.is_left())
            for name, seat in self._seats.items()
        )
