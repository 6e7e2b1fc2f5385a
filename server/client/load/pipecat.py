"""Pipecat's protobuf messages over a WebSocket: `ProtobufFrameSerializer` on the other side. Pure.

A message is one `Frame`: a text, audio, a transcription, a JSON message, or an interruption. The numbers of the fields
are those of `frames.proto`, which Pipecat publishes; whatever else comes is passed over, as protobuf wants it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from audio.formats import Samples
from audio.resample import Resampler
from server.client.load.wire import Audio, Mark, Order, Sound, Target, Trouble, Wire

_TEXT, _AUDIO, _TRANSCRIPTION, _MESSAGE, _INTERRUPTION = 1, 2, 3, 4, 5
"""The fields of `Frame`, of which each has one."""

_FRAME_TEXT, _SAMPLES, _RATE_HZ, _CHANNELS, _DATA = 3, 3, 4, 5, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MARKS = {
    "user-started-speaking": "speech started",
    "user-stopped-speaking": "speech stopped",
    "bot-llm-started": "answer begun",
    "bot-started-speaking": "answer spoken",
    "bot-stopped-speaking": "answer done",
}
_RTVI = "rtvi-ai"


class Pipecat(Target):
    """Pipecat's bots: audio of 16 kHz; flushed when the bot says that it is interrupted. They do not say what ends."""

    rate_hz: ClassVar[int] = 16_000
    tells_ends: ClassVar[bool] = False

    def __init__(self) -> None:
        self._resamplers: dict[int, Resampler] = {}

    def opening(self) -> Sequence[Wire]:
        """That the client is ready; some bots greet only then."""
        about = {"version": "1.0.0", "about": {"library": "stageflow-voice"}}
        return (message_frame("client-ready", about),)

    @classmethod
    def prepare(cls, samples: Samples) -> Wire:
        """Make an audio frame of samples."""
        return audio_frame(samples, cls.rate_hz)

    def typed(self, text: str) -> Sequence[Wire]:
        """A text that is to be answered with audio."""
        options = {"run_immediately": True, "audio_response": True}
        return (message_frame("send-text", {"content": text, "options": options}),)

    def hear(self, message: Wire) -> Sequence[Sound]:
        """Audio, an interruption, or what the bot tells. Raises ValueError for what is no frame."""
        if isinstance(message, str):
            return ()
        for number, value in _fields(message):
            if number == _AUDIO and isinstance(value, bytes):
                return self._audio(value)
            if number == _INTERRUPTION:
                return (Order.FLUSH,)
            if number == _MESSAGE and isinstance(value, bytes):
                return _told(value)
        return ()

    def _audio(self, frame: bytes) -> Sequence[Sound]:
        fields = dict(_fields(frame))
        data, rate_hz, channels = fields.get(_SAMPLES, b""), fields.get(_RATE_HZ, 0), fields.get(_CHANNELS, 1)
        if not isinstance(data, bytes) or not isinstance(rate_hz, int) or not isinstance(channels, int):
            raise ValueError("an audio frame whose fields are of other types")
        if rate_hz <= 0 or channels <= 0:
            raise ValueError(f"an audio frame of {rate_hz} Hz and {channels} channels")
        samples = np.frombuffer(data, "<i2").reshape(-1, channels)[:, 0]
        if rate_hz != self.rate_hz:
            resampler = self._resamplers.setdefault(rate_hz, Resampler(rate_hz, self.rate_hz))
            samples = resampler.process(np.ascontiguousarray(samples))
        return (Audio(samples),) if len(samples) else ()


def audio_frame(samples: Samples, rate_hz: int) -> bytes:
    """`int16[n]` of one channel."""
    data = samples.astype("<i2").tobytes()
    return _field(_AUDIO, _field(_SAMPLES, data) + _number(_RATE_HZ, rate_hz) + _number(_CHANNELS, 1))


def text_frame(text: str) -> bytes:
    """A frame of text."""
    return _field(_TEXT, _field(_FRAME_TEXT, text.encode()))


def message_frame(kind: str, data: Mapping[str, Any]) -> bytes:
    """A message of RTVI, the protocol of Pipecat's clients, which goes as JSON."""
    told = {"label": _RTVI, "type": kind, "id": kind, "data": data}
    return _field(_MESSAGE, _field(_DATA, json.dumps(told).encode()))


def _told(frame: bytes) -> Sequence[Sound]:
    data = dict(_fields(frame)).get(_DATA, b"{}")
    told = json.loads(data) if isinstance(data, bytes) else None
    if not isinstance(told, dict) or told.get("label") != _RTVI:
        return ()
    kind, about = told.get("type"), told.get("data")
    if kind in ("error", "error-response"):
        reason = about.get("error", about.get("message", about)) if isinstance(about, dict) else about
        return (Trouble(str(reason)),)
    mark = _MARKS.get(str(kind))
    return () if mark is None else (Mark(mark),)


# --- protobuf -------------------------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field. Raises ValueError where the message is cut off, or no protobuf."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"no protobuf: a field of kind {kind}")
        if at + size > len(message):
            raise ValueError("a protobuf message that is cut off")
        yield number, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a protobuf message that is cut off")
        byte, at = message[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("no protobuf: a number of more than 64 bits")
