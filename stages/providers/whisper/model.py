"""Whisper tiny.en on CTranslate2: a blocking function from samples to text, cheap enough for conversation.

Whisper always looks at 30 s of sound, nearly all of it padding. Here its encoder gets the speech and 2 s of
silence after it, which costs a fifth, and is as good as the whole window once three things are seen to
(`whisper_text` says why): a hypothesis that runs away is cut where it begins again, a doubtful one is tried
again with more silence, and what is probably no speech is no text. Silence around the speech is left out, and
what is long is read in pieces (`whisper_segments`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ModelFileError, ProviderError
from stages.providers.whisper.phrases import respelled
from stages.providers.whisper.pieces import tokens_of
from stages.providers.whisper.quiet import FRAME_SAMPLES, frame_levels, speech_span
from stages.providers.whisper.segments import LONGEST_SAMPLES, Segment, next_stretch, read_on
from stages.providers.whisper.text import (
    NO_SPEECH,
    TOKENS_PER_S,
    UNCLEAR_BELOW,
    Reading,
    read,
    token_limit,
    token_of,
)
from stages.providers.whisper.writing import writing
from stages.runtime.logmel import FRAMES_PER_S, Floats, log_mel
from stages.text.words import join_words

MODEL_NAME = "whisper-tiny.en"
"""In the lock file."""

_PAD_S = 2.0
_RETRY_PAD_S = 8.0
_LOST_TAIL_S = 1.0
"""A voice that is heard so long after the end of a hypothesis has said more than is in it."""
_NAMED_BY_S = 6.0
"""So much sound says in which language it is."""
_WINDOW_S = 30.0
_PROMPT = ["<|startoftranscript|>"]
"""And nothing more, so that it writes time stamps, without which it loops more often."""

_LEAST_PROBABLE = 1e-30

NOTHING = Reading("", no_speech=1.0)


class Engine(Protocol):
    """The part of CTranslate2's Whisper that is used: features to tokens, in two steps."""

    def encode(self, features: Floats) -> Any:
        """`float32[80, n]` to whatever `generate` wants."""

    def generate(self, encoded: Any, max_tokens: int) -> tuple[list[str], float, float]:
        """Tokens, mean log probability, probability of no speech."""

    def weigh(self, encoded: Any, text: str, frames: int) -> float:
        """The log probability of a text as a whole, in sound of so many frames."""


class MultilingualEngine(Engine, Protocol):
    """A model of several languages."""

    def languages_of(self, encoded: Any) -> Mapping[str, float]:
        """The probability of each language."""


class WhisperModel:
    """The loaded model; its one method blocks and is called by one thread."""

    partial_every_samples = early_partial_samples = int(0.8 * SPEECH_HZ)
    longest_samples = LONGEST_SAMPLES
    unclear_below = UNCLEAR_BELOW
    tokens_per_s = TOKENS_PER_S

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.phrases: tuple[str, ...] = ()

    @classmethod
    def load(cls, directory: Path, *, threads: int) -> Self:
        """Load and warm up. Blocks for 0.5 s. Raises ModelFileError if the files or the library do not do."""
        model = cls(cls._loaded(directory, threads))
        model.read(np.zeros(SPEECH_HZ, np.int16), pad_s=_PAD_S)
        return model

    @classmethod
    def _loaded(cls, directory: Path, threads: int) -> "_Ctranslate2":
        try:
            return _Ctranslate2(directory, threads)
        except ImportError as error:
            raise ModelFileError(
                f"{MODEL_NAME}: {error}; the recogniser needs `pip install 'stageflow-voice[whisper]'`"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"{MODEL_NAME}: cannot load {directory}: {error}") from error

    def listening_for(self, phrases: tuple[str, ...]) -> Self:
        """The same model, told which phrases are likely to be said."""
        told = copy(self)
        told.phrases = phrases
        return told

    def transcribe(
        self,
        samples: Samples,
        keep_going: Callable[[], bool] = lambda: True,
        known: Sequence[Segment] = (),
        most: float = math.inf,
    ) -> list[Segment] | None:
        """The text of `int16[n]` at 16 kHz, in as many segments as it takes; they end where the samples end, unless
        that needs more new ones than `most`.

        `keep_going` is asked between the steps, each of which takes some tenths of a second; None if it says
        no. `known` are the segments of an earlier reading, when there were fewer samples; what is still valid
        of them is not read again. Raises ProviderError.
        """
        try:
            return read_on(known, samples, most, lambda start: self._read_segment(samples, start, keep_going))
        except (RuntimeError, ValueError) as error:  # what CTranslate2 raises
            raise ProviderError(f"the embedded recogniser failed: {error}") from error

    def _read_segment(self, samples: Samples, start: int, keep_going: Callable[[], bool]) -> Segment | None:
        stretch = next_stretch(samples, start)
        if stretch.heard_from == stretch.heard_to:
            return Segment(stretch, NOTHING)
        speech = samples[stretch.heard_from : stretch.heard_to]
        reading = self._read_twice(speech, keep_going)
        if reading is not None and reading.text and self.phrases:
            reading = self._with_phrases(reading, speech, keep_going)
        return None if reading is None else Segment(stretch, reading)

    def _with_phrases(
        self, reading: Reading, speech: Samples, keep_going: Callable[[], bool]
    ) -> Reading | None:
        """The reading with what was probably said of the phrases that are due."""
        frames = _frames(len(speech) / SPEECH_HZ + _PAD_S)
        encoded = cache(lambda: self._engine.encode(log_mel(speech, frames)))  # only if a text is weighed

        def weigh(text: str) -> float:
            return self._engine.weigh(encoded(), text, frames)

        text = respelled(reading.text, self.phrases, weigh, keep_going)
        return None if text is None else replace(reading, text=text)

    def _read_twice(self, speech: Samples, keep_going: Callable[[], bool]) -> Reading | None:
        """What is said, with a second try if the first is doubtful."""
        reading = self.read(speech, pad_s=_PAD_S, keep_going=keep_going)
        if reading is not None and reading.text and not reading.is_doubtful:
            return self._read_on(speech, reading, keep_going)
        if reading is None or reading.no_speech > NO_SPEECH or not reading.is_doubtful:
            return reading
        again = self.read(speech, pad_s=_RETRY_PAD_S, keep_going=keep_going)
        return None if again is None else reading.better_of(again)

    def _read_on(self, speech: Samples, reading: Reading, keep_going: Callable[[], bool]) -> Reading | None:
        """The reading with what was said after it: some end with the first pause, although a voice goes on."""
        end_s = reading.end_s
        span = speech_span(frame_levels(speech))
        if end_s is None or span is None or span[1] * FRAME_SAMPLES / SPEECH_HZ <= end_s + _LOST_TAIL_S:
            return reading
        rest = speech[int(end_s * SPEECH_HZ) :]
        tail = self.read(rest, pad_s=_PAD_S, keep_going=keep_going)
        if tail is None:
            return None
        if not tail.text or tail.ran_away or tail.no_speech > NO_SPEECH:
            return reading
        return replace(
            reading, text=join_words((reading.text, tail.text)), tokens=reading.tokens + tail.tokens
        )

    def read(
        self, speech: Samples, *, pad_s: float, keep_going: Callable[[], bool] = lambda: True
    ) -> Reading | None:
        """One try at `int16[n]` of at most 28 s with `pad_s` of silence after it; None if not to go on."""
        duration_s = len(speech) / SPEECH_HZ
        encoded = self._engine.encode(log_mel(speech, _frames(duration_s + pad_s)))
        if not keep_going():
            return None
        limit = token_limit(duration_s, self.tokens_per_s)
        tokens, log_probability, no_speech = self._engine.generate(encoded, limit)
        return read(
            tokens,
            duration_s,
            no_speech=no_speech,
            log_probability=log_probability,
            per_s=self.tokens_per_s,
        )


