"""What a session's door leads to: who does its errands, and what is written down of it, or was."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from server.journal.loops import Follower
from stages.ports import Remind

T = TypeVar("T")

Work = Callable[[], Awaitable[Any]]
"""What is done outside for a session, once."""

BeginStream = Callable[[], AsyncGenerator[Any, None]]
EnterContext = Callable[[], AbstractAsyncContextManager[Any]]
Receive = Callable[[], Awaitable[Any]]
"""Waits for the next value of a connection."""

Act = Callable[[], object]
"""What is done to a session, at once."""


class ArrivalKind(StrEnum):
    """What an arrival is."""

    VALUE = "value"
    ERROR = "error"
    """The last of its errand."""
    END = "end"
    """The last of its errand, of which nothing more comes."""


class Arrival(Protocol):
    """What has come of an errand: a record of it is one, too."""

    @property
    def kind(self) -> ArrivalKind:
        """What kind of arrival it is."""

    @property
    def value(self) -> Any:
        """What has come: a value, or what the errand failed with."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An `Arrival` of which there is no record yet."""

    kind: ArrivalKind
    value: Any = None


class Beyond(Protocol):
    """Does the errands of a session outside of it; each is known by its number."""

    def start(self, number: int, work: Work) -> None:
        """Have the work done: one arrival."""

    def start_stream(self, number: int, begin: BeginStream) -> None:
        """Begin a stream: a value for each `ask`, and one end or error."""

    def start_context(self, number: int, enter: EnterContext) -> None:
        """Enter a context: a value, and when it is left one end or error."""

    def start_pump(self, number: int, receive: Receive) -> None:
        """Receive: a value for each `ask`."""

    def report(self, number: int, value: Any) -> None:
        """Something tells a value of an errand, in whatever task it runs."""

    def ask(self, number: int) -> None:
        """Have the next value come."""

    def stop(self, number: int) -> None:
        """Have an errand end that has not."""

    def leave(self, number: int) -> None:
        """Leave a context."""

    def value(self, number: int) -> Any:
        """What a context has given; None where nobody is."""


class Entrance(Follower, Protocol):
    """A session's door, as those see it who let something in: `server.journal.door` has the only one."""

    deeds: dict[str, Callable[..., object]]
    """What may be done to the session, by name."""

    def arrive(self, number: int, arrival: Arrival) -> None:
        """Let in what came of an errand; only at the begin of a turn."""

    def do(self, act: Act) -> None:
        """Have a task of the session do it in this turn; only at its begin."""


class Notes(Protocol):
    """The record of a session: it is written while the session runs, and read when it runs again."""

    @property
    def is_live(self) -> bool:
        """Whether there is somebody beyond."""

    def open_to(self, door: Entrance) -> None:
        """This is whose notes they are. Called once, in the turn in which the door is made."""

    def turn_begins(self, number: int, now: float) -> None:
        """See `Follower`."""

    def deliver(self, number: int, now: float) -> None:
        """See `Follower`."""

    def asked(self, number: int, what: str) -> None:
        """The session has begun an errand."""

    def told(self, wire: int, frame: str | bytes) -> None:
        """The session sends a frame."""

    def live(self, work: Callable[[], T]) -> T | None:
        """Do what gives nothing to the session. What it raises is the session's, and written down."""

    def read(self, key: str, look: Callable[[], T]) -> T:
        """What `look` gives now, which is plain data."""

    def score(self, look: Callable[[], float]) -> float:
        """A detector's score of the next frame."""

    def deed(self, name: str, arguments: list[Any], act: Act) -> None:
        """Have somebody outside do something to the session: at the begin of the next turn."""

    def reminder(self, tell: Remind) -> Remind:
        """What a tool outside may call in place of the session's own."""
