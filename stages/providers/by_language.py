"""The embedded voices of several languages as one: hibari for English, Kokoro for Mandarin, Pico for the others."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audio.resample import Resampler
from stages.ports import Speech, Synthesiser, SynthesiserCapabilities, VoiceOption, WordTime
from stages.providers.pico.voice import VOICES, PicoSettings, PicoVoice
from stages.text.languages import CODES
from stages.text.languages.chosen import Codes


class LanguageVoicesSettings(BaseModel):
    """What may be configured of it."""

    model_config = ConfigDict(extra="forbid")

    language: Codes = Field(
        ("en", "es", "fr", "de", "it", "zh"),
        min_length=1,
        description="what is spoken, the first where nothing tells",
    )
    threads: int = Field(1, ge=1, le=64, description="threads that one sentence may use")
    too_slow: Literal["refuse", "warn"] = Field(
        "refuse", description="what to do where the voice of a language takes longer to speak than people do"
    )


class LanguageVoices:
    """The embedded voices of several languages: hibari in English, Kokoro in Mandarin, Pico in the others."""

    interface = 1
    title = "hibari, Pico and Kokoro (embedded)"
    capabilities = SynthesiserCapabilities(languages=CODES)
    Settings = LanguageVoicesSettings
    rate_hz = 24_000
    voices: tuple[VoiceOption, ...] = ()

    def __init__(self, spoken: Mapping[str, Synthesiser]) -> None:
        """`spoken` has the voice of each language, the one first that speaks where nothing tells; one may stand for
        several. They speak at the highest of their rates."""
        self._voices = spoken
        self.rate_hz = max(voice.rate_hz for voice in spoken.values())
        self.voice_languages = {
            option.name: code
            for code, voice in spoken.items()
            for option in voice.voices
            if getattr(voice, "voice_languages", {}).get(option.name, code) == code
        }
        """What each voice speaks."""
        options = {option.name: option for voice in spoken.values() for option in voice.voices}
        self.voices = tuple(options[name] for name in self.voice_languages)
        self.capabilities = SynthesiserCapabilities(languages=tuple(spoken))

    @classmethod
    def from_settings(cls, settings: LanguageVoicesSettings) -> Self:
        """Load those that are needed; blocks. Raises ModelFileError."""
        made = dict[str, Synthesiser]()
        if others := [code for code in settings.language if code in VOICES and code != "en"]:
            pico = PicoVoice.from_settings(PicoSettings.model_validate({"language": others}))
            made.update(dict.fromkeys(others, pico))
        if "zh" in settings.language:
            from stages.providers.kokoro.voice import KokoroSettings, KokoroVoice

            made["zh"] = KokoroVoice.from_settings(
                KokoroSettings(
                    language=("zh",), voice=None, threads=settings.threads, too_slow=settings.too_slow
                )
            )
        if "en" in settings.language:
            from stages.providers.hibari.voice import EmbeddedVoice, VoiceModelSettings

            made["en"] = EmbeddedVoice.from_settings(VoiceModelSettings(threads=settings.threads))
        return cls({code: made[code] for code in settings.language})

    def close(self) -> None:
        """Close them. Blocks until the sentences they are in are done, so call it off the loop."""
        for voice in {id(voice): voice for voice in self._voices.values()}.values():
            if close := getattr(voice, "close", None):
                close()

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio of `text` by the voice of that name, or the first. Raises ProviderError. Cancel-safe."""
        name = voice if voice in self.voice_languages else self.voices[0].name
        inner = self._voices[self.voice_languages[name]]
        resampler = Resampler(inner.rate_hz, self.rate_hz)
        factor = self.rate_hz / inner.rate_hz
        async with aclosing(inner.stream(text, voice=name, speed=speed)) as stream:
            async for speech in stream:
                words = tuple(_scaled(word, factor) for word in speech.words)
                yield replace(speech, samples=resampler.process(speech.samples), words=words)
        rest = resampler.process(np.zeros(0, np.int16), last=True)
        if len(rest):
            yield Speech(rest)


def _scaled(word: WordTime, factor: float) -> WordTime:
    start, end = round(word.start_sample * factor), round(word.end_sample * factor)
    return replace(word, start_sample=start, end_sample=end)
