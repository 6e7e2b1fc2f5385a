"""Sentences that were spoken before anybody needed them: what the server says when a provider is late or fails must
not depend on a provider."""

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import numpy as np

from audio.codecs import encode
from audio.formats import AudioFormat, samples_to_ms
from audio.resample import Resampler
from stages.chunks import decode_chunk, pcm16
from stages.ports import Synthesiser, UtteranceSynthesiser, WordTime
from stages.providers.piecewise import open_utterance

CHUNK_MS = 200


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sentence that is spoken already, as `stages.chunks.AudioSink` takes it."""

    text: str
    data: bytes
    format: str
    duration_ms: int
    words: tuple[WordTime, ...]


def on_wire(prepared: Prepared, format: AudioFormat) -> tuple[int, list[bytes]]:
    """Its audio for the client: how many samples, and the bytes in chunks of `CHUNK_MS` at most."""
    samples, rate_hz = decode_chunk(prepared.data, prepared.format)
    wire = Resampler(rate_hz, format.rate_hz).process(samples, last=True)
    step = format.rate_hz * CHUNK_MS // 1000
    return len(wire), [encode(wire[start : start + step], format) for start in range(0, len(wire), step)]


async def prepare(
    voice: Synthesiser | UtteranceSynthesiser, texts: Iterable[str], limit_s: float
) -> Mapping[str, Prepared]:
    """The texts, spoken, within `limit_s` seconds for each. Raises ProviderError, and TimeoutError."""
    found = {}
    for text in texts:
        with anyio.fail_after(limit_s):
            found[text] = await _spoken(voice, text)
    return found


async def _spoken(voice: Synthesiser | UtteranceSynthesiser, text: str) -> Prepared:
    pieces, words = [np.zeros(0, "<i2")], list[WordTime]()

    async def speak() -> None:
        await utterance.push(text)
        await utterance.finish()

    try:
        async with open_utterance(voice) as utterance, anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            async with aclosing(utterance.audio()) as speeches:
                async for speech in speeches:
                    pieces.append(speech.samples.astype("<i2", copy=False))
                    words += speech.words
    except BaseExceptionGroup as several:
        # One of the two failed, and the other as a consequence.
        first = several.exceptions[0]
        raise first from first.__cause__
    samples = np.concatenate(pieces)
    ms = samples_to_ms(len(samples), voice.rate_hz)
    return Prepared(text, samples.tobytes(), pcm16(voice.rate_hz), ms, tuple(words))
