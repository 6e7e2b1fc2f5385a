"""A caller's connection: frames that are masked once for all callers, and messages that are given on as they come.

Theory of operation
-------------------
A generator of a thousand callers moves 50,000 frames a second and more. The library is made for others: it draws a mask
for each frame from the system, and hands a message over by a queue to a task. Here a frame that is prepared is masked
once, and its header when it is sent; and whole messages are found by their length, and given to `take` at once.

All else is left to the library: the handshake, control frames, messages in parts, closing, and whatever is wrong. Its
parser only gets what begins and ends with a frame, so either may take the next. A mask is for proxies between a
browser and a server, which must not be fooled by what a page sends; one mask for a run is as good here.
"""

import os
from asyncio import BaseTransport
from collections.abc import Callable
from enum import Enum, auto

from websockets.asyncio.client import ClientConnection
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import OPEN, Event

from server.client.load.wire import Wire

_FIN, _MASKED, _LENGTH = 0x80, 0x80, 0x7F
_TEXT, _BINARY = int(Opcode.TEXT), int(Opcode.BINARY)
_SHORT, _IN_2, _IN_8 = 125, 126, 127
_IN_2_BYTES = 4
"""Of a header without a mask that tells the length in two."""
MASK_BYTES = 4
_WHOLE = (_FIN | _TEXT, _FIN | _BINARY)
_HTTP, _HEAD_ENDS, _LONGEST_HEAD = b"HTTP/", b"\r\n\r\n", 1 << 16


