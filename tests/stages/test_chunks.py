"""The chunk formats survive the way through their names, and nothing else passes for one."""

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.errors import FormatError
from stages.chunks import WAV, decode_chunk, pcm16


def wav(channels: int, rate_hz: int, samples: list[int], width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate_hz)
        out.writeframes(np.array(samples, dtype="<i2" if width == 2 else np.uint8).tobytes())
    return file.getvalue()


@given(st.lists(st.integers(-32768, 32767)), st.sampled_from([8_000, 22_050, 24_000, 48_000]))
def test_pcm_round_trip(values: list[int], rate_hz: int) -> None:
    samples, rate = decode_chunk(np.array(values, dtype="<i2").tobytes(), pcm16(rate_hz))
    assert (samples.tolist(), str(samples.dtype), rate) == (values, "int16", rate_hz)


def test_a_wav_file_brings_its_own_rate() -> None:
    samples, rate = decode_chunk(wav(1, 22_050, [1, -2, 3]), WAV)
    assert (samples.tolist(), rate) == ([1, -2, 3], 22_050)


def test_stereo_is_mixed_down() -> None:
    assert decode_chunk(wav(2, 24_000, [100, 300, -50, 50]), WAV)[0].tolist() == [200, 0]


@pytest.mark.parametrize(
    ("data", "format", "message"),
    [
        (b"abc", pcm16(24_000), "ends within a sample"),
        (b"", "mp3", "'mp3' is not known; use 'pcm16;rate=24000' or 'wav'"),
        (b"", "pcm16", "is not known"),
        (b"", "pcm16;rate=24000 ", "is not known"),
        (b"", WAV, "this one is empty"),
        (b"RIFF\0\0\0\0WAVEjunk", WAV, "cannot be read"),
        (b"not a file", WAV, "cannot be read"),
        (wav(1, 8_000, [1, 2], width=1), WAV, "8-bit samples; use 16-bit PCM"),
    ],
)
def test_anything_else_says_what_is_wrong(data: bytes, format: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        decode_chunk(data, format)
