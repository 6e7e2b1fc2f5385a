"""The stream edge: a bounded, closable channel from one producing stage to each of its consumers.

The executor makes it, bounds it and closes it; nobody else holds it.
- Every consumer sees every item, frozen, or as a copy of its own. A full channel makes the producer wait, for the
  slowest consumer; what is sent to a consumer that has ended is dropped.
- The end of the producer ends the stream; its failure is raised at the next item, after those sent before.
- Nothing is awaited while there is room (or an item). Fairness is given by the bound.

`build` refuses the graphs in which stages must come to wait for each other all around. What is left depends on how a
stage reads: two streams of one source, one after the other. Somebody in such a ring waits for room: then it is looked
for. Only stages that use their streams in one task are judged: another task may go on reading.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import anyio.lowlevel

from stageflow.errors import StreamError
from stageflow.frozen import UNCHANGEABLE, UnfreezableError, freeze

_ENDED = "ended"
CAPACITY = 64  # items: some 15 s of speech as tokens, so nobody waits who need not, and little is thrown away
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


@dataclass(slots=True, eq=False)
class Channel:
    """The way from a producer to one consumer, who iterates it: `async for item in channel`."""

    _items: Any = field(default_factory=deque)  # or a list, if nobody takes any, but wants to see them
    _capacity: float = CAPACITY
    producer: str = ""
    consumer: str = ""
    _waits: Waits | None = None  # of the run
    taken: int = 0  # items that the consumer has had
    # Closed by the producer, and exhausted when the consumer has had all; or left by the consumer.
    state: Literal["open", "closed", "exhausted", "left"] = "open"
    _error: Exception | None = None
    _change: asyncio.Event | None = None  # there only while one of the two waits for the other

    @property
    def is_full(self) -> bool:
        return len(self._items) >= self._capacity and self.state == "open"

    async def wait_change(self, by: str, other: str) -> None:
        """Return when `other`, the stage on the other side, has done something. Cancel-safe."""
        self._change = self._change or asyncio.Event()
        try:
            if self._waits is not None:
                self._waits.begin(by, other, is_for_room=by == self.producer)
            await self._change.wait()
        finally:
            if self._waits is not None:
                self._waits.end(by)

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._tell()

    def close(self, error: Exception | None = None) -> None:
        """No more items; with `error`, the consumer's next one raises it. Only the first close counts."""
        if self.state == "open":
            self.state, self._error = "closed", error
            self._tell()

    def leave(self) -> None:
        """The consumer has ended: whoever waits for it need not."""
        self._items.clear()
        self.state = "left"
        self._tell()

    def __aiter__(self) -> Self:
        if self._waits is not None:
            self._waits.uses(self.consumer)
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self.state != "open":
                self.state = "exhausted"
                raise StopAsyncIteration
            await self.wait_change(self.consumer, self.producer)
        self.taken += 1
        item = self._items.popleft()
        self._tell()
        return item

    def _tell(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None


@dataclass(slots=True, eq=False)
class StreamWriter:
    """What a stage sends into: `await ctx.stream.send(item)`. With nobody to read, items go nowhere."""

    _stage: str = ""
    _channels: Sequence[Channel] = ()
    _refusal: str = ""  # why this stage cannot send, or not any more
    sent: int = 0  # items so far

    @property
    def wanted(self) -> bool:
        """False once every consumer of the stream has ended: then the producer may stop. True if it never had any."""
        return not self._channels or any(channel.state != "left" for channel in self._channels)

    async def send(self, item: Any) -> None:
        """Give every consumer the item, when the slowest has room; none, if cancelled. Raises StreamError."""
        while not self._refusal and (full := next((one for one in self._channels if one.is_full), None)):
            await full.wait_change(self._stage, full.consumer)
        if self._refusal:
            late = "sends after it has ended: await everything that sends before `execute` returns"
            raise StreamError(f"stage {self._stage!r} {late}" if self._refusal == _ENDED else self._refusal)
        self.sent += 1
        is_loose = is_wanted = False
        if type(item) not in UNCHANGEABLE and self._channels:
            try:
                item, is_loose = freeze(item)
            except UnfreezableError as why:
                lack = f"stage {self._stage!r} sends an item that is of no use: {why}"
                raise StreamError(lack) from why.__cause__
        for channel in self._channels:
            if channel.state == "open":
                channel.put(deepcopy(item) if is_loose and is_wanted else item)
                is_wanted = True
        if not is_wanted:
            await anyio.lowlevel.checkpoint()  # nothing bounds this producer: let others run

    def close(self, error: Exception | None = None) -> None:
        """End the stream, with an error if the stage failed; called by who runs the stage."""
        self._refusal = self._refusal or _ENDED
        for channel in self._channels:
            channel.close(error)
