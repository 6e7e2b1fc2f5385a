"""How speech travels through `send_audio_chunk`: the names of its formats, written and read in one place.

`"pcm16;rate=24000"` is mono little-endian `int16` at that rate, cut at whole samples. `"wav"` is a whole
RIFF/WAVE file with 16-bit samples, for stages that only have files. Both become mono `int16[n]` and a rate
again.
"""

import io
import re
import wave
from collections.abc import Awaitable
from typing import Protocol

import numpy as np

from audio.errors import FormatError
from audio.formats import Samples
from stages.ports import WordTime

WAV = "wav"
_PCM16 = re.compile(r"pcm16;rate=(\d{4,6})")


class AudioSink(Protocol):
    """What a session puts into its `send_audio_chunk` port; `TtsStage` speaks to nothing less.

    The four positional arguments are the framework's; a stage that knows no more may leave the rest out.
    """

    def __call__(
        self,
        data: bytes,
        format: str,
        duration_ms: int,
        is_final: bool,
        *,
        text: str = "",
        words: tuple[WordTime, ...] = (),
    ) -> Awaitable[None]:
        """Take the next stretch of an answer's speech; waits while enough is on its way to the client.

        `text` is the stretch of displayed text whose audio begins with this chunk ("" when the chunk goes on
        with the last one): joined, they are the answer. `words` are the words of that text that this chunk
        brings, in samples from where the text's audio began. The last call has `is_final` and no data.
        """


def pcm16(rate_hz: int) -> str:
    """The name of mono 16-bit PCM at `rate_hz`."""
    return f"pcm16;rate={rate_hz}"


def decode_chunk(data: bytes, format: str) -> tuple[Samples, int]:
    """A chunk as mono `int16[n]` (more channels are mixed down) and its rate in Hz.

    Raises FormatError when the format is unknown or the data is not in it; a wav chunk without data is not.
    """
    if match := _PCM16.fullmatch(format):
        if len(data) % 2:
            raise FormatError(f"{format} data of {len(data)} bytes ends within a sample; send whole samples")
        return np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False), int(match[1])
    if format == WAV:
        return _decode_wav(data)
    raise FormatError(f"audio chunk format {format!r} is not known; use {pcm16(24_000)!r} or {WAV!r}")


def _decode_wav(data: bytes) -> tuple[Samples, int]:
    if not data:
        raise FormatError("a wav chunk is a whole file; this one is empty")
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise FormatError(f"a wav chunk cannot be read: {error}") from error
    if width != 2:
        raise FormatError(f"a wav chunk has {8 * width}-bit samples; use 16-bit PCM")
    samples = np.frombuffer(frames, dtype="<i2")
    if channels == 1:
        return samples.astype(np.int16, copy=False), rate_hz
    mixed = samples[: len(samples) // channels * channels].reshape(-1, channels).mean(axis=1)
    return mixed.astype(np.int16), rate_hz