class FrameMasks:
    """Prepared frames of a run, masked: each once, whoever sends it."""

    def __init__(self, mask: bytes | None = None) -> None:
        """`mask`, 4 bytes, is drawn if it is not given."""
        self._mask = mask or os.urandom(MASK_BYTES)
        self._masked: dict[Wire, tuple[int, bytes, bytes]] = {}
        """By the frame: for how long a header, how the whole frame begins, and how it ends."""
        self._begins: dict[tuple[int, int], bytes] = {}
        self._masks: dict[int, int] = {}

    def frame(self, header: bytes, prepared: Wire) -> bytes:
        """The whole frame of a message of `header`, whole fours of bytes, and a prepared frame, which is kept."""
        size = len(header)
        known = self._masked.get(prepared)
        if known is None or known[0] != size:
            masked = self._apply(_bytes_of(prepared))
            known = self._masked[prepared] = (size, self._begin(prepared, size + len(masked)), masked)
        return known[1] + self._apply(header) + known[2] if size else known[1] + known[2]

    def once(self, message: Wire) -> bytes:
        """The whole frame of a message that is sent this once."""
        data = _bytes_of(message)
        return self._begin(message, len(data)) + self._apply(data)

    def _begin(self, message: Wire, size: int) -> bytes:
        opcode = _TEXT if isinstance(message, str) else _BINARY
        begin = self._begins.get((opcode, size))
        if begin is None:
            begin = self._begins[opcode, size] = _begin(opcode, size) + self._mask
        return begin

    def _apply(self, data: bytes) -> bytes:
        size = len(data)
        mask = self._masks.get(size)
        if mask is None:
            mask = self._masks[size] = int.from_bytes(
                (self._mask * (size // MASK_BYTES + 1))[:size], "little"
            )
        return (int.from_bytes(data, "little") ^ mask).to_bytes(size, "little")


def _bytes_of(message: Wire) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _begin(opcode: int, size: int) -> bytes:
    if size <= _SHORT:
        return bytes([_FIN | opcode, _MASKED | size])
    if size < 1 << 16:
        return bytes([_FIN | opcode, _MASKED | _IN_2]) + size.to_bytes(2, "big")
    return bytes([_FIN | opcode, _MASKED | _IN_8]) + size.to_bytes(8, "big")


class _Parser(Enum):
    """Finds messages in what comes."""

    HANDSHAKE = auto()
    """The library, when the answer to the handshake is whole."""
    OURS = auto()
    LIBRARY = auto()


class CallerConnection(ClientConnection):
    """For `websockets.connect(create_connection=CallerConnection)`. What comes waits for `listen`."""

    _parser = _Parser.HANDSHAKE
    _awaited = 0
    """So many bytes make what is looked for whole."""
    _early: list[Wire]
    _take: Callable[[Wire], object]
    _ended: Callable[[], object]

    def listen(self, take: Callable[[Wire], object], ended: Callable[[], object]) -> None:
        """From now on `take` gets each message when it comes, and `ended` is called when the connection is lost."""
        early, self._early = self._early, []
        self._take, self._ended = take, ended
        for message in early:
            take(message)
        if self.connection_lost_waiter.done():
            ended()

    def send_masked(self, frames: bytes) -> None:
        """Write whole frames. One that is closing sends nothing more."""
        if self.protocol.state is OPEN:
            self.transport.write(frames)

    # --- asyncio's and the library's callbacks --------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin with the handshake."""
        self._rest = bytearray()
        self._parts: list[Frame] = []
        self._early = []
        self._take = self._early.append
        self._ended = lambda: None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._awaited:
                return
            data = bytes(self._rest)
            self._rest.clear()
        if self._parser is _Parser.HANDSHAKE:
            data = self._shake_hands(data)
        if self._parser is _Parser.OURS and data:
            data = self._find_messages(data)
        if self._parser is _Parser.LIBRARY and data:
            super().data_received(data)

    def eof_received(self) -> None:
        """Nothing more comes: the library is to see what is not whole."""
        if self._rest:
            super().data_received(bytes(self._rest))
            self._rest.clear()
        super().eof_received()

    def process_event(self, event: Event) -> None:
        """Messages that the library has found: those in parts, and those that come while the connection closes."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        self._parts.append(event)
        if event.fin:
            parts, self._parts = self._parts, []
            self._give(b"".join(bytes(part.data) for part in parts), parts[0].opcode)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, whoever ended it."""
        super().connection_lost(exc)
        self._ended()

    def _shake_hands(self, data: bytes) -> bytes:
        """Give the library the answer to the handshake. Tells what came behind it."""
        head, ends, rest = data.partition(_HEAD_ENDS)
        if not ends and head.startswith(_HTTP[: len(head)]) and len(head) < _LONGEST_HEAD:
            self._rest += data
            return b""
        super().data_received(head + ends)
        self._parser = _Parser.OURS if self.protocol.state is OPEN else _Parser.LIBRARY
        return rest

    def _find_messages(self, data: bytes) -> bytes:
        """Give on what is whole, and keep the rest; what is left is for the library."""
        at, end, most = 0, len(data), self.protocol.max_message_size
        while at < end and self.protocol.state is OPEN:
            if end - at > _IN_2_BYTES and data[at + 1] == _IN_2:  # as most are
                body, size = at + _IN_2_BYTES, data[at + 2] << 8 | data[at + 3]
            else:
                body, size = _measure(data, at)
            if most is not None and size > most:
                break
            if body + size > end:
                self._awaited = body + size - at
                self._rest += data[at:]
                return b""
            first = data[at]
            if first in _WHOLE and not data[at + 1] & _MASKED and not self._parts:
                self._give(data[body : body + size], first & ~_FIN)
            else:
                super().data_received(data[at : body + size])
            at = body + size
        if at < end or self.protocol.state is not OPEN:
            self._parser = _Parser.LIBRARY
        return data[at:]

    def _give(self, data: bytes, opcode: int) -> None:
        if opcode == _BINARY:
            self._take(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            self.protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
            self.send_data()
            return
        self._take(text)


def _measure(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the frame begins that begins here, and its size; with a guess where too little has come."""
    if len(data) - at < 2:
        return at + 2, 0
    size, masked = data[at + 1] & _LENGTH, MASK_BYTES if data[at + 1] & _MASKED else 0
    if size == _IN_2:
        return at + 4 + masked, int.from_bytes(data[at + 2 : at + 4], "big")
    if size == _IN_8:
        return at + 10 + masked, int.from_bytes(data[at + 2 : at + 10], "big")
    return at + 2 + masked, size