class MultilingualModel(WhisperModel):
    """A model of several languages, told which of them is spoken."""

    unclear_below = -1.3
    """Of Whisper base: it is less sure of single words than tiny.en."""

    def __init__(self, engine: MultilingualEngine, tokens_per_s: float = TOKENS_PER_S) -> None:
        super().__init__(engine)
        self._multilingual = engine
        self.tokens_per_s = tokens_per_s

    @classmethod
    def load_languages(cls, directory: Path, languages: Sequence[str], *, threads: int) -> dict[str, Self]:
        """By language, models that share their weights. Blocks for a second. Raises ModelFileError as `load` does."""
        engine = cls._loaded(directory, threads)
        made = {code: cls(engine.speaking(code), writing(code).tokens_per_s) for code in languages}
        next(iter(made.values())).read(np.zeros(SPEECH_HZ, np.int16), pad_s=_PAD_S)
        return made

    def languages_of(self, samples: Samples) -> Mapping[str, float]:
        """How probable each language is by the first seconds of `int16[n]` at 16 kHz. Raises ProviderError."""
        first = samples[: int(_NAMED_BY_S * SPEECH_HZ)]
        try:
            features = log_mel(first, _frames(len(first) / SPEECH_HZ + _PAD_S))
            return self._multilingual.languages_of(self._engine.encode(features))
        except (RuntimeError, ValueError) as error:
            raise ProviderError(f"the embedded recogniser failed: {error}") from error


def _frames(window_s: float) -> int:
    """An even number, as the encoder halves it."""
    return int(min(window_s, _WINDOW_S) * FRAMES_PER_S) // 2 * 2


class _Ctranslate2:
    def __init__(self, directory: Path, threads: int) -> None:
        import ctranslate2

        self.prompt = _PROMPT
        self._directory = directory
        self._as_view = ctranslate2.StorageView.from_array
        self._model = ctranslate2.models.Whisper(
            str(directory), device="cpu", compute_type="int8", inter_threads=1, intra_threads=threads
        )

    def speaking(self, language: str) -> "_Ctranslate2":
        """The same model, told what is spoken."""
        other = copy(self)
        before = writing(language).before
        context = ["<|startofprev|>", *map(token_of, before)] if before else []
        other.prompt = [*context, *_PROMPT, f"<|{language}|>", "<|transcribe|>"]
        return other

    def languages_of(self, encoded: Any) -> Mapping[str, float]:
        return {token.strip("<|>"): share for token, share in self._model.detect_language(encoded)[0]}

    def encode(self, features: Floats) -> Any:
        return self._model.encode(self._as_view(features[None]))

    def generate(self, encoded: Any, max_tokens: int) -> tuple[list[str], float, float]:
        result = self._model.generate(
            encoded,
            [self.prompt],
            beam_size=1,
            max_length=2
            * max_tokens,  # CTranslate2 allows half of what it is told, as Whisper's own decoder does
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        return result.sequences[0], result.scores[0], result.no_speech_prob

    def weigh(self, encoded: Any, text: str, frames: int) -> float:
        numbers = _numbers(self._directory)
        start = [numbers[piece] for piece in self.prompt]
        found = self._model.align(encoded, start, [tokens_of(f" {text}", numbers)], frames // 2)[0]
        return float(np.log(np.maximum(found.text_token_probs, _LEAST_PROBABLE)).sum())


@cache
def _numbers(directory: Path) -> dict[str, int]:
    """The number of each piece of a model's vocabulary."""
    pieces = (directory / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    return {piece: number for number, piece in enumerate(pieces)}
