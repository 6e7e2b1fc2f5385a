"""Whisper tiny.en on CTranslate2, as a blocking function from samples to text that a conversation can wait
for.

Whisper always looks at 30 s of sound, which takes this model over a second, and nearly all of it is padding.
Here the encoder gets the speech and 2 s of silence after it, which is five times cheaper and as good as the
whole window once three things are seen to (`whisper_text` explains why): a hypothesis that runs away is cut
where it begins again, one that is doubtful is tried again with more silence, and what is probably no speech
is no text.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stages.errors import ModelFileError, ProviderError
from stages.providers.logmel import FRAMES_PER_S, log_mel
from stages.providers.quiet import FRAME_SAMPLES, frame_levels, quietest_sample, speech_span
from stages.providers.whisper_text import Reading, read, token_limit

PAD_S = 2.0
RETRY_PAD_S = 8.0
LONGEST_S = 28.0
"""Of a segment. Whisper's window has 30 s."""

_CUT_FROM_S = 20.0
_MARGIN_SAMPLES = ms_to_samples(200, SPEECH_HZ)
"""Left around the speech when silence is left out: soft consonants are softer than noise."""

_SHORTEST_SAMPLES = ms_to_samples(60, SPEECH_HZ)
DOUBTFUL = -1.0
"""Mean log probability of a token below which more silence is tried."""

_PROMPT = ["<|startoftranscript|>"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an utterance that was read by itself; `end_sample` counts from the first sample given."""

    end_sample: int
    reading: Reading


class WhisperModel:
    """The loaded model. Every call blocks; one at a time."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load from `directory`; blocks for about half a second. Raises ModelFileError."""
        try:
            import ctranslate2

            engine = ctranslate2.models.Whisper(
                str(directory), device="cpu", compute_type="int8", intra_threads=threads, inter_threads=1
            )
        except ImportError as error:
            raise ModelFileError(
                f"whisper-tiny.en: {error}; it needs `pip install 'stageflow-voice[embedded]'`"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"whisper-tiny.en: cannot load {directory}: {error}") from error
        return cls(engine)

    def segments(self, samples: Samples) -> list[Segment]:
        """Read `int16[n]` at 16 kHz, without the silence around it, long ones cut at a pause."""
        span = speech_span(frame_levels(samples))
        if span is None:
            return []
        start = max(0, span[0] * FRAME_SAMPLES - _MARGIN_SAMPLES)
        stop = min(len(samples), span[1] * FRAME_SAMPLES + _MARGIN_SAMPLES)
        found = []
        while stop - start >= _SHORTEST_SAMPLES:
            end = stop
            if stop - start > LONGEST_S * SPEECH_HZ:
                earliest = start + int(_CUT_FROM_S * SPEECH_HZ)
                end = quietest_sample(samples, earliest, start + int(LONGEST_S * SPEECH_HZ))
            found.append(Segment(end, self._read(samples[start:end])))
            start = end
        return found

    def _read(self, samples: Samples) -> Reading:
        first = self._once(samples, PAD_S)
        if not first.ran_away and first.log_probability >= DOUBTFUL:
            return first
        second = self._once(samples, RETRY_PAD_S)
        return max(first, second, key=lambda reading: (not reading.ran_away, reading.log_probability))

    def _once(self, samples: Samples, pad_s: float) -> Reading:
        import ctranslate2

        duration_s = len(samples) / SPEECH_HZ
        frames = min(3000, int((duration_s + pad_s) * FRAMES_PER_S) // 2 * 2)
        features = ctranslate2.StorageView.from_array(log_mel(samples, frames)[np.newaxis])
        try:
            result = self._engine.generate(
                features,
                [_PROMPT],
                beam_size=1,
                max_length=token_limit(duration_s),
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
        except RuntimeError as error:
            raise ProviderError(f"whisper failed: {error}") from error
        return read(
            result.sequences[0],
            duration_s,
            no_speech=result.no_speech_prob,
            log_probability=result.scores[0],
        )
