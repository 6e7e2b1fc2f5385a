"""Reads the message that a read of a client's socket is, where it is one whole message and nothing else. Pure.

A frame of a microphone nearly always comes so. The library's parser takes input cut anywhere, by a chain of generators
that costs ten times as much. Whatever is not plainly a message is left to the parser: it knows what is wrong, too.
"""

from typing import Any

from websockets.protocol import Protocol
from websockets.streams import StreamReader

try:
    from websockets.speedups import apply_mask
except ImportError:  # where the library was installed without its C
    from websockets.utils import apply_mask

_TEXT, _BINARY = 0x81, 0x82
"""A first byte: whole, in one frame, no bit of an extension."""

_IN_TWO_BYTES = 0x80 | 126
"""A second byte: masked, the length follows."""

_SHORT_HEAD, _LONG_HEAD = 6, 8
"""Bytes before the message: the two, its length, the mask."""

_BETWEEN_FRAMES = StreamReader.at_eof.__code__
"""Where the parser stands when it has nothing of the next frame."""


def waits_for_a_frame(protocol: Protocol) -> bool:
    """Whether what comes next begins a frame. An empty buffer does not tell: the head of one may have been taken."""
    step: Any = protocol.parser  # a server's parser of requests, in it that of frames, in it what reads
    while step.gi_yieldfrom is not None:
        step = step.gi_yieldfrom
    return step.gi_code is _BETWEEN_FRAMES


def whole_message(data: bytes, most_bytes: int | None) -> str | bytes | None:
    """The message that these bytes are, of at most so many bytes; None for anything else."""
    if len(data) < _SHORT_HEAD:
        return None
    kind, length = data[0], data[1]
    if length < _IN_TWO_BYTES:  # without a mask it is below zero
        head, size = _SHORT_HEAD, length - 0x80
    elif length == _IN_TWO_BYTES and len(data) >= _LONG_HEAD:
        head, size = _LONG_HEAD, data[2] << 8 | data[3]
    else:
        return None
    if head + size != len(data) or (most_bytes is not None and size > most_bytes):
        return None
    if kind == _BINARY:
        return apply_mask(data[head:], data[head - 4 : head])
    if kind != _TEXT:
        return None
    try:
        return str(apply_mask(data[head:], data[head - 4 : head]), "utf-8")
    except UnicodeDecodeError:
        return None
