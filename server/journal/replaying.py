"""Runs a session again: lets in what was let in then, and keeps what the session says for comparison."""

import asyncio
import gc
import json
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from server.domain.ids import Ids
from server.journal import records as rec
from server.journal.answers import Faults, NoErrands, RecordedAnswers
from server.journal.beyond import Act, Entrance
from server.journal.chance import seeded
from server.journal.comparing import first_difference, first_other_errand, seconds
from server.journal.door import Door
from server.journal.file import Journal
from server.journal.frames import kept
from server.journal.replay_loop import RecordOver, ReplayLoop
from server.journal.tracing import timeline
from stages.ports import Remind

T = TypeVar("T")

_FAREWELL_TURNS = 10_000
"""Of the loop, for a session that the record leaves in the middle."""


class Recalled:
    """What was written down of a session that runs again. Implements `server.journal.beyond.Notes`."""

    is_live = False

    def __init__(self, loop: ReplayLoop, journal: Journal, answers: RecordedAnswers) -> None:
        self._loop = loop
        self._journal = journal
        self._answers = answers
        self._turn = 0
        self._came = iter(journal.came)
        self._next = next(self._came, None)
        self._reads = dict[str, int]()
        self._scores = iter(journal.scores)
        self._lives = 0
        self.said: list[rec.Told] = []
        """What the session has sent, as records have it."""
        self.begun: list[rec.Asked] = []
        self._door: Entrance | None = None

    def open_to(self, door: Entrance) -> None:
        """See `Notes`."""
        self._door = door
        self._loop.let_in(self.deliver)

    # --- turns ---------------------------------------------------------------------------------------------------

    def turn_begins(self, number: int, now: float) -> None:
        """See `Follower`."""

    def deliver(self, number: int, now: float) -> None:
        """See `Follower`."""
        assert self._door is not None, "turns are told to a door"
        door, answers = self._door, self._answers
        self._turn = turn = self._turn + 1
        while answers.late:
            door.arrive(*answers.late.popleft())
        while (record := self._next) is not None and record.turn <= turn:
            self._next = next(self._came, None)
            if isinstance(record, rec.Came):
                if (came := answers.came(record)) is not None:
                    door.arrive(*came)
            else:
                door.do(partial(door.deeds[record.name], *record.arguments))

    def asked(self, number: int, what: str) -> None:
        """See `Notes`."""
        self.begun.append(rec.Asked(self._turn, number, what))
        self._answers.asked(number, what)

    # --- what is done and read at once -----------------------------------------------------------------------------

    def live(self, work: Callable[[], T]) -> T | None:
        """See `Notes`."""
        number, self._lives = self._lives, self._lives + 1
        if (error := self._journal.raised.get(number)) is not None:
            raise error
        return None

    def read(self, key: str, look: Callable[[], T]) -> T:
        """See `Notes`."""
        count = self._reads.get(key, 0)
        self._reads[key] = count + 1
        changes = self._journal.reads.get(key, [])
        place = bisect_right(changes, count, key=lambda change: change[0])
        value: Any = changes[place - 1][1] if place else None
        return value  # type: ignore[no-any-return]  # what was read then

    def score(self, look: Callable[[], float]) -> float:
        """See `Notes`."""
        return next(self._scores, 0.0)

    def told(self, wire: int, frame: str | bytes) -> None:
        """See `Notes`."""
        self.said.append(rec.Told(self._turn, wire, kept(frame)))

    def deed(self, name: str, arguments: list[Any], act: Act) -> None:
        """See `Notes`."""

    def reminder(self, tell: Remind) -> Remind:
        """See `Notes`."""
        taken_back = dict[int, Callable[[], None]]()

        def remind(number: int, delay_s: float, text: str) -> None:
            taken_back[number] = tell(delay_s, text)

        assert self._door is not None, "tools are a session's, which has a door"
        self._door.deeds["remind"] = remind
        self._door.deeds["take back"] = lambda number: taken_back[number]()
        return lambda delay_s, text: lambda: None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay."""

    journal: Journal
    said: list[rec.Told]
    """What the session has sent, as `journal.told` has what it sent then."""
    begun: list[rec.Asked]

    @property
    def differences(self) -> list[str]:
        """What to print of the first difference; nothing if there is none."""
        journal = self.journal
        lines = first_difference(journal.told, self.said, journal.times_s)
        if lines:
            lines.append(first_other_errand(journal.asked, self.begun, journal.times_s))
        return [line for line in lines if line]

    @property
    def events(self) -> list[tuple[float, dict[str, Any]]]:
        """What the session said now: the seconds since it began, and the event. Audio in frames of its own is left
        out, and in events there is a digest in its place."""
        return [
            (seconds(told.turn, self.journal.times_s), json.loads(told.frame))
            for told in self.said
            if str(told.frame).startswith("{")
        ]

    @property
    def lines(self) -> list[str]:
        """The session as a timeline in words: what it was given then, and what it said now."""
        return list(timeline(replace(self.journal, told=self.said)))


def replay(
    journal: Journal, converse: Callable[[Door], Awaitable[None]], faults: Faults | None = None
) -> Replayed:
    """Run the session again, which `converse` makes at once and runs, as far as the record goes, or with `faults` of
    its providers. Blocks; needs a thread without a running loop."""
    loop = ReplayLoop(journal.times_s[: journal.turns])
    answers = RecordedAnswers(journal, faults or {})
    notes = Recalled(loop, journal, answers)

    async def main() -> None:
        await converse(Door(loop, Ids(seeded(journal.setup["seed"])), NoErrands(answers), notes))

    asyncio.set_event_loop(loop)
    task = loop.create_task(main())
    with no_collections():
        try:
            with suppress(RecordOver):
                loop.run_until_complete(task)
        finally:
            _abandon(loop, task)
    return Replayed(journal, notes.said, notes.begun)


@contextmanager
def no_collections() -> Iterator[None]:
    """Without Python's search for cycles, which would go through all of the record again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _abandon(loop: ReplayLoop, task: asyncio.Task[None]) -> None:
    """End what the record has not ended."""
    loop.goes_on_for(_FAREWELL_TURNS)
    try:
        task.cancel()
        with suppress(RecordOver, asyncio.CancelledError):
            loop.run_until_complete(task)
        with suppress(RecordOver):
            loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
