"""Kokoro as a voice: English, Spanish and Mandarin at 24 kHz, a sentence at a time on one thread for all sessions.

It costs fifty times as much as the default voice. So how long it takes is measured when it is loaded, and a CPU that
cannot keep up is refused; and a sentence that is not wanted any more is broken off, or the next would wait for it.
"""

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from stages.errors import ModelFileError, ProviderError
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
from stages.providers.kokoro.engine import MODEL_NAME, Engine, KokoroEngine
from stages.providers.kokoro.phonemes import apart
from stages.providers.kokoro.voices import LANGUAGES
from stages.providers.phonetic import RATE_HZ, Pronunciation, sentences
from stages.runtime.models import model_dir
from stages.runtime.onnx import RunOptions
from stages.runtime.worker import Worker
from stages.text.languages.chosen import language_codes
from stages.text.speakable import speakable

log = logging.getLogger(__name__)

SLOWEST, FASTEST = 0.5, 2.0

WARN_FROM, REFUSE_FROM = 0.6, 1.0
"""Seconds of CPU for a second of sound: from the first on answers begin late, from the second on they are broken by
pauses."""

_GAIN_DB = {"en": 5.0, "es": 5.0, "zh": -1.0}
"""Kokoro speaks at -23 dBFS RMS, in Mandarin at -17; this makes it -18, as loud as speech is."""

_TRIAL = {
    "en": "Your table for four is booked.",
    "es": "Su mesa para cuatro está reservada.",
    "zh": "您的四人桌已经预订好了。",
}
_FIRST, _LATER = 0, 1


OfLanguages = Mapping[str, tuple[VoiceOption, ...]]
"""Voices by language; the first of each is its default."""


class KokoroSettings(BaseModel):
    """What may be configured of it."""

    model_config = ConfigDict(extra="forbid")

    language: Annotated[tuple[Literal["en", "es", "zh"], ...], BeforeValidator(language_codes)] = Field(
        ("en",), min_length=1, description="what is spoken: one language, or several"
    )
    voice: str | None = Field(None, description="the voice that speaks unless a session asks for another")
    threads: int = Field(1, ge=1, le=64, description="threads that one sentence may use")
    too_slow: Literal["refuse", "warn"] = Field(
        "refuse", description="what to do on a CPU that takes longer to speak than people do"
    )


class KokoroVoice:
    """Kokoro-82M on this machine's CPU: 28 English, 3 Spanish and 7 Mandarin voices, where the CPU keeps up."""

    interface = 1
    title = "Kokoro (embedded)"
    capabilities = SynthesiserCapabilities(word_times=True, languages=tuple(LANGUAGES))
    Settings = KokoroSettings

    rate_hz = RATE_HZ
    voices = tuple(voice for voices in LANGUAGES.values() for voice in voices)
    """Of all languages; a loaded one has its own."""

    def __init__(self, engine: Engine, worker: Worker, voices: OfLanguages) -> None:
        self._engine = engine
        self._worker = worker
        self.voices = tuple(voice for spoken in voices.values() for voice in spoken)
        self.voice_languages = {voice.name: code for code, spoken in voices.items() for voice in spoken}
        """What each voice speaks."""
        self.capabilities = SynthesiserCapabilities(word_times=True, languages=tuple(voices))

    @classmethod
    def from_settings(cls, settings: KokoroSettings) -> Self:
        """Load it from the store and measure it; blocks for some seconds. Raises ModelFileError."""
        voices: OfLanguages = {code: LANGUAGES[code] for code in settings.language}
        there = [voice.name for spoken in voices.values() for voice in spoken]
        if settings.voice is not None and settings.voice not in there:
            languages, names = ", ".join(voices), ", ".join(there)
            raise ModelFileError(
                f"kokoro: voice {settings.voice!r} does not speak {languages}: choose from {names}"
            )
        first: OfLanguages = {
            code: tuple(sorted(spoken, key=lambda one: one.name != settings.voice))
            for code, spoken in voices.items()
        }
        made = cls.load(model_dir(MODEL_NAME), first, threads=settings.threads)
        judge(made.measure(), settings.too_slow)
        return made

    @classmethod
    def load(cls, directory: Path, voices: OfLanguages, *, threads: int = 1) -> Self:
        """Load the network and the voices in `directory`. Blocks for 1 s. Raises ModelFileError."""
        return cls(KokoroEngine(directory, threads), Worker("voice"), voices)

    def measure(self) -> float:
        """Speak a sentence: seconds of CPU for a second of sound. Blocks. Raises ModelFileError.

        Seconds of this thread, which computes or waits for those that help it, and not of the clock: how fast the
        machine is, not how busy.
        """
        began = time.thread_time()
        try:
            name = self.voices[0].name
            speech = self._speak(_TRIAL[self.voice_languages[name]], name, 1.0, self._engine.new_stop())
        except ProviderError as error:
            raise ModelFileError(f"kokoro: {error}") from error
        return (time.thread_time() - began) * RATE_HZ / max(len(speech.samples), 1)

    def close(self) -> None:
        """End the thread. Blocks until the sentence it is in is done, so call it off the loop."""
        self._worker.close()

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio of `text`, a sentence at a time; an unknown voice is the default one.

        Raises ProviderError. Cancel-safe: a sentence that waits is not spoken, a running one is broken off.
        """
        name = voice if voice in self.voice_languages else self.voices[0].name
        stop = self._engine.new_stop()
        priority, at = _FIRST, 0
        try:
            for sentence in sentences(speakable(text, self.voice_languages[name])):
                speak = partial(self._speak, sentence, name, speed, stop)
                speech = await self._worker.run(speak, priority=priority)
                if len(speech.samples):
                    yield Speech(speech.samples, tuple(word.later(at) for word in speech.words))
                    priority, at = _LATER, at + len(speech.samples)
        finally:
            stop.terminate = True

    def _speak(self, sentence: str, voice: str, speed: float, stop: RunOptions) -> Speech:
        """For the worker. No samples when there are no phonemes for the sentence."""
        allowed_speed = min(max(speed, SLOWEST), FASTEST)
        phonemize = partial(self._engine.phonemize, voice=voice)
        speak = partial(self._engine.speak, voice=voice, speed=allowed_speed, stop=stop)
        try:
            gain_db = _GAIN_DB[self.voice_languages[voice]]
            return Pronunciation(phonemize, speak, gain_db).say(apart(sentence, voice))
        except Exception as error:  # those of onnxruntime and of the pronunciations have no root of their own
            raise ProviderError(f"Kokoro failed: {error}") from error


def judge(cpu_s: float, too_slow: str) -> None:
    """Say how long the voice takes for a second of sound, and raise ModelFileError if that is too long."""
    told = f"Kokoro takes {cpu_s:.2f} s of this CPU for a second of sound"
    if cpu_s < WARN_FROM:
        log.info(told)
    elif cpu_s < REFUSE_FROM or too_slow == "warn":
        log.warning("%s: answers begin late, and one session at a time is all that it speaks for", told)
    else:
        raise ModelFileError(
            f"kokoro: {told}, so its answers would be broken by pauses: choose another voice, give it more "
            '`threads`, or set `too_slow = "warn"` beside it'
        )
