"""Wire bytes to samples and back, for every encoding we speak; one table says which codec is which.

A new encoding is a row of `CODECS` and a member of `Encoding`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from audio import g711
from audio.formats import AudioFormat, Encoding, Samples


@dataclass(frozen=True, slots=True)
class Codec:
    """Two functions without state: whole samples' bytes to `int16[n]`, and back."""

    decode: Callable[[bytes], Samples]
    encode: Callable[[Samples], bytes]


_LITTLE_ENDIAN = np.dtype("<i2")


def _decode_pcm16(data: bytes) -> Samples:
    return np.frombuffer(data, _LITTLE_ENDIAN).astype(np.int16, copy=False)


def _encode_pcm16(samples: Samples) -> bytes:
    return samples.astype(_LITTLE_ENDIAN, copy=False).tobytes()


CODECS: Mapping[Encoding, Codec] = {
    Encoding.PCM16: Codec(_decode_pcm16, _encode_pcm16),
    Encoding.PCMU: Codec(g711.decode_mulaw, g711.encode_mulaw),
    Encoding.PCMA: Codec(g711.decode_alaw, g711.encode_alaw),
}


def is_native(format: AudioFormat) -> bool:
    """Whether its bytes are those of `int16[n]` on this machine."""
    return format.encoding is Encoding.PCM16 and sys.byteorder == "little"


class Decoder:
    """The bytes of one stream, cut anywhere, as samples. Any bytes are audio: nothing is ever raised."""

    __slots__ = ("_bytes_per_sample", "_carry", "_codec")

    def __init__(self, format: AudioFormat) -> None:
        self._codec = CODECS[format.encoding]
        self._bytes_per_sample = format.bytes_per_sample
        self._carry = b""

    def decode(self, data: bytes) -> Samples:
        """The next whole samples, `int16[n]`, read-only; one that is cut in two waits for its other byte."""
        if self._carry:
            data = self._carry + data
        cut_bytes = len(data) % self._bytes_per_sample
        if not cut_bytes:
            self._carry = b""
            return self._codec.decode(data)
        self._carry = data[-cut_bytes:]
        return self._codec.decode(data[:-cut_bytes])

    @property
    def partial_bytes(self) -> int:
        """Of the sample that waits for its other byte."""
        return len(self._carry)

    def reset(self) -> None:
        """Forget half a sample: the next byte begins a new one."""
        self._carry = b""


def encode(samples: Samples, format: AudioFormat) -> bytes:
    """`int16[n]` -> `n * format.bytes_per_sample` bytes. Does not resample."""
    return CODECS[format.encoding].encode(samples)
