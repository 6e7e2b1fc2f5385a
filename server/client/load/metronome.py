"""The clock of all calls of a process: one task that ticks each when its next frame is due.

Calls whose frames are due in the same millisecond are ticked in one turn of the loop; a timer and a task for each
frame would cost as much as the frame. A call that is late is ticked once in each turn until it has caught up, so that
none starves the others or the sockets.
"""

import asyncio
import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

import anyio

from server.client.load.clock import now

Tick: TypeAlias = Callable[[], float | None]
"""Sends what is due, and tells when the next is, on the clock of `now`; None: never again. Raises nothing."""


class Metronome:
    """All calls of one process. `run` is its owner's task."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Tick]] = []
        self._number = count()
        self._has_any = anyio.Event()

    @staticmethod
    def beat_s() -> float:
        """When a call that begins now is to begin: with a millisecond, as those that share its turns."""
        return math.ceil(now() * 1000) / 1000

    def add(self, due_s: float, tick: Tick) -> None:
        """Tick this call from then on, which is at least a frame from now."""
        heapq.heappush(self._due, (due_s, next(self._number), tick))
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
        again: list[tuple[float, int, Tick]] = []
        while self._due and self._due[0][0] <= now_s:
            _, number, tick = heapq.heappop(self._due)
            if (due_s := tick()) is not None:
                again.append((due_s, number, tick))
        for entry in again:
            heapq.heappush(self._due, entry)
