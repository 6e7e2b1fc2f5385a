"""Audio inside JSON: base64 of a stream that is cut anywhere, or of clips, which are whole and not too long."""

import binascii

from pybase64 import b64decode

from audio.formats import AudioFormat
from server.dialects.realtime.limits import RealtimeLimits
from server.domain.errors import ClientError
from server.domain.values import Clip


def from_base64(audio: str, param: str, ref: str | None) -> bytes:
    """The bytes. Raises ClientError for the field `param` of the event `ref`."""
    try:
        return b64decode(audio, validate=True)
    except ValueError:
        pass  # the standard library takes ten times as long, and decides and says what is wrong
    try:
        return binascii.a2b_base64(audio, strict_mode=True)
    except ValueError as error:  # includes binascii.Error
        raise _invalid(param, f"not base64 ({error})", ref) from None


class ClipReader:
    """Takes the clips out of one event, the event `ref`, in the session's input format."""

    def __init__(self, format: AudioFormat, limits: RealtimeLimits, ref: str | None) -> None:
        self._format = format
        self._max_s = limits.max_clips_s
        self._left_s = limits.max_clips_s
        self._ref = ref

    def read(self, audio: str, param: str) -> Clip:
        """One clip. Raises ClientError for what is no audio, or is too much with those before it."""
        self._check_length(len(audio) * 3 // 4 - 2, param)
        data, sample_bytes = from_base64(audio, param, self._ref), self._format.bytes_per_sample
        if not data:
            raise _invalid(param, "is empty", self._ref)
        if len(data) % sample_bytes:
            message = f"has {len(data)} bytes; a sample of {self._format.encoding} has {sample_bytes}"
            raise _invalid(param, message, self._ref)
        self._check_length(len(data), param)
        clip = Clip(data, self._format)
        self._left_s -= clip.duration_s
        return clip

    def _check_length(self, size_bytes: int, param: str) -> None:
        seconds = size_bytes / (self._format.bytes_per_sample * self._format.rate_hz)
        if seconds > self._left_s:
            message = f"{seconds:.1f} s of audio; the clips of one event may last {self._max_s:g} s together"
            raise _invalid(param, message, self._ref)


def _invalid(param: str, message: str, ref: str | None) -> ClientError:
    return ClientError("invalid_value", f"{param}: {message}", param=param, ref=ref)
