"""What came of the errands of a recorded session, given to those of the one that runs again.

Errands are matched by what they are for and how many of those there were before: a session that has been changed since,
and asks for something more or less, still gets what the recording has of the rest. What came before a changed session
has asked for it waits for that; what it asks for beyond the recording fails.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from server.journal import records as rec
from server.journal.beyond import Arrival, ArrivalKind, Arrived, BeginStream, EnterContext, Receive, Work
from server.journal.file import Journal
from stages.errors import ProviderError

Key = tuple[str, int]

Faults = Mapping[str, Exception | None]
"""By how an errand's name begins (`recogniser`, `model`, `voice`, `tool`): with what it fails; None: it never answers.
"""


class NotRecorded(ProviderError):
    """The session asks for something that it had not asked for when it was recorded."""


@dataclass(slots=True)
class _Errand:
    """An errand that was recorded, or that the session has begun, or both."""

    what: str
    is_recorded: bool = False
    to_come: int = 0
    """Arrivals that the record has yet."""
    number: int | None = None
    """By which the session knows it, once it has begun it."""
    held: list[Arrival] = field(default_factory=list)
    """What came before that."""


class RecordedAnswers:
    """What came of the errands of a recorded session, for one replay of it."""

    def __init__(self, journal: Journal, faults: Faults) -> None:
        self._faults = faults
        self._counts: Counter[str] = Counter()
        self._errands: dict[Key, _Errand] = {}
        self._begun: dict[int, _Errand] = {}
        self.late: deque[tuple[int, Arrival]] = deque()
        """What was there before the session asked for it: to be let in with the next turn."""
        self._then = self._recorded(journal)
        for came in journal.came:
            if isinstance(came, rec.Came):
                self._then[came.number].to_come += 1

    def _recorded(self, journal: Journal) -> dict[int, _Errand]:
        counts, then = Counter[str](), dict[int, _Errand]()
        for asked in journal.asked:
            errand = then[asked.number] = _Errand(asked.what, is_recorded=True)
            self._errands[asked.what, counts[asked.what]] = errand
            counts[asked.what] += 1
        return then

    def asked(self, number: int, what: str) -> None:
        """The session has begun an errand."""
        key = (what, self._counts[what])
        self._counts[what] += 1
        errand = self._begun[number] = self._errands.get(key) or _Errand(what)
        errand.number = number
        self.late += ((number, arrival) for arrival in errand.held)
        errand.held.clear()

    def came(self, record: rec.Came) -> tuple[int, Arrival] | None:
        """What is to be let in for what came then, if the session has asked for it by now."""
        errand, arrival = self._then[record.number], record
        errand.to_come -= 1
        if self._faults:
            for name, error in self._faults.items():
                if errand.what.startswith(name):
                    if error is None:
                        return None
                    arrival = replace(record, kind=ArrivalKind.ERROR, value=error)
        if errand.number is None:
            errand.held.append(arrival)
            return None
        return errand.number, arrival

    def started(self, number: int) -> None:
        """The session waits for something to be done."""
        errand = self._begun[number]
        if not errand.is_recorded:
            self.late.append(
                (number, Arrived(ArrivalKind.ERROR, NotRecorded(f"{errand.what}: not in the recording")))
            )

    def stopped(self, number: int) -> None:
        """The session waits for the end of an errand."""
        errand = self._begun[number]
        if not errand.to_come or any(errand.what.startswith(name) for name in self._faults):
            self.late.append((number, Arrived(ArrivalKind.END)))


class NoErrands:
    """Does no errands: a replay has nobody outside. Implements `server.journal.beyond.Beyond`."""

    def __init__(self, answers: RecordedAnswers) -> None:
        self._answers = answers

    def start(self, number: int, work: Work) -> None:
        """See `Beyond`."""
        self._answers.started(number)

    def start_stream(self, number: int, begin: BeginStream) -> None:
        """See `Beyond`."""
        self._answers.started(number)

    def start_context(self, number: int, enter: EnterContext) -> None:
        """See `Beyond`."""
        self._answers.started(number)

    def start_pump(self, number: int, receive: Receive) -> None:
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
