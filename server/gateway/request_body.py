"""Takes the body out of a POST, in front of an HTTP parser that wants none.

The WebSocket library reads the heads of requests and refuses those with a body. `RequestBody` stands before
it: bytes in, bytes for the parser out. The parser gets the head without the headers that announce the body;
the body waits in `body`. Requests of any other method go through as they are. Pure; everything is bounded.
"""

from enum import StrEnum

MAX_HEAD_BYTES = 16 << 10
MAX_BODY_BYTES = 64 << 10

_METHOD = b"POST "
_END = b"\r\n\r\n"


class BodyFault(StrEnum):
    """Why there is no body."""

    TOO_LONG = "too long"
    NO_LENGTH = "no length"
    """It comes in chunks, or its length is no number."""


class _State(StrEnum):
    HEAD = "head"
    BODY = "body"
    DONE = "done"


class RequestBody:
    """One connection's first request."""

    def __init__(self) -> None:
        self.body = b""
        self.fault: BodyFault | None = None
        self._state = _State.HEAD
        self._buffer = bytearray()
        self._head = b""
        self._length = 0

    @property
    def is_done(self) -> bool:
        """Whether all that comes from now on is the parser's business."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> bytes:
        """More from the client, cut anywhere; only while not `is_done`. What the parser may have of it."""
        self._buffer += data
        if self._state is _State.HEAD:
            self._look_for_head()
        if self._state is _State.BODY and len(self._buffer) >= self._length:
            self.body = bytes(self._buffer[: self._length])
            self._done(self._head)
        if self._state is not _State.DONE:
            return b""
        ready = bytes(self._buffer)
        self._buffer.clear()
        return ready

    def _look_for_head(self) -> None:
        start = bytes(self._buffer[: len(_METHOD)])
        if start != _METHOD[: len(start)]:
            self._state = _State.DONE
            return
        end = self._buffer.find(_END)
        if end >= 0:
            self._take_head(bytes(self._buffer[:end]))
            del self._buffer[: end + len(_END)]
        elif len(self._buffer) > MAX_HEAD_BYTES:
            self._state = _State.DONE  # the parser says what is wrong with it

    def _take_head(self, head: bytes) -> None:
        kept, lengths = [], set()
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            match name.lower():
                case b"content-length":
                    lengths.add(value.strip())
                case b"transfer-encoding":
                    self.fault = BodyFault.NO_LENGTH
                case _:
                    kept.append(line)
        self._head = b"\r\n".join(kept) + _END
        self._state = _State.BODY
        length = lengths.pop() if len(lengths) == 1 else b"" if lengths else b"0"
        if not length.isdigit() or len(length) > 18:
            self.fault = BodyFault.NO_LENGTH
        elif int(length) > MAX_BODY_BYTES:
            self.fault = BodyFault.TOO_LONG
        else:
            self._length = int(length)

    def _done(self, ready: bytes) -> None:
        """What the client says after its request is thrown away: the answer closes the connection."""
        self._buffer[:] = ready
        self._state = _State.DONE
