"""The clock of all calls of a process: one task that ticks each when its next frame is due.

Calls whose frames are due at the same of ten places in a frame are ticked in one turn of the loop; a timer and a task
for each frame would cost as much as the frame. Of many calls only every other place has more, which is a sixth cheaper:
few are spread as much as can be, because a server takes longer for the last of several frames that come at once.
A call that is late is ticked once in each turn until it has caught up, so that none starves the others or the sockets.

First all of a turn are ticked, then all send: a write takes 7 µs behind another, and 15 µs when the server has gone
back to sleep meanwhile and must be woken.
"""

import asyncio
import heapq
import math
from itertools import count
from typing import Protocol

import anyio

from server.client.load.calls.clock import now
from server.client.load.hearing.utterance import FRAME_MS

_PLACE_MS = 2
_PLACES = FRAME_MS // _PLACE_MS
_FEW = 50
"""Calls; those that are more go to every other place."""


class Ticked(Protocol):
    """A call that the metronome ticks. Neither method raises anything."""

    def tick(self) -> float | None:
        """Make what is due, and tell when the next is, on the clock of `now`; None: never again."""

    def send(self) -> None:
        """Send what was made."""


class Metronome:
    """Ticks all calls of one process. `run` is its owner's task."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, int, Ticked]] = []
        self._number = count()
        self._has_any = anyio.Event()
        self._calls_at = [0] * _PLACES
        """How many calls have their frames due in each place of a frame."""

    def beat_s(self) -> float:
        """When a call that begins now is to begin: at the place, of the next ten or five, that the fewest share.

        Callers that begin every 20 or 50 ms would all speak at once, and wait for each other.
        """
        step = 1 if len(self._due) < _FEW else 2
        first = math.ceil(now() * 1000 / _PLACE_MS / step) * step
        place = min(range(first, first + _PLACES, step), key=lambda place: self._calls_at[place % _PLACES])
        return place * _PLACE_MS / 1000

    def add(self, due_s: float, call: Ticked) -> None:
        """Tick this call from then on, which is at least a frame from now."""
        beat = round(due_s * 1000 / _PLACE_MS) % _PLACES
        self._calls_at[beat] += 1
        heapq.heappush(self._due, (due_s, next(self._number), beat, call))
        self._has_any.set()

    async def run(self) -> None:
        """Tick the calls, until cancelled."""
        while True:
            if not self._due:
                self._has_any = anyio.Event()
                await self._has_any.wait()
            # asyncio's own pause costs the least.
            await asyncio.sleep(max(0.0, self._due[0][0] - now()))
            self._tick_all(now())

    def _tick_all(self, now_s: float) -> None:
        ticked: list[Ticked] = []
        again: list[tuple[float, int, int, Ticked]] = []
        while self._due and self._due[0][0] <= now_s:
            _, number, beat, call = heapq.heappop(self._due)
            ticked.append(call)
            if (due_s := call.tick()) is not None:
                again.append((due_s, number, beat, call))
            else:
                self._calls_at[beat] -= 1
        for call in ticked:
            call.send()
        for entry in again:
            heapq.heappush(self._due, entry)
