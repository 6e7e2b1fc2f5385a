"""A message for whoever waits for one, past the library's queue of frames: the queue and its waits cost more than the
message itself.

Only while nothing is queued, and nobody has been handed a message that was not taken, so that all come in order.
"""

import asyncio

from websockets.frames import Frame, Opcode

from server.domain.wire import Hear
from server.gateway.sockets.whole_message import whole_message


class NextMessage:
    """Hands the next message of one connection to its one reader."""

    __slots__ = ("_is_amid", "_message", "_waiter", "hear")

    def __init__(self) -> None:
        self._is_amid = False
        """Whether the last frame was a part of a message that goes on."""
        self._message: str | bytes | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.hear: Hear | None = None
        """Offered a message at once that would wake the reader: True if it was dealt with, and the reader waits on."""

    @property
    def is_there(self) -> bool:
        """Whether a message was handed over and not taken yet."""
        return self._message is not None

    def offer(self, frame: Frame) -> bool:
        """Hand over a data frame that is a whole message, if the reader waits; False: the frame is to be queued."""
        self._is_amid = not frame.fin
        if self._waiter is None or self._waiter.done():
            return False
        self._waiter.set_result(None)
        if not frame.fin:
            return False
        try:
            self._message = str(frame.data, "utf-8") if frame.opcode is Opcode.TEXT else bytes(frame.data)
        except UnicodeDecodeError:
            return False  # the library says so to the client
        return True

    def offer_read(self, data: bytes, most_bytes: int | None) -> bool:
        """The same with what a read of the socket brought, which nobody has parsed, behind what was parsed: False, and
        nothing done, where it is not one message of at most so many bytes."""
        waiter = self._waiter
        if waiter is None or self._is_amid or waiter.done():
            return False
        message = whole_message(data, most_bytes)
        if message is None:
            return False
        if self.hear is None or not self.hear(message):
            self._message = message
            self.wake()  # unless the reader was cancelled by what came of hearing it
        return True

    def wake(self) -> None:
        """Have the reader look at the library's queue."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        """To be awaited: until a message is there, or something is queued. Cancel-safe."""
        assert self._waiter is None or self._waiter.done(), "a connection has one reader"
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def take(self) -> str | bytes | None:
        """The message that was handed over, if one was."""
        message, self._message = self._message, None
        return message
