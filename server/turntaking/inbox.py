"""The way to the floor: whoever learns of something feeds it here, and one consumer takes in one after the other.

Made before all who feed it and before the one who consumes it, so that none of them needs the others. The floor's state
cannot be seen from here: who feeds an event says what happened, and never chooses it by the state.
"""

from collections import deque
from typing import Protocol

from server.turntaking.floor import Floor, RunId
from server.turntaking.happened import Happened


class FloorConsumer(Protocol):
    """Tells the floor what happened, and obeys it."""

    def take_in(self, happened: Happened) -> None:
        """Tell the floor what happened and do what it says. Raises ClientError for what cannot be had now."""

    def look_again(self) -> None:
        """There is something to say as soon as nobody speaks."""


class FloorInbox:
    """The events that wait for the floor of one session. Plain calls."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._waiting: deque[Happened] = deque()
        """Bounded by what taking one in brings about: empty when none is being taken in."""
        self._is_taking_in = False
        self._consumer: FloorConsumer | None = None

    def serve(self, consumer: FloorConsumer) -> None:
        """Take everything to `consumer`, before the first is fed."""
        self._consumer = consumer

    def feed(self, happened: Happened) -> None:
        """Tell the floor what happened and have done what it says, without an await in between; and then what happened
        by that, never one within another.

        Raises ClientError when the client asked for what cannot be had now, once all has been taken in.
        """
        self._waiting.append(happened)
        if not self._is_taking_in:
            self._take_in_all()

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
        return bool(self._waiting)

    def _take_in_all(self) -> None:
        assert self._consumer is not None, "nothing happens before somebody obeys"
        self._is_taking_in = True
        try:
            while self._waiting:
                self._consumer.take_in(self._waiting.popleft())
        finally:
            self._is_taking_in = False
            if self._waiting:
                self._take_in_all()  # one has failed: that is no reason to forget the others
