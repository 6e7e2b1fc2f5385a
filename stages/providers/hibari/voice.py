"""The embedded voice: English speech at 24 kHz by hibari-tts, on one thread for all sessions, offline.

Theory of operation. A text is made speakable and cut into sentences. Each is one call on the worker, so that
the first is heard while the next is computed, and two sessions take turns sentence by sentence. A first
sentence goes before anybody's second, because somebody is waiting in silence for it. What hibari returns is
quiet and has a third of a second of silence in front and half a second behind. Here it gets a gain, always
the same (a gain per sentence would make the voice pump), a short head, and a pause that fits its last mark.

Word times are what the network decides of each phoneme. Only where the words of a sentence cannot be found in
its phonemes ("$3.2 billion": three point two billion dollars) are they estimated.
"""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audio.formats import Samples, ms_to_samples
from audio.levels import fade_out, from_float, sounding
from stages.errors import ProviderError
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption, WordTime
from stages.providers.hibari.engine import Clip, Engine, Floats, HibariEngine
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.text.sentences import Sentences
from stages.text.speakable import speakable
from stages.text.word_times import by_length, is_word

RATE_HZ = 24_000
GAIN_DB = 8.0
"""hibari peaks at 0.2 to 0.4 of full scale, -26 dBFS RMS; this makes it -18 dBFS, as loud as speech is."""

LIMIT_FROM = 0.8
"""Share of full scale above which peaks are rounded off. Ordinary sentences do not get there."""

SLOWEST, FASTEST = 0.5, 2.0
"""The range of `speed` that hibari was made for."""

_SEED = 0
"""Of the breathy part of the voice, which is noise: the same text gives the same samples."""

_HEAD_MS = 20
_FADE_MS = 5
_PAUSES_MS = {".": 250, "!": 250, "?": 250, ":": 220, "…": 200, "—": 180, ";": 160, ",": 120}
"""Silence after a piece, by its last mark. Within a sentence hibari pauses 50 to 280 ms at these."""

_NO_PAUSE_MS = 50
_FIRST, _LATER = 0, 1
_LONG_CLAUSE_CHARS, _LONG_WORD_CHARS = 140, 220
"""Longer sentences are cut at a clause or a word: one call keeps the others waiting for 0.5 s at most."""

_APART = re.compile(r"\S*[^\W\d_]\S*")
"""Phonemes without a space between them, among them one that is no mark."""

_MARKS = ".,;:!?…—–\"'“”‘’()"

_AHEAD_SAMPLES = 1080
"""The sound runs ahead of the durations: after pauses within a sentence by 25 to 65 ms, 45 in the middle."""

Span = tuple[int, int]
"""From a sample up to another."""


class VoiceModelSettings(BaseModel):
    """What may be configured of the embedded voice."""

    model_config = ConfigDict(extra="forbid")

    threads: int = Field(1, ge=1, le=64, description="threads that one sentence may use")


