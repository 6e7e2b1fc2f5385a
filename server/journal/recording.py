"""Writes down what passes the door of a session that runs."""

from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio

from server.domain.ids import Ids
from server.journal import records as rec
from server.journal.beyond import Act, Arrival, Entrance
from server.journal.door import Door
from server.journal.errands import LiveErrands
from server.journal.loops import FollowedLoop, outside
from stages.ports import Remind

T = TypeVar("T")

_TIMES_AT_ONCE = 512
_UNSEEN = object()


class Sink(Protocol):
    """Where records go."""

    rest: Callable[[], list[rec.Numbers]]
    """Gives what is to be written besides before no more is taken."""

    def put(self, record: rec.Entry, size_bytes: int) -> None:
        """Write it down some time, in order. Never waits, never raises."""


class Written:
    """What is written down of a session while it runs. Implements `server.journal.beyond.Notes`."""

    is_live = True

    def __init__(self, loop: FollowedLoop, sink: Sink) -> None:
        self._loop = loop
        self._sink = sink
        self._turns = 0
        self._last_turn = -1
        self._times = array("d")
        self._scores = array("d")
        self._waiting: deque[tuple[rec.Record, int, Act]] = deque()
        self._reads: dict[str, list[Any]] = {}
        self._lives = 0
        self._reminders = 0
        self._door: Entrance | None = None
        sink.rest = self.rest

    def open_to(self, door: Entrance) -> None:
        """See `Notes`."""
        self._door = door
        self.turn_begins(self._loop.turn, self._loop.time())

    def finish(self, how: str) -> None:
        """The session is over; what is not written down yet is handed over."""
        _hand_over(self._sink, self.rest())
        self._sink.put(rec.Over(self._turns - 1, how), 0)

    # --- turns ---------------------------------------------------------------------------------------------------

    def turn_begins(self, number: int, now: float) -> None:
        """See `Follower`."""
        if number == self._last_turn:
            return
        self._last_turn = number
        self._turns += 1
        self._times.append(now)
        if len(self._times) >= _TIMES_AT_ONCE:
            _hand_over(self._sink, self.rest())

    def deliver(self, number: int, now: float) -> None:
        """See `Follower`."""
        self.turn_begins(number, now)
        waiting, self._waiting = self._waiting, deque()
        for record, size_bytes, let_in in waiting:
            record.turn = self._turns - 1
            self._sink.put(record, size_bytes)
            let_in()

    def rest(self) -> list[rec.Numbers]:
        """What has been counted and not handed over."""
        rest = []
        for name, numbers in (("turns", self._times), ("scores", self._scores)):
            if numbers:
                rest.append(rec.Numbers(name, numbers.tobytes()))
                del numbers[:]
        return rest

    def post(self, number: int, arrival: Arrival) -> None:
        """Let it in at the begin of the next turn."""
        assert self._door is not None, "nothing comes before there is a door"
        record = rec.Came(0, number, arrival.kind, arrival.value)
        self._wait(record, rec.weight_bytes(arrival.value), partial(self._door.arrive, number, arrival))

    def deed(self, name: str, arguments: list[Any], act: Act) -> None:
        """See `Notes`."""
        assert self._door is not None, "nothing is done before there is a door"
        self._wait(rec.Deed(0, name, arguments), rec.weight_bytes(arguments), partial(self._door.do, act))

    def _wait(self, record: rec.Record, size_bytes: int, let_in: Act) -> None:
        self._waiting.append((record, size_bytes, let_in))
        assert self._door is not None, "whoever waits has come to a door"
        self._loop.expect(self._door)

    def asked(self, number: int, what: str) -> None:
        """See `Notes`."""
        self._sink.put(rec.Asked(self._turns - 1, number, what), 0)

    # --- what is done and read at once -----------------------------------------------------------------------------

    def live(self, work: Callable[[], T]) -> T | None:
        """See `Notes`."""
        number, self._lives = self._lives, self._lives + 1
        try:
            return outside(work)
        except Exception as error:
            self._sink.put(rec.Raised(number, error), 0)
            raise

    def read(self, key: str, look: Callable[[], T]) -> T:
        """See `Notes`."""
        seen = self._reads.setdefault(key, [0, _UNSEEN])
        value = look()
        if value != seen[1]:
            seen[1] = value
            self._sink.put(rec.Read(key, seen[0], value), rec.weight_bytes(value))
        seen[0] += 1
        return value

    def score(self, look: Callable[[], float]) -> float:
        """See `Notes`."""
        value = float(look())
        self._scores.append(value)
        return value

    def told(self, wire: int, frame: str | bytes) -> None:
        """See `Notes`."""
        self._sink.put(rec.Told(self._turns - 1, wire, frame), rec.told_bytes(frame))

    def reminder(self, tell: Remind) -> Remind:
        """See `Notes`."""
        taken_back = dict[int, Callable[[], None]]()

        def remind(delay_s: float, text: str) -> Callable[[], None]:
            number, self._reminders = self._reminders, self._reminders + 1

            def act() -> None:
                taken_back[number] = tell(delay_s, text)

            def take_back() -> None:
                self.deed("take back", [number], lambda: taken_back[number]())

            self.deed("remind", [number, delay_s, text], act)
            return take_back

        return remind


def _hand_over(sink: Sink, several: list[rec.Numbers]) -> None:
    for numbers in several:
        sink.put(numbers, len(numbers.data))


@asynccontextmanager
async def recording(loop: FollowedLoop, ids: Ids, sink: Sink) -> AsyncIterator[Door]:
    """A door for one session, which is made and run within. What it has begun outside ends with the block."""
    async with anyio.create_task_group() as group:
        notes = Written(loop, sink)
        door, how = Door(loop, ids, LiveErrands(group, notes.post), notes), "the session was cancelled"
        try:
            yield door
            how = "over"
        finally:
            notes.finish(how)
            door.deeds.clear()  # nothing can be done to the session any more
            for give_up in door.on_finish:
                give_up()
            group.cancel_scope.cancel()
