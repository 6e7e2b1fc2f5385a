"""Rates, encodings and the arithmetic of time."""

from collections.abc import Callable

import numpy as np
import pytest

from audio.errors import FormatError
from audio.formats import AudioFormat, Encoding, Samples, ms_to_samples, samples_to_ms
from audio.g711 import decode_alaw, decode_mulaw


@pytest.mark.parametrize(
    ("format", "size"),
    [
        (AudioFormat(), 2),
        (AudioFormat(Encoding.PCMU, 8_000), 1),
        (AudioFormat(Encoding.PCMA, 8_000), 1),
    ],
)
def test_a_sample_has_a_size_on_the_wire(format: AudioFormat, size: int) -> None:
    assert format.bytes_per_sample == size


def test_an_odd_rate_is_refused_with_those_allowed() -> None:
    with pytest.raises(FormatError, match=r"rate 12345 Hz is not supported; use one of 8000, 16000"):
        AudioFormat(rate_hz=12_345)


def test_g711_is_8_khz_only() -> None:
    with pytest.raises(FormatError, match="pcmu is 8000 Hz only, not 24000 Hz"):
        AudioFormat(Encoding.PCMU, 24_000)


def test_samples_and_milliseconds_round_down() -> None:
    assert samples_to_ms(479, 24_000) == 19
    assert samples_to_ms(480, 24_000) == 20
    assert ms_to_samples(20, 22_050) == 441
    assert ms_to_samples(1, 22_050) == 22


@pytest.mark.parametrize(
    ("encoding", "decode", "most"),
    [
        (Encoding.PCM16, lambda data: np.frombuffer(data, np.int16), 0),
        (Encoding.PCMU, decode_mulaw, 0),
        (Encoding.PCMA, decode_alaw, 8),  # A-law has no zero
    ],
)
def test_silence_is_samples_of_zero(
    encoding: Encoding, decode: Callable[[bytes], Samples], most: int
) -> None:
    format = AudioFormat(encoding, 8_000)
    silent = format.silence(8 * format.bytes_per_sample)
    assert len(decode(silent)) == 8
    assert abs(decode(silent)).max() <= most
