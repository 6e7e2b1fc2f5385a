"""Does to a caller's socket what the script wants of its line: cuts it, lets it carry nothing, or reads nothing."""

import asyncio
from collections.abc import Sequence

from server.client.load.calls.clock import now
from server.client.load.calls.line import CallerLine
from server.client.load.wire import Wire


class LineWorks:
    """What is done to the socket of one caller. Times of the script are seconds since the call began."""

    def __init__(self, line: CallerLine) -> None:
        self._line = line
        self.away_until_s = 0.0
        """Until then, by `now`, the script wants the caller to be away."""
        self._held: list[Wire] = []
        """What was said while the line carried nothing."""
        self._unread: asyncio.Transport | None = None
        """The socket from which nothing is read."""

    def is_wanted(self, now_s: float) -> bool:
        """Whether there is anything to be done at this time of the script."""
        line = self._line
        is_disturbed = now_s < line.dead_until_s or now_s < line.reads_from_s
        return is_disturbed or self._unread is not None or line.is_to_be_cut

    def over(self, messages: Sequence[Wire], now_s: float, socket: asyncio.Transport) -> Sequence[Wire]:
        """What is to be sent of these now, after doing to the line what is wanted."""
        line = self._line
        if (away_s := line.take_cut()) is not None:
            self.away_until_s = now() + away_s
            socket.abort()
        is_dead = now_s < line.dead_until_s
        self._read(socket, is_wanted=not is_dead and now_s >= line.reads_from_s)
        if is_dead:
            self._held.extend(messages)
            return ()
        if self._held:
            messages, self._held = [*self._held, *messages], []
        return messages

    def leave(self) -> None:
        """The call is over: what the server says in closing is to be read."""
        if self._unread is not None:
            self._read(self._unread, is_wanted=True)

    def _read(self, socket: asyncio.Transport, *, is_wanted: bool) -> None:
        if is_wanted == (self._unread is not socket):
            return
        self._unread = None if is_wanted else socket
        if socket.is_closing():
            return
        if is_wanted:
            socket.resume_reading()
        else:
            socket.pause_reading()
