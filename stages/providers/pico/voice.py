"""SVOX Pico as a voice: 16 kHz speech in five languages, a sentence at a time on one thread for all sessions.

Its sentences begin and end in silence, which is cut, and are louder than speech should be: a gain sees to that.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from audio.formats import Samples
from audio.levels import quantise, sounding
from stages.errors import ModelFileError, ProviderError
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
from stages.runtime.worker import Worker
from stages.text.languages.chosen import language_codes
from stages.text.sentences import Sentences
from stages.text.speakable import speakable

RATE_HZ = 16_000

VOICES = {
    "en": ("en-US", "American English, a woman"), "es": ("es-ES", "Spanish of Spain, a woman"),
    "fr": ("fr-FR", "French, a woman"), "de": ("de-DE", "German, a woman"), "it": ("it-IT", "Italian, a woman"),
}  # fmt: skip
"""By language, the voice's own name, and what it is."""

SLOWEST, FASTEST = 0.5, 2.0

_GAIN_DB = -3.0
_HEAD_MS, _TAIL_MS = 20, 200
_FIRST, _LATER = 0, 1


class PicoSettings(BaseModel):
    """What may be configured of it."""

    model_config = ConfigDict(extra="forbid")

    language: Annotated[
        tuple[Literal["en", "es", "fr", "de", "it"], ...], BeforeValidator(language_codes)
    ] = Field(("en",), min_length=1, description="what is spoken: one language, or several")


class PicoVoice:
    """SVOX Pico on this machine's CPU: a synthetic voice in English, Spanish, French, German or Italian."""

    interface = 1
    title = "Pico (embedded)"
    capabilities = SynthesiserCapabilities(languages=tuple(VOICES))
    Settings = PicoSettings

    rate_hz = RATE_HZ
    voices = tuple(VoiceOption(name, about) for name, about in VOICES.values())
    """Of all languages; a loaded one has its own."""

    def __init__(self, engine: Any, languages: Sequence[str], worker: Worker) -> None:
        """`engine` is a `py_nanotts.NanoTTS`."""
        self._engine = engine
        self._worker = worker
        self.voices = tuple(VoiceOption(*VOICES[language]) for language in languages)
        self.voice_languages = {VOICES[language][0]: language for language in languages}
        """What each voice speaks."""
        self.capabilities = SynthesiserCapabilities(languages=tuple(languages))

    @classmethod
    def from_settings(cls, settings: PicoSettings) -> Self:
        """Load it; blocks for some tenths of a second. Raises ModelFileError."""
        try:
            from py_nanotts import NanoTTS

            voice = cls(NanoTTS(), settings.language, Worker("voice"))
            voice._speak("Eins, zwei.", voice.voices[0].name, 1.0)
        except (ImportError, ProviderError) as error:
            raise ModelFileError(
                f"pico: {error}; the voice needs `pip install 'stageflow-voice[languages]'`"
            ) from error
        return voice

    def close(self) -> None:
        """End the thread. Blocks until the sentence it is in is done, so call it off the loop."""
        self._worker.close()

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio of `text`, a sentence at a time; an unknown voice is that of the first language.

        Raises ProviderError. Cancel-safe: a sentence that waits is not spoken, a running one is dropped.
        """
        cut = Sentences()
        priority = _FIRST
        name = voice if voice in self.voice_languages else self.voices[0].name
        for sentence in (*cut.push(speakable(text, self.voice_languages[name])), *cut.flush()):
            if any(map(str.isalnum, sentence)):
                speak = partial(self._speak, sentence, name, speed)
                samples = await self._worker.run(speak, priority=priority)
                if len(samples):
                    yield Speech(samples)
                    priority = _LATER

    def _speak(self, sentence: str, name: str, speed: float) -> Samples:
        """For the worker."""
        allowed = min(max(speed, SLOWEST), FASTEST)
        try:
            data = self._engine.speak(_plain(sentence), voice=name, speed=allowed)
        except Exception as error:  # the engine's have no root of their own
            raise ProviderError(f"the embedded voice failed: {error}") from error
        spoken = np.frombuffer(data, "<i2")
        found = sounding(spoken, RATE_HZ, head_ms=_HEAD_MS, tail_ms=_TAIL_MS)
        return quantise(spoken[found].astype(np.float32) * 10 ** (_GAIN_DB / 20))


_LONG_WORD = re.compile(r"\S{40}(?=\S)")
"""The engine reads past its own buffer in a word of 200 bytes, and may then compute for ever, holding the GIL."""


def _plain(sentence: str) -> str:
    """Without what the engine takes for its own markup, or ends at; long words in pieces."""
    text = sentence.replace("<", " ").replace(">", " ").replace("\0", " ").replace("\\", " ").strip()
    return _LONG_WORD.sub(r"\g<0> ", text)
