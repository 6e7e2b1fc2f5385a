"""The embedded voice: English speech at 24 kHz by hibari-tts, on one thread for all sessions, offline.

Theory of operation. A text is made speakable and cut into sentences. Each is one call on the worker, so that
the first is heard while the next is computed, and two sessions take turns sentence by sentence. A first
sentence goes before anybody's second, because somebody is waiting in silence for it. What hibari returns is
quiet and has a third of a second of silence in front and half a second behind. Here it gets a gain, always
the same, a short head, and a pause that fits its last mark. Word times are what the network decides of each phoneme.
"""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stages.errors import ProviderError
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
from stages.providers.hibari.engine import Engine, HibariEngine
from stages.providers.phonetic import RATE_HZ, Pronunciation, sentences
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.text.speakable import speakable

GAIN_DB = 8.0
"""hibari peaks at 0.2 to 0.4 of full scale, -26 dBFS RMS; this makes it -18 dBFS, as loud as speech is."""

SLOWEST, FASTEST = 0.5, 2.0
"""The range of `speed` that hibari was made for."""

_SEED = 0
"""Of the breathy part of the voice, which is noise: the same text gives the same samples."""

_FIRST, _LATER = 0, 1

_AHEAD_SAMPLES = 1080
"""The sound runs ahead of the durations: after pauses within a sentence by 25 to 65 ms, 45 in the middle."""


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
        for sentence in sentences(speakable(text)):
            speech = await self._worker.run(partial(self._speak, sentence, speed), priority=priority)
            if len(speech.samples):
                yield Speech(speech.samples, tuple(word.later(at) for word in speech.words))
                priority, at = _LATER, at + len(speech.samples)

    def _speak(self, sentence: str, speed: float) -> Speech:
        """For the worker. No samples when hibari has no sounds for the sentence."""
        allowed_speed = min(max(speed, SLOWEST), FASTEST)
        speak = partial(self._engine.speak, speed=allowed_speed, seed=_SEED)
        try:
            return Pronunciation(self._engine.phonemize, speak, GAIN_DB, _AHEAD_SAMPLES).say(sentence)
        except Exception as error:  # neither hibari's nor onnxruntime's have a root of their own
            raise ProviderError(f"the embedded voice failed: {error}") from error
