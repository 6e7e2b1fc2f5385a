"""The way to the floor: whoever learns of something feeds it here, and one consumer takes in one after the other.

Made before all who feed it and before the one who consumes it, so that none of them needs the others. The floor's state
cannot be seen from here: who feeds an event says what happened, and never chooses it by the state.
"""

from typing import Protocol

from server.turntaking.floor import Floor, RunId
from server.turntaking.happened import Happened
from server.turntaking.in_order import InOrder


class FloorConsumer(Protocol):
    """Who obeys the floor."""

    def take_in(self, happened: Happened) -> None:
        """Tell the floor what happened and do what it says. Raises ClientError for what cannot be had now."""

    def look_again(self) -> None:
        """There is something to say as soon as nobody speaks."""


class FloorInbox:
    """What happened in one session. Plain calls."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._events = InOrder(self._take_in)
        self._consumer: FloorConsumer | None = None

    def serve(self, consumer: FloorConsumer) -> None:
        """Take everything to `consumer`, before the first is fed."""
        self._consumer = consumer

    def feed(self, happened: Happened) -> None:
        """Tell the floor what happened and have done what it says, without an await in between; what happens by that,
        too.

        Raises ClientError when the client asked for what cannot be had now.
        """
        self._events.take(happened)

    def look_again(self) -> None:
        """There is something to say as soon as nobody speaks."""
        if self._consumer is not None:
            self._consumer.look_again()

    def alive(self, run: RunId, now: float) -> None:
        """The run gives a sign of life."""
        self._floor.alive(run, now)

    @property
    def is_waiting(self) -> bool:
        """Whether something else has happened that has not been taken in."""
        return self._events.is_waiting

    def _take_in(self, happened: Happened) -> None:
        assert self._consumer is not None, "nothing happens before somebody obeys"
        self._consumer.take_in(happened)
