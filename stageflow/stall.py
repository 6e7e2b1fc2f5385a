"""Finds out that stages wait for each other at their streams all around, so that none of them can ever go on.

`build` refuses the graphs that must come to that; what is left depends on how a stage reads: two streams of one
source, one after the other. As a graph has no cycle, somebody in such a ring waits for room: then it is looked for.
A stage is stuck if every task of it that uses its streams waits for a stage that is stuck.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
        return (
            f"{self.by!r} waits {'for room towards' if self.is_for_room else 'for an item of'} {self.other!r}"
        )


class Waits:
    """The waits of one run at its streams; calls `on_ring` with a ring that stays."""

    def __init__(self, on_ring: Callable[[list[Wait]], None]) -> None:
        self._on_ring = on_ring
        self._until = anyio.current_effective_deadline()  # of the run: whatever is earlier is a stage's own
        self._users: defaultdict[str, set[Any]] = defaultdict(set)  # tasks by stage
        self._waiting: dict[Any, Wait] = {}  # by task
        self._timer: asyncio.TimerHandle | None = None

    def uses(self, stage: str, task: object) -> None:
        """A task of a stage sends, or reads."""
        self._users[stage].add(task)

    def begin(self, by: str, other: str, *, is_for_room: bool) -> None:
        """The current task begins to wait."""
        wait = Wait(by, other, is_for_room, anyio.current_effective_deadline())
        self._waiting[asyncio.current_task()] = wait
        if self._timer is None and any(one.is_for_room for one in self._waiting.values()):
            self._look_later([])

    def end(self) -> None:
        """The current task does not wait any more."""
        self._waiting.pop(asyncio.current_task(), None)

    def stop(self) -> None:
        """The run is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, seen: list[Wait]) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK_S, self._look, seen)

    def _look(self, seen: list[Wait]) -> None:
        self._timer = None
        if ring := self._ring():
            is_same = list(map(id, ring)) == list(map(id, seen))
            (self._on_ring if is_same else self._look_later)(ring)

    def _ring(self) -> list[Wait]:
        """Stages that wait for each other all around; empty if there are none."""
        stuck: dict[str, list[Wait]] = {}
        for stage, tasks in self._users.items():
            waits = [self._waiting.get(task) for task in tasks if not task.done()]
            found = [one for one in waits if one and one.by == stage and one.until >= self._until]
            if found and len(found) == len(waits):
                stuck[stage] = found
        while free := [name for name, found in stuck.items() if any(one.other not in stuck for one in found)]:
            for name in free:
                del stuck[name]
        path: list[Wait] = []
        stage = next(iter(stuck), "")
        while stage and stage not in [one.by for one in path]:
            path.append(stuck[stage][0])
            stage = path[-1].other
        return path[[one.by for one in path].index(stage) :] if path else []
