"""A turn of a session through any adapter, and the session itself: what is measured of all, and asked of all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio

from stageflow.context import Message
from stages.ports import HasSessions, SpokenUtterance, TurnOver
from stages.providers.piecewise import open_utterance
from stages.testing.servers.coded import CodedWords
from tests.support.adapters import Adapter
from tests.support.hosted import SENTENCE, Told, frames

Turn = Callable[[], Coroutine[Any, Any, None]]

_FRAMES_A_PAUSE = 4
"""Of 20 ms, after which the loop turns: what adapters send at once is 80 ms."""
_SPEECH = {
    rate: list(frames(CodedWords(SENTENCE, rate_hz=rate).samples(), rate)) for rate in (16_000, 24_000)
}
_SAID = ("Good morning.", " How are you today?")


async def _hear(ear: Any) -> None:
    recognition = ear.open(lambda partial: None)
    try:
        for number, frame in enumerate(_SPEECH[ear.rate_hz]):
            recognition.push(frame)
            if number % _FRAMES_A_PAUSE == 0:
                await asyncio.sleep(0)
        assert (await recognition.final()).text
    finally:
        recognition.close()


async def _say(voice: Any) -> None:
    async def push(utterance: SpokenUtterance) -> None:
        for piece in _SAID:
            await utterance.push(piece)
        await utterance.finish()

    async with open_utterance(voice) as utterance, anyio.create_task_group() as tasks:
        tasks.start_soon(push, utterance)
        async with aclosing(utterance.audio()) as audio:
            assert [speech async for speech in audio]


async def _answer(model: Any) -> None:
    async with aclosing(model.stream((Message(role="user", content="Hello."),))) as events:
        assert [event async for event in events]


class _Turns:
    """A recogniser that finds the ends of turns itself: a turn is speech and the silence after it."""

    def __init__(self, ear: Any) -> None:
        self._told = Told()
        self._speech = _SPEECH[ear.rate_hz]
        self._stream = ear.open_turns(self._told)

    async def __call__(self) -> None:
        self._told.events.clear()
        silence = [0 * self._speech[0]] * 50
        for number, frame in enumerate([*self._speech, *silence]):
            self._stream.push(frame)
            if number % _FRAMES_A_PAUSE == 0:
                await asyncio.sleep(0)
        await self._told.until(TurnOver)

    def close(self) -> None:
        self._stream.close()


@asynccontextmanager
async def provider_of(adapter: Adapter, url: str) -> AsyncIterator[Any]:
    """The provider, which all sessions of a process share."""
    provider = adapter.make(url)
    try:
        yield provider
    finally:
        if hasattr(provider, "close"):
            await provider.close()


@asynccontextmanager
async def session_of(provider: Any) -> AsyncIterator[Any]:
    """A session's view of the provider."""
    async with AsyncExitStack() as stack:
        is_opened = isinstance(provider, HasSessions)
        yield await stack.enter_async_context(provider.session()) if is_opened else provider


@asynccontextmanager
async def session(adapter: Adapter, provider: Any) -> AsyncIterator[Turn]:
    """A turn of a session, to be had as often as one likes."""
    async with session_of(provider) as one:
        if adapter.kind == "turns":
            turns = _Turns(one)
            yield turns
            turns.close()
        else:
            turn = {"stt": _hear, "tts": _say, "llm": _answer}[adapter.kind]
            yield lambda: turn(one)
