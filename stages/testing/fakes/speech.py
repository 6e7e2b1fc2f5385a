"""A voice by script: a tone for each word."""

import re
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stages.ports import (
    Speech,
    SynthesiserCapabilities,
    VoiceOption,
    WordTime,
)
from stages.testing.fakes.script import Conduct, Script
from stages.testing.tones import MAX_LETTERS, marked, word_tone

_SPOKEN_WORD = re.compile(r"\S*\w\S*")


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What a voice was asked to say, and how."""

    text: str
    voice: str | None
    speed: float


class ScriptedVoiceSettings(BaseModel):
    """How late a scripted voice is, and how it sounds."""

    model_config = ConfigDict(extra="forbid")

    first_audio_ms: float = Field(0, ge=0, le=60_000, description="from a piece of text to its first audio")
    marks: bool = Field(False, description="each word tells in its sound which it is, for `load` to hear")


class ScriptedVoice:
    """Speaks a tone for each word: the longer the word, the longer and higher the tone. One result a word.

    A word of n letters lasts 70 n + 60 ms at speed 1, the end of it silent; with `marks` each says which it is
    (`audio.marks`). The script is of conducts alone. It has two voices.
    """

    interface = 1
    title = "scripted tones"
    capabilities = SynthesiserCapabilities(word_times=True, languages=("*",))
    Settings = ScriptedVoiceSettings

    voices: tuple[VoiceOption, ...] = (
        VoiceOption("low", "tones"),
        VoiceOption("high", "the same tones an octave higher"),
    )

    def __init__(self, *script: Conduct, rate_hz: int = 24_000, marks: bool = False) -> None:
        self._script = Script(script or (Conduct(),))
        self._marks = marks
        self._rate_hz = rate_hz
        self.requests: deque[SpeechRequest] = deque(maxlen=16)
        """The newest requests."""
        self._tones = {letters: word_tone(letters, 1.0, rate_hz) for letters in range(1, MAX_LETTERS + 1)}

    @classmethod
    def from_settings(cls, settings: ScriptedVoiceSettings) -> Self:
        """A voice of this speed."""
        return cls(Conduct(delay_s=settings.first_audio_ms / 1000), marks=settings.marks)

    @property
    def rate_hz(self) -> int:
        """The sample rate of what `stream` yields."""
        return self._rate_hz

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The text's words as tones, with the time of each."""
        octave = 2 if voice == "high" else 1
        self.requests.append(SpeechRequest(text, voice, speed))
        conduct = self._script.next()
        at = 0
        words = _SPOKEN_WORD.findall(text)
        for given, word in enumerate(words):
            await conduct.before(given)
            letters = min(len(word), MAX_LETTERS)
            is_usual = speed == octave == 1
            tone = self._tones[letters] if is_usual else word_tone(letters, speed, self._rate_hz, octave)
            if self._marks:
                tone = marked(
                    tone, word, given, is_last=given == len(words) - 1, rate_hz=self._rate_hz, speed=speed
                )
            yield Speech(tone, (WordTime(word, at, at + len(tone)),))
            at += len(tone)
        await conduct.at_end()
