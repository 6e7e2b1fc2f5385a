"""The three providers by script: they hear, answer and speak what they are told, as badly as they are told.

Deterministic and cheap, so that tests, load measurements and demonstrations run without a model. What each
says is a script, one entry a call, begun again at its end; how it behaves is a `Conduct`. Like real providers
they are shared by all sessions: a script of more than one entry goes to whoever asks next.
"""

import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Self, TypeVar

import anyio
from pydantic import BaseModel, ConfigDict, Field

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderError
from stages.ports import (
    Expects,
    Finished,
    ModelCapabilities,
    ModelEvent,
    Partial,
    RecogniserCapabilities,
    Recognition,
    Speech,
    SpeechHints,
    SynthesiserCapabilities,
    TextDelta,
    ToolChoice,
    Transcript,
    TurnQuestions,
    Usage,
    VoiceOption,
    WordTime,
)
from stages.testing.tones import MAX_LETTERS, marked, word_tone

T = TypeVar("T")

_TOKEN = re.compile(r"\s*\S+|\s+")
_SPOKEN_WORD = re.compile(r"\S*\w\S*")


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a scripted provider behaves while it gives its results (partials do not count as results)."""

    delay_s: float = 0.0
    """Time to the first result."""
    gap_s: float = 0.0
    """Time from one result to the next."""
    fails: Callable[[str], ProviderError] | None = None
    """Raise this instead of going on, once `after` results have been given."""
    hangs: bool = False
    """Give nothing more, for ever, once `after` results have been given."""
    after: int = 0
    stubborn_s: float = 0.0
    """Do not stop for so long after being cancelled, as badly behaved libraries do."""

    async def before(self, given: int) -> None:
        """Take the time that the next result takes, when `given` have been given; fail or hang if told to."""
        await self._wait(self.gap_s if given else self.delay_s, misbehaves=given >= self.after)

    async def at_end(self) -> None:
        """After the last result: no script is too short to fail or hang."""
        await self._wait(0.0, misbehaves=True)

    async def _wait(self, seconds: float, *, misbehaves: bool) -> None:
        try:
            await anyio.sleep(seconds)
            if misbehaves and self.fails is not None:
                raise self.fails(f"scripted to fail after {self.after} results")
            if misbehaves and self.hangs:
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if self.stubborn_s:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(self.stubborn_s)
            raise


class _Script(Generic[T]):
    def __init__(self, entries: Sequence[T]) -> None:
        self._entries = entries
        self._calls = 0

    def next(self) -> T:
        entry = self._entries[self._calls % len(self._entries)]
        self._calls += 1
        return entry


# --- speech to text -----------------------------------------------------------------------------------------


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
        self._script = _Script([Heard(entry) if isinstance(entry, str) else entry for entry in entries])
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
        self._words = _TOKEN.findall(heard.text)
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


# --- ends of turns ------------------------------------------------------------------------------------------


class ScriptedTurnEnds:
    """Says of each pause what its script says, at once; None for no answer."""

    def __init__(self, *script: float | None) -> None:
        self._script = _Script(script or (1.0,))

    def open(self, on_probability: Callable[[float], None]) -> TurnQuestions:
        """The questions of one session; all sessions share the script."""
        return _ScriptedQuestions(self._script, on_probability)


class _ScriptedQuestions:
    def __init__(self, script: _Script[float | None], on_probability: Callable[[float], None]) -> None:
        self._script = script
        self._on_probability = on_probability

    def ask(self, samples: Samples) -> None:
        probability = self._script.next()
        if probability is not None:
            self._on_probability(probability)

    def drop(self) -> None:
        """There is never a question that waits."""

    close = drop


# --- language -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a model: its text token by token, then its tool calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reason: Literal["stop", "length", "tool_calls", "content_filter"] | None = None
    """`tool_calls` or `stop` if not given."""
    conduct: Conduct = Conduct()
    expects: Expects | None = None
    """What the model says that it asks for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a model was asked."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    max_tokens: int | None
    tool_choice: ToolChoice = "auto"


class ScriptedModel:
    """Answers with its script, one entry a request. A token is a word with the white space before it."""

    def __init__(self, *script: str | Said, keep_requests: int = 16) -> None:
        entries = script or ("All right.",)
        self._script = _Script([Said(entry) if isinstance(entry, str) else entry for entry in entries])
        self.requests: deque[Request] = deque(maxlen=keep_requests)
        """The newest requests, for tests that ask what the model was told."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The next answer of the script."""
        self.requests.append(Request(tuple(messages), tuple(tools), max_tokens, tool_choice))
        return _tell(self._script.next(), messages, max_tokens)


class EchoSettings(BaseModel):
    """What an echo says, and how fast."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = "You said: "
    first_token_ms: float = Field(0, ge=0, le=60_000, description="from the request to the first token")
    tokens_per_s: float | None = Field(None, gt=0, le=10_000, description="None: as fast as they are read")


class EchoModel:
    """Says again what the person said last; good enough to hear the whole way through working."""

    interface = 1
    title = "an echo"
    capabilities = ModelCapabilities(tools=False)
    Settings = EchoSettings

    def __init__(self, prefix: str = "You said: ", conduct: Conduct = Conduct()) -> None:
        self._prefix = prefix
        self._conduct = conduct

    @classmethod
    def from_settings(cls, settings: EchoSettings) -> Self:
        """An echo of this speed."""
        gap_s = 1 / settings.tokens_per_s if settings.tokens_per_s else 0.0
        return cls(settings.prefix, Conduct(delay_s=settings.first_token_ms / 1000, gap_s=gap_s))

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The last user message, with the prefix before it."""
        words = next((message.content for message in reversed(messages) if message.role == "user"), "nothing")
        return _tell(Said(self._prefix + words, conduct=self._conduct), messages, max_tokens)


async def _tell(
    said: Said, messages: Sequence[Message], max_tokens: int | None
) -> AsyncGenerator[ModelEvent, None]:
    tokens = _TOKEN.findall(said.text)
    told = tokens if max_tokens is None else tokens[:max_tokens]
    results: list[ModelEvent] = [*map(TextDelta, told), *said.calls]
    for given, result in enumerate(results):
        await said.conduct.before(given)
        yield result
    await said.conduct.at_end()
    reason = said.reason or ("tool_calls" if said.calls else "stop")
    usage = Usage(sum(len(message.content.split()) for message in messages), len(told))
    yield Finished("length" if len(told) < len(tokens) else reason, usage, said.expects)


# --- text to speech -----------------------------------------------------------------------------------------


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
        self._script = _Script(script or (Conduct(),))
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
