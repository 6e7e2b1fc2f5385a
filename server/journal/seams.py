"""Recogniser, model, voice, end-of-turn model and servers of tools, seen through a session's door.

Each takes the real one, or None in a replay. What they are besides their protocol (`voices`, `rate_hz`) is read through
the door as well, so a replay needs nothing but the record.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from audio.formats import Samples
from server.journal.door import Door
from stageflow.context import Message
from stageflow.tools import Tool
from stages.ports import (
    EndOfTurnModel,
    LanguageModel,
    ModelEvent,
    Partial,
    Recogniser,
    Recognition,
    ServerTool,
    Speech,
    SpeechHints,
    Synthesiser,
    ToolChoice,
    ToolConnection,
    ToolOutput,
    ToolServers,
    Transcript,
    TurnEvent,
    TurnQuestions,
    TurnRecogniser,
    TurnStream,
    UtteranceSynthesiser,
    VoiceOption,
)


class _Fed:
    """An errand that is fed, and tells."""

    def __init__(self, door: Door, number: int | None, live: Any) -> None:
        self._door = door
        self._number = number
        self._live = live

    def push(self, samples: Samples) -> None:
        self._door.notes.live(lambda: self._live and self._live.push(samples))

    def close(self) -> None:
        if self._number is not None:
            self._door.close(self._number)
        self._door.notes.live(lambda: self._live and self._live.close())


class DoorRecognition(_Fed):
    """Implements `Recognition`."""

    async def final(self) -> Transcript:
        return await self._door.call("recogniser: final", self._final)

    async def _final(self) -> Transcript:
        live: Recognition = self._live
        return await live.final()


class DoorTurnStream(_Fed):
    """Implements `TurnStream`."""

    def end_turn(self) -> None:
        self._door.notes.live(lambda: self._live and self._live.end_turn())


class DoorRecogniser:
    """Implements `Recogniser` and `OwnsTurns`."""

    def __init__(self, door: Door, recogniser: Recogniser | None) -> None:
        self._door = door
        self._recogniser: Any = recogniser
        self.rate_hz: int = door.notes.read("recogniser.rate_hz", lambda: self._recogniser.rate_hz)
        owns = door.notes.read(
            "recogniser.turns", lambda: getattr(self._recogniser, "turns", None) is not None
        )
        self.turns: TurnRecogniser | None = DoorTurns(door, self._turns) if owns else None

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> DoorRecognition:
        number, tell = _inward(self._door, "recogniser: partials", on_partial)
        live = self._door.notes.live(lambda: self._recogniser and self._recogniser.open(tell, hints=hints))
        return DoorRecognition(self._door, number, live)

    def _turns(self) -> TurnRecogniser | None:
        turns: TurnRecogniser | None = getattr(self._recogniser, "turns", None)
        return turns


class DoorTurns:
    """Implements `TurnRecogniser`."""

    def __init__(self, door: Door, turns: Callable[[], TurnRecogniser | None]) -> None:
        self._door = door
        self._turns = turns
        self.rate_hz: int = door.notes.read("turns.rate_hz", lambda: getattr(turns(), "rate_hz", 0))

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        number, tell = _inward(self._door, "recogniser: turns", on_event)
        turns = self._turns()
        live = self._door.notes.live(lambda: turns and tell and turns.open_turns(tell, hints=hints))
        return DoorTurnStream(self._door, number, live)


class DoorTurnEnds:
    """Implements `EndOfTurnModel`."""

    def __init__(self, door: Door, model: EndOfTurnModel | None) -> None:
        self._door = door
        self._model: Any = model

    def open(self, on_probability: Callable[[float], None]) -> TurnQuestions:
        number, tell = _inward(self._door, "end of turn", on_probability)
        return DoorQuestions(
            self._door, number, self._door.notes.live(lambda: self._model and self._model.open(tell))
        )


class DoorQuestions:
    """Implements `TurnQuestions`."""

    def __init__(self, door: Door, number: int | None, live: Any) -> None:
        self._door = door
        self._number = number
        self._live = live

    def ask(self, samples: Samples) -> None:
        self._door.notes.live(lambda: self._live and self._live.ask(samples))

    def drop(self) -> None:
        self._door.notes.live(lambda: self._live and self._live.drop())

    def close(self) -> None:
        if self._number is not None:
            self._door.close(self._number)
        self._door.notes.live(lambda: self._live and self._live.close())


class DoorModel:
    """Implements `LanguageModel`."""

    def __init__(self, door: Door, model: LanguageModel | None, name: str = "model") -> None:
        self._door = door
        self._model: Any = model
        self._name = name

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        return self._door.stream(
            self._name,
            lambda: self._model.stream(messages, tools=tools, tool_choice=tool_choice, max_tokens=max_tokens),
        )


class _DoorVoice:
    def __init__(self, door: Door, voice: Any) -> None:
        self._door = door
        self._voice = voice
        self.rate_hz: int = door.notes.read("voice.rate_hz", lambda: self._voice.rate_hz)
        self.voices: Sequence[VoiceOption] = door.notes.read(
            "voice.voices", lambda: tuple(self._voice.voices)
        )


class DoorPieceVoice(_DoorVoice):
    """Implements `Synthesiser`."""

    def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        return self._door.stream("voice", lambda: self._voice.stream(text, voice=voice, speed=speed))


class DoorUtteranceVoice(_DoorVoice):
    """Implements `UtteranceSynthesiser`."""

    @asynccontextmanager
    async def utterance(
        self, *, voice: str | None = None, speed: float = 1.0, language: str | None = None
    ) -> AsyncIterator["DoorUtterance"]:
        enter = partial(self._enter, voice=voice, speed=speed, language=language)
        async with self._door.context_of("voice: utterance", enter) as number:
            yield DoorUtterance(self._door, number)

    def _enter(self, **how: Any) -> AbstractAsyncContextManager[Any]:
        entered: AbstractAsyncContextManager[Any] = self._voice.utterance(**how)
        return entered


class DoorUtterance:
    """Implements `SpokenUtterance`."""

    def __init__(self, door: Door, number: int) -> None:
        self._door = door
        self._live: Any = door.beyond.value(number)

    @property
    def waiting_chars(self) -> int:
        return int(self._door.notes.read("voice.waiting_chars", lambda: self._live.waiting_chars))

    async def push(self, text: str) -> None:
        await self._door.call("voice: push", lambda: self._live.push(text))

    async def finish(self) -> None:
        await self._door.call("voice: finish", lambda: self._live.finish())

    def cancel(self) -> None:
        self._door.notes.live(lambda: self._live and self._live.cancel())

    def audio(self) -> AsyncGenerator[Speech, None]:
        return self._door.stream("voice: audio", lambda: self._live.audio())


def door_voice(door: Door, voice: Synthesiser | UtteranceSynthesiser | None) -> Any:
    """The voice as what it is: one that opens utterances, or one that speaks piece by piece."""
    opens = door.notes.read("voice.opens_utterances", lambda: hasattr(voice, "utterance"))
    return (DoorUtteranceVoice if opens else DoorPieceVoice)(door, voice)


class DoorToolServers:
    """Implements `ToolServers`."""

    def __init__(self, door: Door, servers: ToolServers | None) -> None:
        self._door = door
        self._servers: Any = servers

    @asynccontextmanager
    async def connect(self, url: str, headers: Mapping[str, str]) -> AsyncIterator["DoorConnection"]:
        enter = partial(self._enter, url, headers)
        async with self._door.context_of(f"tool server {url}", enter, is_vital=True) as number:
            yield DoorConnection(self._door, number)

    def _enter(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
        entered: AbstractAsyncContextManager[Any] = self._servers.connect(url, headers)
        return entered


class DoorConnection:
    """Implements `ToolConnection`."""

    def __init__(self, door: Door, number: int) -> None:
        self._door = door
        self._live: ToolConnection = door.beyond.value(number)

    async def tools(self) -> tuple[ServerTool, ...]:
        return await self._door.call("tools: list", lambda: self._live.tools())

    async def call(self, name: str, arguments: Mapping[str, object]) -> ToolOutput:
        return await self._door.call(f"tools: {name}", lambda: self._live.call(name, arguments))


def _inward(
    door: Door, what: str, tell: Callable[[Any], None] | None
) -> tuple[int | None, Callable[[Any], None] | None]:
    """An errand that tells, and what the provider calls with what it has to tell."""
    if tell is None:
        return None, None
    number = door.open(what, tell)
    return number, partial(door.beyond.report, number)
