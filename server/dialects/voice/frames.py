"""The audio frames of `voice.v1`: 12 bytes of header, little-endian, and raw samples in the session's format.

    u8 kind (1: audio) | u8 stream (0: microphone, 1: answer) | u16 0 | u32 epoch | u32 offset in samples

Pure. The counters wrap at 2**32, which at 48 kHz is a day of audio.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

from server.domain.errors import ClientError

SUBPROTOCOL = "voice.v1"
"""What a client asks for in `Sec-WebSocket-Protocol`."""

_HEADER = struct.Struct("<BBHII")
HEADER_BYTES = _HEADER.size
AUDIO = 1
WRAP = 1 << 32


class Stream(IntEnum):
    """The stream that an audio frame belongs to."""

    MICROPHONE = 0
    ANSWER = 1


_STREAMS = tuple(Stream)
"""By their numbers: to call an enumeration takes ten times as long."""


class AudioFrame(NamedTuple):
    """One binary frame of audio, read."""

    stream: Stream
    epoch: int
    offset_samples: int
    data: bytes


def pack_frame(stream: Stream, epoch: int, offset_samples: int, data: bytes) -> bytes:
    """The frame as it goes over the wire; the counters are cut to 32 bits."""
    return _HEADER.pack(AUDIO, stream, 0, epoch % WRAP, offset_samples % WRAP) + data


def unpack_frame(frame: bytes) -> AudioFrame:
    """A frame from the wire. Raises ClientError `invalid_frame`, which names the field of the header."""
    if len(frame) < HEADER_BYTES:
        raise wrong_frame("header", f"the frame has {len(frame)} bytes; the header alone has {HEADER_BYTES}")
    kind, stream, reserved, epoch, offset_samples = _HEADER.unpack_from(frame)
    if kind != AUDIO:
        raise wrong_frame("kind", f"must be {AUDIO} (audio), not {kind}")
    if stream > Stream.ANSWER:
        raise wrong_frame("stream", f"must be 0 (microphone) or 1 (answer), not {stream}")
    if reserved:
        raise wrong_frame("reserved", f"must be 0, not {reserved}")
    return AudioFrame(_STREAMS[stream], epoch, offset_samples, frame[HEADER_BYTES:])


def usual_head(offset_samples: int) -> bytes:
    """How a frame of the microphone begins whose audio follows `offset_samples` of it."""
    return _HEADER.pack(AUDIO, Stream.MICROPHONE, 0, 0, offset_samples % WRAP)


def wrong_frame(field: str, message: str) -> ClientError:
    """What the client is told of a frame that is none."""
    return ClientError("invalid_frame", f"frame.{field}: {message}", param=f"frame.{field}")
