"""G.711, the codec of the telephone: mu-law and A-law bytes to int16 and back, each way one table look-up.

The tables are made from the standard's definition when the module is imported. Source: ITU-T G.711 (11/88),
tables 1 and 2; 16-bit samples are reduced to the 14 bits of mu-law and the 13 bits of A-law as in ITU-T
G.191, that is by the one's complement of negative values, so that both halves of the scale have the same
steps.
"""

import numpy as np
import numpy.typing as npt

from audio.formats import Samples

_Ints = npt.NDArray[np.int64]

_MULAW_BIAS = 33
"""Added to the 14-bit magnitude so that every segment starts at a power of two (G.711, table 2, note)."""

_MULAW_INVERTED = 0xFF
_ALAW_INVERTED = 0x55
"""Bits that the standard flips on the wire, so that silence is not a run of zeros."""


def _segment_and_step(code: _Ints) -> tuple[_Ints, _Ints]:
    return (code >> 4) & 0x07, code & 0x0F


def _all_samples() -> tuple[_Ints, _Ints]:
    """All int16 in the order of their bits as uint16: one's complement magnitude, and 1 where negative."""
    values = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    negative = values < 0
    return np.where(negative, ~values, values), negative.astype(np.int64)


def _bit_length(values: _Ints) -> _Ints:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _mulaw_decoding() -> Samples:
    code = np.arange(256) ^ _MULAW_INVERTED
    segment, step = _segment_and_step(code)
    magnitude = (((2 * step + _MULAW_BIAS) << segment) - _MULAW_BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _mulaw_encoding() -> npt.NDArray[np.uint8]:
    magnitude, negative = _all_samples()
    biased = np.minimum((magnitude >> 2) + _MULAW_BIAS, 0x1FFF)
    segment = _bit_length(biased) - 6
    step = (biased >> (segment + 1)) & 0x0F
    code: _Ints = (negative << 7 | segment << 4 | step) ^ _MULAW_INVERTED
    return code.astype(np.uint8)


def _alaw_decoding() -> Samples:
    code = np.arange(256) ^ _ALAW_INVERTED
    segment, step = _segment_and_step(code)
    linear = 2 * step + 1
    magnitude = np.where(segment == 0, linear, (linear + 32) << np.maximum(segment - 1, 0)) << 3
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _alaw_encoding() -> npt.NDArray[np.uint8]:
    magnitude, negative = _all_samples()
    linear = magnitude >> 4
    segment = np.maximum(_bit_length(linear) - 4, 0)
    step = (linear >> np.maximum(segment - 1, 0)) & 0x0F
    code: _Ints = ((1 - negative) << 7 | segment << 4 | step) ^ _ALAW_INVERTED
    return code.astype(np.uint8)


_MULAW_TO_LINEAR = _mulaw_decoding()
_LINEAR_TO_MULAW = _mulaw_encoding()
_ALAW_TO_LINEAR = _alaw_decoding()
_LINEAR_TO_ALAW = _alaw_encoding()


def decode_mulaw(data: bytes) -> Samples:
    """One mu-law byte a sample -> `int16[len(data)]`."""
    return _MULAW_TO_LINEAR[np.frombuffer(data, np.uint8)]


def encode_mulaw(samples: Samples) -> bytes:
    """`int16[n]` -> n mu-law bytes; louder than the law's 32635 is clipped."""
    return _LINEAR_TO_MULAW[samples.view(np.uint16)].tobytes()


def decode_alaw(data: bytes) -> Samples:
    """One A-law byte a sample -> `int16[len(data)]`."""
    return _ALAW_TO_LINEAR[np.frombuffer(data, np.uint8)]


def encode_alaw(samples: Samples) -> bytes:
    """`int16[n]` -> n A-law bytes."""
    return _LINEAR_TO_ALAW[samples.view(np.uint16)].tobytes()