class EmbeddedVoice:
    """hibari's English voice "heart" on this machine's CPU; other names fall back to it."""

    interface = 1
    title = "hibari heart (embedded)"
    capabilities = SynthesiserCapabilities(word_times=True)
    Settings = VoiceModelSettings

    rate_hz = RATE_HZ
    voices = (VoiceOption("heart", "American English, a woman"),)
    """hibari has four more, but not in its package: it fetches them when they are first wanted."""

    def __init__(self, engine: Engine, worker: Worker) -> None:
        self._engine = engine
        self._worker = worker

    @classmethod
    def from_settings(cls, settings: VoiceModelSettings) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        return cls.load(model_dir("hibari-heart"), threads=settings.threads)

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load `hibari.onnx` in `directory` and the pronunciation dictionary, and speak once to warm up.

        Blocks for about 1.5 s. Raises ModelFileError when hibari-tts or its model cannot be loaded.
        """
        engine = HibariEngine(directory / "hibari.onnx", threads)
        engine.speak(engine.phonemize("Ready.")[0], 1.0, _SEED)
        return cls(engine, Worker("voice"))

    def close(self) -> None:
        """End the thread. Blocks until the sentence it is in is done, so call it off the loop."""
        self._worker.close()

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio of `text`, a sentence at a time. `voice` is ignored: there is one.

        Raises ProviderError. Cancel-safe: a sentence that waits is not spoken, a running one is dropped.
        """
        priority, at = _FIRST, 0
        for sentence in _sentences(speakable(text)):
            speech = await self._worker.run(partial(self._speak, sentence, speed), priority=priority)
            if len(speech.samples):
                yield Speech(speech.samples, tuple(word.later(at) for word in speech.words))
                priority, at = _LATER, at + len(speech.samples)

    def _speak(self, sentence: str, speed: float) -> Speech:
        """For the worker. No samples when hibari has no sounds for the sentence."""
        allowed_speed = min(max(speed, SLOWEST), FASTEST)
        samples, sounds = np.zeros(0, np.int16), list[Span]()
        try:
            for phonemes in self._engine.phonemize(sentence):
                clip = self._engine.speak(phonemes, allowed_speed, _SEED)
                finished, cut = _finish(clip.samples, phonemes)
                for start, end in _sounds(phonemes, clip):
                    place = _sounding(finished, start - cut - _AHEAD_SAMPLES, end - cut - _AHEAD_SAMPLES)
                    sounds.append((len(samples) + place.start, len(samples) + place.stop))
                samples = np.concatenate([samples, finished])
            return Speech(samples, self._word_times(sentence, sounds))
        except Exception as error:  # neither hibari's nor onnxruntime's have a root of their own
            raise ProviderError(f"the embedded voice failed: {error}") from error

    def _word_times(self, sentence: str, sounds: Sequence[Span]) -> tuple[WordTime, ...]:
        """Where the words of `sentence` lie, whose `sounds` are in order."""
        words = sentence.split()
        counts = [int(is_word(word)) for word in words]
        if sum(counts) != len(sounds):  # "84" is two sounds, "=" is one
            counts = [1 if word.strip(_MARKS).isalpha() else self._count_sounds(word) for word in words]
        if sum(counts) != len(sounds):
            return _shared_out(sentence, sounds)
        times, left, at = [], iter(sounds), 0
        for word, count in zip(words, counts, strict=True):
            own = [next(left) for _ in range(count)] or [(at, at)]
            at = own[-1][1]
            if is_word(word):
                times.append(WordTime(word, own[0][0], at))
        return tuple(times)

    def _count_sounds(self, word: str) -> int:
        return sum(len(_APART.findall(phonemes)) for phonemes in self._engine.phonemize(word))


def _sentences(text: str) -> Sequence[str]:
    cutter = Sentences(
        first_clause_chars=_LONG_CLAUSE_CHARS,
        first_word_chars=_LONG_WORD_CHARS,
        long_clause_chars=_LONG_CLAUSE_CHARS,
        long_word_chars=_LONG_WORD_CHARS,
    )
    return [piece for piece in (*cutter.push(text), *cutter.flush()) if not piece.isspace()]


def _shared_out(sentence: str, sounds: Sequence[Span]) -> tuple[WordTime, ...]:
    """The words by their length."""
    if not sounds:
        return ()
    start, end = sounds[0][0], sounds[-1][1]
    return tuple(
        WordTime(word.text.strip(), word.start_sample, word.end_sample)
        for word in by_length(sentence, start, end - start)
        if is_word(word.text)
    )


def _sounds(phonemes: str, clip: Clip) -> Iterator[Span]:
    """What stands apart in `phonemes`, and where in the clip it lies; marks and pauses around it left out."""
    for match in _APART.finditer(phonemes):
        heard = [at for at in range(*match.span()) if phonemes[at].isalpha()]
        yield clip.bounds[heard[0]], clip.bounds[heard[-1] + 1]


def _finish(clip: Floats, phonemes: str) -> tuple[Samples, int]:
    """hibari's raw `float32[n]` at the level and with the silences that a conversation wants, and how many samples are
    gone from its front."""
    mark = phonemes.rstrip("\"'”’) ")[-1:]
    samples = from_float(_amplify(clip))
    kept = sounding(samples, RATE_HZ, head_ms=_HEAD_MS, tail_ms=_PAUSES_MS.get(mark, _NO_PAUSE_MS))
    return fade_out(samples[kept], ms_to_samples(_FADE_MS, RATE_HZ)), kept.start


def _sounding(samples: Samples, start: int, end: int) -> slice:
    """From `start` to `end` without the silence at both; all of it where there is nothing else."""
    start, end = (min(max(at, 0), len(samples)) for at in (start, end))
    sound = sounding(samples[start:end], RATE_HZ, head_ms=0, tail_ms=0)
    return slice(start + sound.start, start + sound.stop) if sound.stop else slice(start, end)


def _amplify(clip: Floats) -> Floats:
    """Louder by `GAIN_DB`; what would pass `LIMIT_FROM` is bent towards full scale and never reaches it."""
    louder = clip * np.float32(10 ** (GAIN_DB / 20))
    over = np.abs(louder) - np.float32(LIMIT_FROM)
    room = np.float32(1.0 - LIMIT_FROM)
    bent = np.sign(louder) * (np.float32(LIMIT_FROM) + room * np.tanh(np.maximum(over, 0) / room))
    limited: Floats = np.where(over > 0, bent, louder)
    return limited
