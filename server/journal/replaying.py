"""A door with a record beyond it: lets in what was let in then, and keeps what the session says for comparison."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from server.domain.ids import Ids
from server.journal import records as rec
from server.journal.door import Arrival, Door
from server.journal.file import Journal
from server.journal.frames import kept
from server.journal.chance import seeded
from server.journal.loops import FollowedLoop, RecordedClock, RecordOver
from server.session.session import Session

T = TypeVar("T")

_FAREWELL_TURNS = 10_000
"""Of the loop, for a session that the record leaves in the middle."""


class Replaying(Door):
    """The door of a session that is replayed. Implements `server.journal.loops.Follower`."""

    is_live = False

    def __init__(self, loop: FollowedLoop, ids: Ids, journal: Journal) -> None:
        """Made in the first turn of the loop."""
        super().__init__(loop, ids)
        self._journal = journal
        self._turn = 0
        self._came = iter(journal.came)
        self._next = next(self._came, None)
        self._reads = dict[str, int]()
        self._scores = iter(journal.scores)
        self._lives = 0
        self.said: list[rec.Told] = []
        """What the session has sent, as records have it."""
        self.begun: list[rec.Asked] = []
        self.deeds: dict[str, Callable[..., object]] = {}
        """What is to be done for each name of a deed."""
        loop.expect(self)

    # --- turns ---------------------------------------------------------------------------------------------------

    def turn_begins(self, number: int, now: float) -> None:
        """See `Follower`."""

    def deliver(self, number: int, now: float) -> None:
        """See `Follower`."""
        self._turn += 1
        self.loop.expect(self)
        while (record := self._next) is not None and record.turn <= self._turn:
            self._next = next(self._came, None)
            if isinstance(record, rec.Came):
                self.arrive(record.number, Arrival(record.kind, record.value))
            else:
                self.do(partial(self.deeds[record.name], *record.arguments))

    # --- errands: nobody is beyond --------------------------------------------------------------------------------

    def begin(self, number: int) -> None:
        """See `Door`."""

    def asked(self, number: int, what: str) -> None:
        """See `Door`."""
        self.begun.append(rec.Asked(self._turn, number, what))

    def start(self, number: int, work: Callable[[], Awaitable[Any]]) -> None:
        """See `Door`."""

    def start_stream(self, number: int, begin: Callable[[], AsyncGenerator[Any, None]]) -> None:
        """See `Door`."""

    def start_context(self, number: int, enter: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        """See `Door`."""

    def start_pump(self, number: int, receive: Callable[[], Awaitable[Any]]) -> None:
        """See `Door`."""

    def report(self, number: int, value: Any) -> None:
        """See `Door`."""

    def ask(self, number: int) -> None:
        """See `Door`."""

    def stop(self, number: int) -> None:
        """See `Door`."""

    def leave(self, number: int) -> None:
        """See `Door`."""

    def live_value(self, number: int) -> Any:
        """See `Door`."""
        return None

    # --- what is done and read at once -----------------------------------------------------------------------------

    def live(self, work: Callable[[], T]) -> T | None:
        """See `Door`."""
        number, self._lives = self._lives, self._lives + 1
        if (error := self._journal.raised.get(number)) is not None:
            raise error
        return None

    def read(self, key: str, look: Callable[[], T]) -> T:
        """See `Door`."""
        count = self._reads.get(key, 0)
        self._reads[key] = count + 1
        changes = self._journal.reads.get(key, [])
        place = bisect_right(changes, count, key=lambda change: change[0])
        value: T = changes[place - 1][1] if place else None
        return value

    def score(self, look: Callable[[], float]) -> float:
        """See `Door`."""
        return next(self._scores, 0.0)

    def told(self, wire: int, frame: str | bytes) -> None:
        """See `Door`."""
        self.said.append(rec.Told(self._turn, wire, kept(frame)))

    def reminder(
        self, tell: Callable[[float, str], Callable[[], None]]
    ) -> Callable[[float, str], Callable[[], None]]:
        """See `Door`."""
        taken_back = dict[int, Callable[[], None]]()

        def remind(number: int, delay_s: float, text: str) -> None:
            taken_back[number] = tell(delay_s, text)

        self.deeds["remind"] = remind
        self.deeds["take back"] = lambda number: taken_back[number]()
        return lambda delay_s, text: lambda: None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it."""

    journal: Journal
    said: list[rec.Told]
    """What the session has sent, as `journal.told` has what it sent then."""
    begun: list[rec.Asked]


def replay(journal: Journal, new_session: Callable[[Door], Session]) -> Replayed:
    """Run the session again, as far as the record goes. Blocks; needs a thread without a running loop."""
    clock = RecordedClock(journal.times_s[: journal.turns])
    loop, doors = FollowedLoop(clock), list[Replaying]()

    async def main() -> None:
        door = Replaying(loop, Ids(seeded(journal.setup["seed"])), journal)
        doors.append(door)
        await door.run(new_session(door).run)

    asyncio.set_event_loop(loop)
    task = loop.create_task(main())
    try:
        with suppress(RecordOver):
            loop.run_until_complete(task)
    finally:
        _abandon(loop, clock, task)
    (door,) = doors
    return Replayed(journal, door.said, door.begun)


def _abandon(loop: FollowedLoop, clock: RecordedClock, task: asyncio.Task[None]) -> None:
    """End what the record has not ended."""
    clock.goes_on_for(_FAREWELL_TURNS)
    task.cancel()
    with suppress(RecordOver, asyncio.CancelledError):
        loop.run_until_complete(task)
    with suppress(RecordOver):
        loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()
