"""The embedded voice: English speech at 24 kHz by hibari-tts, on one thread for all sessions, offline.

Theory of operation. A text is made speakable and cut into sentences. Each is one call on the worker, so that
the first is heard while the next is computed, and two sessions take turns sentence by sentence. A first
sentence goes before anybody's second, because somebody is waiting in silence for it. What hibari returns is
quiet and has a third of a second of silence in front and half a second behind. Here it gets a gain, always
the same (a gain per sentence would make the voice pump), a short head, and a pause that fits its last mark.

hibari tells neither word nor phoneme times, so `Speech.words` is empty.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from audio.formats import Samples, ms_to_samples
from audio.levels import fade_out, from_float, trim_silence
from stages.errors import ModelFileError, ProviderError
from stages.ports import Speech
from stages.providers.worker import Worker
from stages.sentences import Sentences
from stages.speakable import speakable

Floats: TypeAlias = npt.NDArray[np.float32]

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


class Engine(Protocol):
    """The part of `hibari.Hibari` that is used."""

    def phonemize(self, text: str) -> list[str]: ...
    def from_phonemes(self, phonemes: str, speed: float, seed: int) -> Floats: ...


class EmbeddedVoice:
    """`stages.ports.Synthesiser` with one voice, "heart"; other names fall back to it."""

    rate_hz = RATE_HZ

    def __init__(self, engine: Engine, worker: Worker) -> None:
        self._engine = engine
        self._worker = worker

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load `hibari.onnx` in `directory` and the pronunciation dictionary, and speak once to warm up.

        Blocks for about 1.5 s. Raises ModelFileError when hibari-tts or its model cannot be loaded.
        """
        try:
            from hibari import Hibari

            engine = Hibari(model=str(directory / "hibari.onnx"), threads=threads)
        except ImportError as error:
            raise ModelFileError(
                f"hibari-heart: {error}; the voice needs `pip install 'stageflow-voice[embedded]'`"
            ) from error
        except Exception as error:  # onnxruntime's have no root of their own
            raise ModelFileError(f"hibari-heart: cannot load {directory / 'hibari.onnx'}: {error}") from error
        engine.from_phonemes(engine.phonemize("Ready.")[0], 1.0, _SEED)
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
        priority = _FIRST
        for sentence in _sentences(speakable(text)):
            samples = await self._worker.run(self._speak(sentence, speed), priority=priority)
            if len(samples):
                yield Speech(samples)
                priority = _LATER

    def _speak(self, sentence: str, speed: float) -> Callable[[], Samples]:
        """The call for the worker. Empty samples when hibari has no sounds for the sentence."""
        allowed_speed = min(max(speed, SLOWEST), FASTEST)

        def speak() -> Samples:
            spoken = [np.zeros(0, np.int16)]
            try:
                for phonemes in self._engine.phonemize(sentence):
                    clip = self._engine.from_phonemes(phonemes, allowed_speed, _SEED)
                    spoken.append(_finish(clip, phonemes))
            except Exception as error:  # neither hibari's nor onnxruntime's have a root of their own
                raise ProviderError(f"the embedded voice failed: {error}") from error
            return np.concatenate(spoken)

        return speak


def _sentences(text: str) -> Sequence[str]:
    cutter = Sentences(
        first_clause_chars=_LONG_CLAUSE_CHARS,
        first_word_chars=_LONG_WORD_CHARS,
        long_clause_chars=_LONG_CLAUSE_CHARS,
        long_word_chars=_LONG_WORD_CHARS,
    )
    return [piece for piece in (*cutter.push(text), *cutter.flush()) if not piece.isspace()]


def _finish(clip: Floats, phonemes: str) -> Samples:
    """hibari's raw `float32[n]` at the level and with the silences that a conversation wants."""
    mark = phonemes.rstrip("\"'”’) ")[-1:]
    samples = trim_silence(
        from_float(_amplify(clip)), RATE_HZ, head_ms=_HEAD_MS, tail_ms=_PAUSES_MS.get(mark, _NO_PAUSE_MS)
    )
    return fade_out(samples, ms_to_samples(_FADE_MS, RATE_HZ))


def _amplify(clip: Floats) -> Floats:
    """Louder by `GAIN_DB`; what would pass `LIMIT_FROM` is bent towards full scale and never reaches it."""
    louder = clip * np.float32(10 ** (GAIN_DB / 20))
    over = np.abs(louder) - np.float32(LIMIT_FROM)
    room = np.float32(1.0 - LIMIT_FROM)
    bent = np.sign(louder) * (np.float32(LIMIT_FROM) + room * np.tanh(np.maximum(over, 0) / room))
    limited: Floats = np.where(over > 0, bent, louder)
    return limited
