"""Whisper by faster-whisper (CTranslate2), on a model folder that the user names: any size, language and device."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ModelFileError, ProviderError
from stages.ports import HeardWord, Partial, RecogniserCapabilities, SpeechHints, Transcript
from stages.providers.keyterms import keyterms
from stages.providers.segments import WholeUtterance
from stages.runtime.worker import Worker

NAME = "faster_whisper"
_FILES = ("model.bin", "config.json", "tokenizer.json")
"""Without the last the package would fetch it from a hub."""
_NO_SPEECH = 0.6
"""From this probability of no speech on, a doubtful segment is none."""
_DOUBTFUL = -1.0


class FasterWhisperSettings(BaseModel):
    """Where the model is, and how it is run."""

    model_config = ConfigDict(extra="forbid")

    model_dir: Path = Field(description="a folder with model.bin, config.json and tokenizer.json")
    language: str | None = Field(
        None, description="such as de; what a session knows of its language goes before it"
    )
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    compute_type: str = Field("int8", description="such as int8, float16 (on cuda) or float32")
    threads: int = Field(2, ge=1, le=64, description="threads that one reading may use")
    beam_size: int = Field(1, ge=1, le=10)


class Engine(Protocol):
    """The part of `faster_whisper.WhisperModel` that is used."""

    def transcribe(self, audio: Any, **options: Any) -> tuple[Iterable[Any], Any]:
        """Segments, which are read as they are asked for, and what is known of all."""


class FasterWhisper:
    """Whisper of any size and language by faster-whisper, on a model folder of yours."""

    interface = 1
    title = "faster-whisper"
    capabilities = RecogniserCapabilities(word_times=True, languages=("*",), phrases=True)
    Settings = FasterWhisperSettings

    def __init__(self, engine: Engine, settings: FasterWhisperSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._worker = Worker("recogniser")

    @classmethod
    def from_settings(cls, settings: FasterWhisperSettings) -> Self:
        """Load the model; blocks for seconds. Raises ModelFileError."""
        check_files(NAME, settings.model_dir, _FILES)
        from faster_whisper import WhisperModel  # heavy, and not needed without it

        try:
            engine = WhisperModel(
                str(settings.model_dir),
                device=settings.device,
                compute_type=settings.compute_type,
                cpu_threads=settings.threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFileError(f"{NAME}: cannot load {settings.model_dir}: {error}") from error
        return cls(engine, settings)

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return SPEECH_HZ

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> WholeUtterance:
        """Begin an utterance, which is read when it is over."""
        return WholeUtterance(self._transcribe, SPEECH_HZ, None, hints)

    def close(self) -> None:
        """End the thread. Blocks until the reading it is in is done."""
        self._worker.close()

    async def _transcribe(
        self, samples: Samples, hints: SpeechHints, on_text: Callable[[str], None]
    ) -> Transcript:
        return await self._worker.run(lambda: self._read(samples, hints))

    def _read(self, samples: Samples, hints: SpeechHints) -> Transcript:
        """On the worker's thread. Raises ProviderError."""
        try:
            segments, info = self._engine.transcribe(
                samples.astype(np.float32) / 32768,
                language=hints.language or self._settings.language,
                beam_size=self._settings.beam_size,
                word_timestamps=True,
                condition_on_previous_text=False,
                hotwords=", ".join(keyterms(hints.phrases)) or None,
            )
            said = [one for one in segments if not _is_noise(one)]
        except (RuntimeError, ValueError) as error:
            raise ProviderError(f"{NAME}: {error}") from error
        words = tuple(
            HeardWord(
                word.word.strip(), round(1000 * word.start), round(1000 * word.end), float(word.probability)
            )
            for one in said
            for word in one.words or ()
        )
        text = " ".join(one.text.strip() for one in said)
        if not any(map(str.isalnum, text)):
            return Transcript("", info.language or "en", no_speech=1.0)
        log_probability = sum(one.avg_logprob for one in said) / len(said)
        confidence = min(1.0, math.exp(log_probability))
        return Transcript(text, info.language or "en", 0.0, log_probability, words, confidence)


def _is_noise(segment: Any) -> bool:
    return bool(segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _DOUBTFUL)


def check_files(name: str, folder: Path, files: Iterable[str]) -> None:
    """Raises ModelFileError, which says what a model folder that the user has named lacks."""
    missing = [file for file in files if not (folder / file).is_file()]
    if not folder.is_dir():
        raise ModelFileError(f"{name}: model_dir: there is no folder {folder}")
    if missing:
        raise ModelFileError(f"{name}: model_dir: {folder} has no {', '.join(missing)}")
