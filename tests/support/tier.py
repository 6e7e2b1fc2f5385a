"""A model tier for tests: its own streams behind a server that does wrong what it is told, with engines by script."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from audio.formats import SPEECH_HZ, Samples
from stages.ports import HeardWord, Partial, RecogniserCapabilities, SpeechHints, Transcript
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.line import Line, Opening, Refusal
from stages.tier.engine import EngineChoice, TierEngine, TierKind

KEY = "a-key-of-the-tier"


class CodedRecogniser:
    """Hears coded words; an utterance may be asked for its text again and again."""

    interface = 1
    capabilities = RecogniserCapabilities(partials=True, languages=("*",))
    rate_hz = SPEECH_HZ

    def __init__(self, coded: CodedWords) -> None:
        self.coded = coded
        self.hints: list[SpeechHints] = []

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "_CodedRecognition":
        self.hints.append(hints)
        return _CodedRecognition(self.coded, on_partial)


class _CodedRecognition:
    def __init__(self, coded: CodedWords, on_partial: Callable[[Partial], None] | None) -> None:
        self._ear = coded.ear()
        self._on_partial = on_partial
        self._words: list[HeardWord] = []

    def push(self, samples: Samples) -> None:
        self._hear(self._ear.push(samples))

    async def final(self) -> Transcript:
        self._hear(self._ear.flush())
        return Transcript(self._text, "en", 0.0 if self._words else 1.0, -0.25, tuple(self._words), 0.9)

    def close(self) -> None:
        self._on_partial = None

    @property
    def _text(self) -> str:
        return " ".join(word.text for word in self._words)

    def _hear(self, heard: Any) -> None:
        for word in heard:
            self._words.append(HeardWord(word.text, word.start_sample // 16, word.end_sample // 16))
        if heard and self._on_partial is not None:
            self._on_partial(Partial(self._text, self._text))


class FakeTier:
    """A replica of the tier behind `stages.testing.servers.serving`, which records and does wrong what is asked."""

    def __init__(self, kind: TierKind, provider: Any) -> None:
        self.engine = TierEngine(EngineChoice(kind, "scripted"), provider)

    def judge(self, opening: Opening) -> Refusal | None:
        if opening.path != f"/v1/{self.engine.choice.kind}":
            return Refusal(404)
        return None if opening.headers.get("authorization") == f"Bearer {KEY}" else Refusal(401)

    async def refuse(self, line: Line) -> None:
        await line.close(1013, "full")

    async def converse(self, line: Line) -> None:
        await self.engine.serve(_LineChannel(line))


class _LineChannel:
    def __init__(self, line: Line) -> None:
        self._line = line
        self._messages: AsyncIterator[str | bytes] = line.messages()

    async def receive(self) -> str | bytes | None:
        return await anext(self._messages, None)

    async def send(self, message: str | bytes) -> None:
        await self._line.tell(message)
