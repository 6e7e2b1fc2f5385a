"""What came of the errands of a recorded session, given to those of the one that runs again.

Errands are matched by what they are for and how many of those there were before: a session that has been changed since,
and asks for something more or less, still gets what the recording has of the rest. What came before a changed session
has asked for it waits for that; what it asks for beyond the recording fails.
"""

from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from server.journal import records as rec
from server.journal.beyond import Arrival, Kind
from server.journal.file import Journal
from stages.errors import ProviderError

Key = tuple[str, int]

Faults = Mapping[str, Exception | None]
"""By how an errand's name begins (`recogniser`, `model`, `voice`, `tool`): with what it fails; None: it never answers.
"""


class NotRecorded(ProviderError):
    """The session asks for something that it had not asked for when it was recorded."""


class Answers:
    """Of one replay."""

    def __init__(self, journal: Journal, faults: Faults) -> None:
        self._faults = faults
        self._counts: Counter[str] = Counter()
        self._numbers: dict[Key, int] = {}
        """Of the errands that the session has begun."""
        self._keys: dict[int, Key] = {}
        self._held: dict[Key, deque[Arrival]] = defaultdict(deque)
        self.late: deque[tuple[int, Arrival]] = deque()
        """What was there before the session asked for it: to be let in with the next turn."""
        self._then = dict(_keys(journal))
        self._recorded = frozenset(self._then.values())
        self._to_come = Counter(
            self._then[came.number] for came in journal.came if isinstance(came, rec.Came)
        )

    def asked(self, number: int, what: str) -> None:
        """The session has begun an errand."""
        key = (what, self._counts[what])
        self._counts[what] += 1
        self._numbers[key], self._keys[number] = number, key
        self.late += ((number, arrival) for arrival in self._held.pop(key, ()))

    def came(self, record: rec.Came) -> tuple[int, Arrival] | None:
        """What is to be let in for what came then, if the session has asked for it by now."""
        key = self._then[record.number]
        self._to_come[key] -= 1
        arrival = Arrival(record.kind, record.value)
        if self._faults:
            for name, error in self._faults.items():
                if key[0].startswith(name):
                    if error is None:
                        return None
                    arrival = Arrival(Kind.ERROR, error)
        number = self._numbers.get(key)
        if number is None:
            self._held[key].append(arrival)
            return None
        return number, arrival

    def started(self, number: int) -> None:
        """The session waits for something to be done."""
        if self._keys[number] not in self._recorded:
            error = NotRecorded(f"{self._keys[number][0]}: not in the recording")
            self.late.append((number, Arrival(Kind.ERROR, error)))

    def stopped(self, number: int) -> None:
        """The session waits for the end of an errand."""
        key = self._keys[number]
        if not self._to_come[key] or any(key[0].startswith(name) for name in self._faults):
            self.late.append((number, Arrival(Kind.END)))


def _keys(journal: Journal) -> Iterator[tuple[int, Key]]:
    counts = Counter[str]()
    for asked in journal.asked:
        yield asked.number, (asked.what, counts[asked.what])
        counts[asked.what] += 1


class NoErrands:
    """Nobody is beyond. Implements `server.journal.beyond.Beyond`."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def start(self, number: int, work: Callable[[], Awaitable[Any]]) -> None:
        """See `Beyond`."""
        self._answers.started(number)

    def start_stream(self, number: int, begin: Callable[[], AsyncGenerator[Any, None]]) -> None:
        """See `Beyond`."""
        self._answers.started(number)

    def start_context(self, number: int, enter: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        """See `Beyond`."""
        self._answers.started(number)

    def start_pump(self, number: int, receive: Callable[[], Awaitable[Any]]) -> None:
        """See `Beyond`."""

    def report(self, number: int, value: Any) -> None:
        """See `Beyond`."""

    def ask(self, number: int) -> None:
        """See `Beyond`."""

    def stop(self, number: int) -> None:
        """See `Beyond`."""
        self._answers.stopped(number)

    def leave(self, number: int) -> None:
        """See `Beyond`."""
        self._answers.stopped(number)

    def value(self, number: int) -> Any:
        """See `Beyond`."""
        return None
