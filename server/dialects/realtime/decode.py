"""Frames of the Realtime protocol as commands: everything that a client says, checked in one pass.

Whatever comes in, the result is a command or a ClientError that names the field and the limit; all mistakes
of one frame are in that one error. Audio (`input_audio_buffer.append`, 50 a second) takes a short way of
its own. Every other frame goes through a pydantic model: unknown keys are ignored, known ones must have the
right type.
"""

import re
from collections.abc import Iterator
from typing import Any

from pybase64 import b64decode
from pydantic_core import from_json

from audio.formats import RATES_HZ, AudioFormat
from server.dialects.realtime.audio import from_base64
from server.dialects.realtime.checking import RawEvent, event_ref
from server.dialects.realtime.commands import APPEND
from server.dialects.realtime.limits import RealtimeLimits
from server.domain.commands import AppendAudio
from server.domain.errors import ClientError

# --- from text to an object -------------------------------------------------------------------------------


_MANY_COMMAS = 4096
"""A JSON text has at most as many values as commas, levels (which the decoder limits to 200) and one, so a long
text with few commas is cheap to decode, whatever it says."""

_MANY_ESCAPES = 384 << 10
"""Each is dear to decode. Base64 needs none, but may have every slash escaped: that are 330,000 in 15 MiB of audio."""


def read_event(frame: str | bytes, limits: RealtimeLimits) -> RawEvent:
    """One frame as a JSON object. Raises ClientError `invalid_event`."""
    if not isinstance(frame, str):
        raise ClientError(
            "invalid_event", "Binary frames are not part of this protocol: send JSON in text frames."
        )
    if len(frame) > limits.max_command_chars:
        if frame.count(",") > _MANY_COMMAS:
            raise _too_long(len(frame), limits)
        if "\\" in frame and frame.count("\\") > _MANY_ESCAPES:
            message = f"The frame has more than {_MANY_ESCAPES} characters that are escaped with a backslash."
            raise ClientError("invalid_event", message)
    try:
        event = json_of(frame, limits.max_command_chars)
    except (ValueError, TypeError) as error:  # TypeError: half a surrogate pair cannot be UTF-8
        raise ClientError("invalid_event", f"The frame is not JSON: {error}.") from None
    if not isinstance(event, dict):
        raise ClientError("invalid_event", "The frame is not a JSON object.")
    if len(frame) > limits.max_command_chars and event.get("type") != APPEND:
        chars = len(frame) - sum(map(len, _clips(event)))
        if chars > limits.max_command_chars:
            raise _too_long(chars, limits, event_ref(event))
    return event


def json_of(text: str, max_chars: int) -> Any:
    """A JSON text as a value; one of at most `max_chars` may have halves of surrogate pairs. Raises ValueError, or
    TypeError for a text that cannot be UTF-8."""
    try:
        return from_json(text, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, TypeError):
        whole = _whole(text) if len(text) <= max_chars else text
        if whole == text:
            raise
    return json_of(whole, max_chars)


_SURROGATE = re.compile(r"\\u([dD][89a-fA-F][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?")
_MANY_SURROGATES = 8192


def _whole(frame: str) -> str:
    """The frame with U+FFFD for each half of a surrogate pair: what JavaScript makes of half an emoji."""
    if frame.count(r"\ud") + frame.count(r"\uD") > _MANY_SURROGATES:
        return frame
    return _SURROGATE.sub(_mended, frame)


def _mended(found: re.Match[str]) -> str:
    first, second = found.groups()
    before = found.start()
    while before and found.string[before - 1] == "\\":
        before -= 1
    is_literal = (found.start() - before) % 2 == 1  # its backslash is escaped
    if is_literal or (first[1] in "89abAB" and second):
        return found[0]
    return r"\ufffd" * (2 if second else 1)


def _clips(event: RawEvent) -> Iterator[str]:
    """The base64 of all clips in an event that has not been checked yet."""
    response = event.get("response")
    items = response.get("input") if isinstance(response, dict) else None
    for item in [event.get("item"), *(items if isinstance(items, list) else ())]:
        content = item.get("content") if isinstance(item, dict) else None
        for part in content if isinstance(content, list) else ():
            audio = part.get("audio") if isinstance(part, dict) else None
            if isinstance(audio, str):
                yield audio


def _too_long(chars: int, limits: RealtimeLimits, ref: str | None = None) -> ClientError:
    return ClientError(
        "invalid_event",
        f"The event has {chars} characters; without audio the limit is {limits.max_command_chars}.",
        ref=ref,
    )


# --- the hot path -----------------------------------------------------------------------------------------


_LEAST_BYTES_A_S = min(RATES_HZ)
"""Of any format: G.711 has a byte for each sample."""

_LONG_AUDIO = 64 << 10
"""Characters of base64 whose length is looked at before they are decoded."""


_SPACED = '{"type": "input_audio_buffer.append", "audio": "'
_COMPACT = '{"type":"input_audio_buffer.append","audio":"'
_USUAL = (_SPACED, _COMPACT)
"""How Python and JavaScript write the event of a frame of the microphone, up to its audio."""


def usual_audio(frame: str, limits: RealtimeLimits, format: AudioFormat) -> bytes | None:
    """The audio of an `input_audio_buffer.append` that is written as nearly always, and right: then it is what
    `append_audio` makes of it, at half the cost. None for any other frame, and for whatever may be wrong with it.
    """
    if not (frame.startswith(_USUAL) and frame.endswith('"}')):
        return None
    start = len(_SPACED if frame.startswith(_SPACED) else _COMPACT)
    if not start + 2 <= len(frame) <= _LONG_AUDIO:
        return None
    try:  # whatever would end the text, or escape in it, is no base64
        data = b64decode(frame[start:-2], validate=True)
    except ValueError:
        return None
    return None if too_much_audio(len(data), limits, format) else data


def append_audio(event: RawEvent, limits: RealtimeLimits, format: AudioFormat) -> AppendAudio:
    """`input_audio_buffer.append` with its audio decoded. Raises ClientError with param "audio"."""
    audio, ref = event.get("audio"), event.get("event_id")
    if ref is not None:
        ref = event_ref(event)
    if type(audio) is not str:
        code = "missing_required_parameter" if audio is None else "invalid_type"
        raise ClientError(code, "audio: must be base64 text", param="audio", ref=ref)
    if len(audio) > _LONG_AUDIO:
        _check_length(len(audio) * 3 // 4 - 2, limits, format, ref)
    data = from_base64(audio, "audio", ref)
    _check_length(len(data), limits, format, ref)
    return AppendAudio(data, ref)


def _check_length(size_bytes: int, limits: RealtimeLimits, format: AudioFormat, ref: str | None) -> None:
    fault = too_much_audio(size_bytes, limits, format)
    if fault is not None:
        raise ClientError("invalid_value", f"audio: {fault}", param="audio", ref=ref)


def too_much_audio(size_bytes: int, limits: RealtimeLimits, format: AudioFormat) -> str | None:
    """What is wrong with so much audio in one event, if anything is."""
    if size_bytes <= limits.max_audio_bytes and size_bytes <= _LEAST_BYTES_A_S * limits.max_audio_s:
        return None  # a frame as it nearly always is, in any format
    if size_bytes > limits.max_audio_bytes:
        return f"{size_bytes} bytes in one event; the limit is {limits.max_audio_bytes}"
    audio_s = size_bytes / (format.rate_hz * format.bytes_per_sample)
    if audio_s > limits.max_audio_s:
        return f"{audio_s:.0f} s of audio in one event; the limit is {limits.max_audio_s:g} s"
    return None
