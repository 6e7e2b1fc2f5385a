"""Finds out that stages wait for each other at their streams all around, so that none of them can ever go on.

`build` refuses the graphs that must come to that; what is left depends on how a stage reads: two streams of one
source, one after the other. Somebody in such a ring waits for room: then it is looked for. Only stages that use their
streams in one task are judged: another task may go on reading.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import anyio

CHECK_S = 0.4  # how long, and then again, stages must stand still to be called stuck: a busy loop is no ring


@dataclass(frozen=True, slots=True)
class Wait:
    """A task of stage `by` waits for stage `other`: for room in its stream to it, or for an item of it."""

    by: str
    other: str
    is_for_room: bool
    until: float  # when a cancel scope ends it, one of the stage's or of the run's

    def __str__(self) -> str:
        what = "for room towards" if self.is_for_room else "for an item of"
        return f"{self.by!r} waits {what} {self.other!r}"


class Waits:
    """The waits of one run at its streams, by stage; calls `on_ring` with a ring that stays."""

    def __init__(self, on_ring: Callable[[list[Wait]], None]) -> None:
        self._on_ring = on_ring
        self._until = anyio.current_effective_deadline()  # of the run: whatever is earlier is a stage's own
        self._users: dict[str, object] = {}  # the one task of each stage; None if there are several
        self._waiting: dict[str, Wait] = {}
        self._timer: asyncio.TimerHandle | None = None

    def uses(self, stage: str) -> None:
        """The current task, one of the stage's, begins to read a stream, or waits at one."""
        task = asyncio.current_task()
        self._users[stage] = task if self._users.setdefault(stage, task) is task else None

    def begin(self, by: str, other: str, *, is_for_room: bool) -> None:
        self.uses(by)
        self._waiting[by] = Wait(by, other, is_for_room, anyio.current_effective_deadline())
        if self._timer is None and any(one.is_for_room for one in self._waiting.values()):
            self._look_later([])

    def end(self, by: str) -> None:
        self._waiting.pop(by, None)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, seen: list[Wait]) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK_S, self._look, seen)

    def _look(self, seen: list[Wait]) -> None:
        self._timer = None
        if ring := next(filter(None, map(self._ring, self._waiting)), None):
            is_same = list(map(id, ring)) == list(map(id, seen))
            (self._on_ring if is_same else self._look_later)(ring)

    def _ring(self, stage: str) -> list[Wait]:
        """Those that wait for each other all around, from this one; empty if they do not."""
        path: list[Wait] = []
        while (wait := self._waiting.get(stage)) and wait.until >= self._until and self._users[stage]:
            if wait in path:  # a ring further on, without the stage asked for
                break
            path.append(wait)
            if (stage := wait.other) == path[0].by:
                return path
        return []
