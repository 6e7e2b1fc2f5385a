"""A recogniser by script, and ends of turns by script."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stages.ports import (
    Partial,
    RecogniserCapabilities,
    Recognition,
    SpeechHints,
    Transcript,
    TurnQuestions,
)
from stages.testing.fakes.script import TOKEN, Conduct, Script


@dataclass(frozen=True, slots=True)
class Heard:
    """What one utterance is recognised as, and how."""

    text: str
    language: str = "en"
    conduct: Conduct = Conduct()


class ScriptedRecogniserSettings(BaseModel):
    """What a scripted recogniser hears, and how late."""

    model_config = ConfigDict(extra="forbid")

    texts: tuple[str, ...] = Field(
        ("Hello there.",), min_length=1, description="what is heard, one an utterance"
    )
    delay_ms: float = Field(0, ge=0, le=60_000, description="from the end of speech to the transcript")


class ScriptedRecogniser:
    """Hears its script, one entry an utterance, whatever is said; and nothing in silence or in no audio.

    While audio is pushed it reports partials: a word every `word_ms`, all but the newest of them stable.
    """

    interface = 1
    capabilities = RecogniserCapabilities(partials=True, languages=("*",))
    Settings = ScriptedRecogniserSettings

    def __init__(self, *script: str | Heard, rate_hz: int = SPEECH_HZ, word_ms: int = 300) -> None:
        entries = script or ("Hello there.",)
        self._script = Script([Heard(entry) if isinstance(entry, str) else entry for entry in entries])
        self._rate_hz = rate_hz
        self._word_samples = ms_to_samples(word_ms, rate_hz)
        self.hints: list[SpeechHints] = []
        """What it was told of each utterance."""

    @classmethod
    def from_settings(cls, settings: ScriptedRecogniserSettings) -> Self:
        """A recogniser with these texts and this delay."""
        conduct = Conduct(delay_s=settings.delay_ms / 1000)
        return cls(*(Heard(text, conduct=conduct) for text in settings.texts))

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return self._rate_hz

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        """Begin an utterance; it takes the next entry of the script."""
        self.hints.append(hints)
        return _ScriptedRecognition(self._script.next(), self._word_samples, on_partial)


class _ScriptedRecognition:
    def __init__(self, heard: Heard, word_samples: int, on_partial: Callable[[Partial], None] | None) -> None:
        self._heard = heard
        self._words = TOKEN.findall(heard.text)
        self._word_samples = word_samples
        self._on_partial = on_partial
        self._samples = 0
        self._told_words = 0
        self._is_voiced = False

    def push(self, samples: Samples) -> None:
        self._is_voiced = self._is_voiced or bool(samples.any())
        if not self._is_voiced:
            return
        self._samples += len(samples)
        words = min(self._samples // self._word_samples, len(self._words))
        if words > self._told_words and self._on_partial is not None:
            self._told_words = words
            stable = "".join(self._words[: words - 1])
            self._on_partial(Partial(stable + self._words[words - 1], stable))

    async def final(self) -> Transcript:
        await self._heard.conduct.before(0)
        await self._heard.conduct.at_end()
        if not self._is_voiced or not self._heard.text:
            return Transcript("", self._heard.language, no_speech=1.0)
        return Transcript(self._heard.text, self._heard.language)

    def close(self) -> None:
        self._on_partial = None


class ScriptedTurnEnds:
    """Says of each pause what its script says, at once; None for no answer."""

    def __init__(self, *script: float | None) -> None:
        self._script = Script(script or (1.0,))

    def open(self, on_probability: Callable[[float], None]) -> TurnQuestions:
        """The questions of one session; all sessions share the script."""
        return _ScriptedQuestions(self._script, on_probability)


class _ScriptedQuestions:
    def __init__(self, script: Script[float | None], on_probability: Callable[[float], None]) -> None:
        self._script = script
        self._on_probability = on_probability

    def ask(self, samples: Samples) -> None:
        probability = self._script.next()
        if probability is not None:
            self._on_probability(probability)

    def drop(self) -> None:
        """There is never a question that waits."""

    close = drop
