"""The clock of all calls of a process: one task that ticks each when its next frame is due.

Calls whose frames are due at the same of ten places in a frame are ticked in one turn of the loop; a timer and a task
for each frame would cost as much as the frame. A call that is late is ticked once in each turn until it has caught up,
so that none starves the others or the sockets.
"""

import asyncio
import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

import anyio

from server.client.load.clock import now
from server.client.load.utterance import FRAME_MS

_PLACE_MS = 2
_PLACES = FRAME_MS // _PLACE_MS

Tick: TypeAlias = Callable[[], float | None]
"""Sends what is due, and tells when the next is, on the clock of `now`; None: never again. Raises nothing."""


class Metronome:
    """All calls of one process. `run` is its owner's task."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, int, Tick]] = []
        self._number = count()
        self._has_any = anyio.Event()
        self._calls_at = [0] * _PLACES
        """How many calls have their frames due in each place of a frame."""

    def beat_s(self) -> float:
        """When a call that begins now is to begin: at the place, of the next ten, that the fewest share.

        Callers that begin every 20 or 50 ms would all speak at once, and wait for each other.
        """
        first = math.ceil(now() * 1000 / _PLACE_MS)
        place = min(range(first, first + _PLACES), key=lambda place: self._calls_at[place % _PLACES])
        return place * _PLACE_MS / 1000

    def add(self, due_s: float, tick: Tick) -> None:
        """Tick this call from then on, which is at least a frame from now."""
        beat = round(due_s * 1000 / _PLACE_MS) % _PLACES
        self._calls_at[beat] += 1
        heapq.heappush(self._due, (due_s, next(self._number), beat, tick))
        self._has_any.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self._due:
                self._has_any = anyio.Event()
                await self._has_any.wait()
            # asyncio's own pause costs the least.
            await asyncio.sleep(max(0.0, self._due[0][0] - now()))
            self._tick_all(now())

    def _tick_all(self, now_s: float) -> None:
        again: list[tuple[float, int, int, Tick]] = []
        while self._due and self._due[0][0] <= now_s:
            _, number, beat, tick = heapq.heappop(self._due)
            if (due_s := tick()) is not None:
                again.append((due_s, number, beat, tick))
            else:
                self._calls_at[beat] -= 1
        for entry in again:
            heapq.heappush(self._due, entry)
