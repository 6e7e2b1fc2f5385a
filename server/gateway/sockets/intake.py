"""Stands between the socket of a client and the parser of its frames: cuts its input into slices, and lets it wait.

What arrives goes to the parser slice by slice, a little of it in each turn of the loop, while the meter lets it. While
the client waits, its socket is not read, and what it has sent already waits in a backlog, which is never longer than
one read.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from websockets.asyncio.server import ServerConnection

from server.domain.loop_share import LoopShare
from server.gateway.sockets.large_message import LargeMessage
from server.gateway.sockets.meter import SLICE_BYTES, Meter

RETRY_S = 0.25
"""How soon a large frame is looked at again for which there was no memory."""


class IntakeState(StrEnum):
    """What happens to input that arrives."""

    REQUEST = "request"
    """It is looked at for the body of an HTTP request, which the parser would not take."""
    ANSWERING = "answering"
    """It waits until the request is answered, unless nobody will want it then."""
    HALF_CLOSED = "half closed"
    """There is none: the client has closed its half of the connection, and waits for the answer to its request."""
    OPEN = "open"
    """It goes to the parser."""
    METERED = "metered"
    """It waits until the client may send again."""
    FULL = "full"
    """It waits until the session takes messages again."""
    LARGE = "large"
    """It waits until the session has dealt with a large message."""
    OVER = "over"
    """It is thrown away: the connection is ending."""


class Intake:
    """The input of one connection."""

    def __init__(
        self,
        connection: ServerConnection,
        parse: Callable[[bytes], bool],
        meter: Meter,
        large: LargeMessage,
        share: LoopShare,
    ) -> None:
        """`parse` is the library's, to which the connection belongs; True where it was passed by, with a whole
        message."""
        self.state = IntakeState.REQUEST
        self.heard_at = connection.loop.time()
        """When input was last looked at."""
        self._connection = connection
        self._parse = parse
        self._meter = meter
        self._large = large
        self._share = share
        self._backlog = bytearray()
        self._timer: asyncio.Handle | None = None

    def take(self, data: bytes) -> None:
        """Parse as much of this as the limits allow now; the rest waits."""
        self._meter.begin_step()
        if self.state is not IntakeState.OPEN:
            self.keep(data)  # reading is paused, but some transports have a buffer
        elif self._backlog or len(data) > SLICE_BYTES:
            self._backlog += data
            self.go_on()
        else:  # nearly always
            self._slice(data)

    def keep(self, data: bytes) -> None:
        """Keep input that must wait, unless the connection is ending."""
        if self.state is not IntakeState.OVER:
            self._backlog += data

    def open(self) -> None:
        """The request is answered: what was said early is looked at."""
        self.state = IntakeState.OPEN
        self.go_on()

    def go_on(self) -> None:
        """Parse the backlog, slice by slice, as far as the client and the session let us."""
        while self._backlog and self.state is IntakeState.OPEN:
            piece = bytes(self._backlog[:SLICE_BYTES])
            del self._backlog[:SLICE_BYTES]
            self._slice(piece)
        if self.state is IntakeState.OPEN and not self._connection.transport.is_closing():
            self._connection.transport.resume_reading()

    def hold_large(self) -> None:
        """A large message is whole: nothing more is parsed until the session has dealt with it."""
        self.state = IntakeState.LARGE
        self._connection.transport.pause_reading()

    def release_large(self) -> None:
        """The session has dealt with the large message."""
        self._large.release()
        self.state = IntakeState.FULL  # which the library's queue may be too
        if not self._connection.recv_messages.paused:
            self.session_is_ready()

    def session_is_full(self) -> None:
        """The session does not take its messages."""
        if self.state is IntakeState.OPEN:
            self.state = IntakeState.FULL
            self._connection.transport.pause_reading()

    def session_is_ready(self) -> None:
        """It takes them again: go on in a later turn of the loop, so that nobody takes messages without end."""
        if self.state is IntakeState.FULL:
            self.state = IntakeState.METERED
            self._timer = self._connection.loop.call_soon(self._resume)

    def stop(self) -> None:
        """Throw away what waits, and what comes; leave no timer behind."""
        self.state = IntakeState.OVER
        self._backlog.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _slice(self, data: bytes) -> None:
        self._meter.frames = 0
        was_whole = self._parse(data)
        now = self.heard_at = self._connection.loop.time()
        wait_s = self._meter.pay(len(data), now)
        if wait_s is not None:
            self._hold(wait_s)
        if not was_whole:
            self._look_for_room(now)

    def _look_for_room(self, now: float) -> None:
        if not self._large.has_room(len(self._connection.protocol.reader.buffer), now):
            self._hold(RETRY_S)

    def _hold(self, wait_s: float) -> None:
        """Let the client wait; for no time at all, it is the turn of the others."""
        if self.state not in (IntakeState.OPEN, IntakeState.FULL):
            return  # it waits already, or is about to be sent away
        self.state = IntakeState.METERED
        self._connection.transport.pause_reading()
        if wait_s:
            self._timer = self._connection.loop.call_later(wait_s, self._resume)
        else:
            self._share.later(self._resume)

    def _resume(self) -> None:
        """Go on in this turn of the loop, unless the session is not ready, or there is no memory."""
        if self.state is not IntakeState.METERED:
            return
        self._meter.begin_step()
        self.heard_at = self._connection.loop.time()
        self.state = IntakeState.FULL if self._connection.recv_messages.paused else IntakeState.OPEN
        self._look_for_room(self.heard_at)
        self.go_on()
