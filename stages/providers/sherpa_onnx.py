"""Streaming recognition by sherpa-onnx, on a transducer's folder that the user names: words while people speak.

All sessions share one thread. An utterance feeds its stream there with what has come since the last time, so a final
has little left to decode.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ModelFileError, ProviderError
from stages.ports import Partial, RecogniserCapabilities, SpeechHints, Transcript
from stages.providers.faster_whisper import check_files
from stages.providers.segments import is_quiet
from stages.runtime.worker import Job, Worker

NAME = "sherpa_onnx"
_PARTS = ("encoder", "decoder", "joiner")
_FINAL, _PARTIAL = 0, 1
_FEED_SAMPLES = SPEECH_HZ * 3 // 10
"""So much new audio is worth a call of the thread."""
_TAIL_SAMPLES = SPEECH_HZ * 6 // 10
"""Of silence after an utterance, which the model's look-ahead needs for the last word."""


class SherpaSettings(BaseModel):
    """Where the model is, and how it is run."""

    model_config = ConfigDict(extra="forbid")

    model_dir: Path = Field(
        description="a folder with tokens.txt and an encoder*, decoder* and joiner*.onnx of a streaming transducer"
    )
    language: str = Field("en", description="what the model understands, such as de")
    int8: bool = Field(True, description="of an encoder that is there in both, the smaller one")
    threads: int = Field(1, ge=1, le=64, description="threads that one call may use")


class Engine(Protocol):
    """The part of `sherpa_onnx.OnlineRecognizer` that is used."""

    def create_stream(self) -> Any:
        """What hears one utterance."""

    def is_ready(self, stream: Any) -> bool:
        """Whether there is enough audio for a step."""

    def decode_stream(self, stream: Any) -> None:
        """Compute one step of the decoder."""

    def get_result(self, stream: Any) -> str:
        """The text so far."""


class SherpaOnnx:
    """A streaming transducer such as Zipformer by sherpa-onnx, on a model folder of yours: words while people speak."""

    interface = 1
    title = "sherpa-onnx ({language})"
    capabilities = RecogniserCapabilities(partials=True, languages=("*",))
    Settings = SherpaSettings

    def __init__(self, engine: Engine, language: str = "en") -> None:
        self.engine = engine
        self.language = language
        self.worker = Worker("recogniser")

    @classmethod
    def from_settings(cls, settings: SherpaSettings) -> Self:
        """Load the model; blocks for seconds. Raises ModelFileError."""
        check_files(NAME, settings.model_dir, ("tokens.txt",))
        parts = {part: _onnx(settings.model_dir, part, int8=settings.int8) for part in _PARTS}
        from sherpa_onnx import OnlineRecognizer  # heavy, and not needed without it

        try:
            engine = OnlineRecognizer.from_transducer(
                tokens=str(settings.model_dir / "tokens.txt"),
                num_threads=settings.threads,
                sample_rate=SPEECH_HZ,
                **parts,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"{NAME}: cannot load {settings.model_dir}: {error}") from error
        return cls(engine, settings.language)

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return SPEECH_HZ

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "SherpaRecognition":
        """Begin an utterance."""
        return SherpaRecognition(self, on_partial)

    def close(self) -> None:
        """End the thread. Blocks until the step it is in is done."""
        self.worker.close()


class SherpaRecognition:
    """One utterance; implements `stages.ports.Recognition`."""

    def __init__(self, recogniser: SherpaOnnx, on_partial: Callable[[Partial], None] | None) -> None:
        self._recogniser = recogniser
        self._on_partial = on_partial
        self._audio: list[Samples] = []
        self._heard_samples = 0
        """How much of it the stream has been given; the worker's thread counts."""
        self._new_samples = 0
        self._stream: Any = None
        self._job: Job[str] | None = None
        self._told = ""
        self._read = (0, "")
        """How much of it was read to its end, and what that was."""

    def push(self, samples: Samples) -> None:
        """More audio; now and then the thread is given it."""
        self._audio.append(samples)
        self._new_samples += len(samples)
        if self._new_samples < _FEED_SAMPLES or self._job is not None:
            return
        self._new_samples = 0
        audio = self._all()
        try:
            self._job = self._recogniser.worker.submit(
                lambda: self._hear(audio), self._heard, priority=_PARTIAL
            )
        except ProviderError:
            return  # the final will say what is wrong

    async def final(self) -> Transcript:
        """The text of everything pushed so far. Raises ProviderError. Cancel-safe: the next caller starts over."""
        audio, language = self._all(), self._recogniser.language
        self._drop()
        known, text = self._read
        if not is_quiet(audio[known:]):
            text = await self._recogniser.worker.run(lambda: self._finish(audio), priority=_FINAL)
            self._read = (len(audio), text)
        return Transcript(text, language) if text else Transcript("", language, no_speech=1.0)

    def close(self) -> None:
        """Let go; no partial is reported afterwards."""
        self._on_partial = None
        self._drop()
        self._audio.clear()

    def _drop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _all(self) -> Samples:
        if len(self._audio) != 1:
            self._audio = [np.concatenate([np.zeros(0, np.int16), *self._audio])]
        return self._audio[0]

    def _heard(self, job: Job[str]) -> None:
        self._job = None
        try:
            text = job.result()
        except ProviderError:
            return  # the final will say what is wrong
        if self._on_partial is not None and text and text != self._told:
            self._told = text
            self._on_partial(Partial(text))

    # --- on the worker's thread -----------------------------------------------------------------------------

    def _hear(self, audio: Samples) -> str:
        engine = self._recogniser.engine
        try:
            if self._stream is None:
                self._stream = engine.create_stream()
            self._give(self._stream, audio[self._heard_samples :])
            self._heard_samples = len(audio)
            return str(engine.get_result(self._stream)).strip()
        except (RuntimeError, ValueError) as error:
            raise ProviderError(f"{NAME}: {error}") from error

    def _finish(self, audio: Samples) -> str:
        """With silence after it, after which the stream is of no more use: what comes then is heard from the start."""
        self._hear(audio)
        stream, self._stream, self._heard_samples = self._stream, None, 0
        self._give(stream, np.zeros(_TAIL_SAMPLES, np.int16))
        return str(self._recogniser.engine.get_result(stream)).strip()

    def _give(self, stream: Any, samples: Samples) -> None:
        engine = self._recogniser.engine
        if len(samples):
            stream.accept_waveform(SPEECH_HZ, samples.astype(np.float32) / 32768)
        while engine.is_ready(stream):
            engine.decode_stream(stream)


def _onnx(folder: Path, part: str, *, int8: bool) -> str:
    """The file of a part of the model; of several the one that is, or is not, in eight bits."""
    found = sorted(folder.glob(f"{part}*.onnx"))
    if not found:
        raise ModelFileError(f"{NAME}: model_dir: {folder} has no {part}*.onnx")
    wanted = [path for path in found if (".int8." in path.name) is int8]
    return str((wanted or found)[0])
