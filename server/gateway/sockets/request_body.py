"""Takes the body out of a plain request, in front of an HTTP parser that wants none.

The WebSocket library reads the heads of requests and refuses those with a body. `RequestBody` stands before
it: bytes in, bytes for the parser out. The parser gets the head without the headers that announce the body;
the body of a POST waits in `body`, that of any other method is not waited for. What follows a plain request is
nobody's. A request to become a WebSocket goes through as it is. Pure; everything is bounded.
"""

import re
from enum import StrEnum

MAX_HEAD_BYTES = 16 << 10
MAX_BODY_BYTES = 64 << 10

_END = b"\r\n\r\n"
_METHOD = re.compile(rb"[A-Z]{1,16}(?: |\Z)")


class BodyFault(StrEnum):
    """Why there is no body."""

    TOO_LONG = "too long"
    NO_LENGTH = "no length"
    """It comes in chunks, or its length is no number."""


class _State(StrEnum):
    HEAD = "head"
    BODY = "body"
    UPGRADE = "upgrade"
    PLAIN = "plain"


class RequestBody:
    """The body of the first request on one connection."""

    def __init__(self) -> None:
        self.body = b""
        self.fault: BodyFault | None = None
        self._state = _State.HEAD
        self._buffer = bytearray()
        self._head = b""
        self._length = 0

    @property
    def is_done(self) -> bool:
        """Whether the parser has the whole request."""
        return self._state in (_State.UPGRADE, _State.PLAIN)

    @property
    def is_plain(self) -> bool:
        """Whether the request is answered and that is all: what follows it is thrown away."""
        return self._state is _State.PLAIN

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """More from the client, cut anywhere; only while not `is_done`.

        What the parser gets of it now, and what it gets when the request has been answered.
        """
        self._buffer += data
        if self._state is _State.HEAD:
            self._look_for_head()
        if self._state is _State.BODY and len(self._buffer) >= self._length:
            self.body = bytes(self._buffer[: self._length])
            self._buffer.clear()
            self._state = _State.PLAIN
        if not self.is_done:
            return b"", b""
        rest = b"" if self.is_plain else bytes(self._buffer)
        self._buffer.clear()
        return self._head, rest

    def _look_for_head(self) -> None:
        end = self._buffer.find(_END)
        if end >= 0:
            head = bytes(self._buffer[:end])
            del self._buffer[: end + len(_END)]
            self._take_head(head)
        elif not _METHOD.match(self._buffer) or len(self._buffer) > MAX_HEAD_BYTES:
            self._head = bytes(self._buffer)  # the parser says what is wrong with it
            self._buffer.clear()
            self._state = _State.PLAIN

    def _take_head(self, head: bytes) -> None:
        kept, lengths, is_upgrade = [], set(), False
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            match name.lower():
                case b"content-length":
                    lengths.add(value.strip())
                case b"transfer-encoding":
                    self.fault = BodyFault.NO_LENGTH
                case b"upgrade":
                    is_upgrade = True
                    kept.append(line)
                case _:
                    kept.append(line)
        if is_upgrade and not head.startswith(b"POST "):
            self._head, self._state, self.fault = head + _END, _State.UPGRADE, None
            return
        self._head = b"\r\n".join(kept) + _END
        self._state = _State.BODY
        length = lengths.pop() if len(lengths) == 1 else b"" if lengths else b"0"
        if not length.isdigit() or len(length) > 18:
            self.fault = BodyFault.NO_LENGTH
        elif int(length) > MAX_BODY_BYTES:
            self.fault = BodyFault.TOO_LONG
        elif head.startswith(b"POST "):
            self._length = int(length)
