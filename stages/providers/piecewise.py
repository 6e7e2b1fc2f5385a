"""Opens an utterance on any voice: on one that speaks a piece a call, by calling it once a piece.

The stage that speaks knows utterances only (`SpokenUtterance`); a one-shot service needs nothing but `stream`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import anyio
from anyio.lowlevel import checkpoint

from stages.ports import Speech, SpokenUtterance, Synthesiser, UtteranceSynthesiser
from stages.text.guess import guess_language


def open_utterance(
    voice: Synthesiser | UtteranceSynthesiser,
    *,
    name: str | None = None,
    speed: float = 1.0,
    language: str | None = None,
) -> AbstractAsyncContextManager[SpokenUtterance]:
    """An utterance of `voice`; of one that speaks piece by piece, each piece follows when the last is complete."""
    if hasattr(voice, "utterance"):
        return voice.utterance(voice=name, speed=speed, language=language)
    return _piecewise(voice, name, speed, language)


def voice_for(voice: object, name: str | None, language: str | None) -> str | None:
    """The name of the voice that speaks `language` for who has asked for `name`: that one if it does, or the first that
    does. Voices of several languages say in `voice_languages` what each of them speaks, by name and in their order."""
    spoken: Mapping[str, str] = getattr(voice, "voice_languages", {})
    if language is None or spoken.get(name or "") == language:
        return name
    return next((known for known, code in spoken.items() if code == language), name)


@asynccontextmanager
async def _piecewise(
    voice: Synthesiser, name: str | None, speed: float, language: str | None
) -> AsyncGenerator[SpokenUtterance, None]:
    utterance = PiecewiseUtterance(voice, name, speed, language)
    try:
        yield utterance
    finally:
        utterance.cancel()


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A piece of the text, and who has pushed it."""

    text: str
    spoken: asyncio.Future[bool]
    """Once all of its audio has been taken; False if there will be none."""

    def settle(self, *, is_spoken: bool) -> None:
        """Let go whoever has pushed it, who may have been cancelled."""
        if not self.spoken.done():
            self.spoken.set_result(is_spoken)


class PiecewiseUtterance:
    """An utterance whose pieces are spoken one call each. `push` returns when the piece's audio is complete."""

    def __init__(
        self, voice: Synthesiser, name: str | None = None, speed: float = 1.0, language: str | None = None
    ) -> None:
        """Where the `language` is not known, the words of each piece tell."""
        self._voice = voice
        self._language, self._is_told = language, language is not None
        self._name = name
        self._speed = speed
        self._pieces: deque[_Piece] = deque()
        """Those that are yet to be spoken."""
        self._is_over = False
        self._changed = asyncio.Event()
        self.waiting_chars = 0

    async def push(self, text: str) -> None:
        """Have the piece spoken; waits until all of its audio has been taken. Raises ClosedResourceError where none is
        taken any more."""
        self.waiting_chars += len(text)
        if self._is_over:
            await self._refuse()
        piece = _Piece(text, asyncio.get_running_loop().create_future())
        self._pieces.append(piece)
        self._changed.set()
        try:
            if not await piece.spoken:
                await self._refuse()
        finally:
            if piece in self._pieces:  # nobody waits for it any more
                self._pieces.remove(piece)

    async def _refuse(self) -> NoReturn:
        """Raise ClosedResourceError, but in a task that is being cancelled: there that is no fault of the voice."""
        await checkpoint()
        raise anyio.ClosedResourceError

    async def finish(self) -> None:
        """No more pieces come."""
        self._is_over = True
        self._changed.set()

    def cancel(self) -> None:
        """Take no more pieces. The piece that is being spoken ends with whoever iterates."""
        self._is_over = True
        self._changed.set()
        while self._pieces:
            self._pieces.popleft().settle(is_spoken=False)

    async def audio(self) -> AsyncGenerator[Speech, None]:
        """The audio of all pieces."""
        at = chars = 0
        while (piece := await self._next()) is not None:
            text = piece.text
            begins: int | None = chars
            if not self._is_told:
                self._language = guess_language(text) or self._language
            name = voice_for(self._voice, self._name, self._language)
            async with aclosing(self._voice.stream(text.strip(), voice=name, speed=self._speed)) as stream:
                start = at
                async for speech in stream:
                    yield Speech(speech.samples, tuple(word.later(start) for word in speech.words), begins)
                    at += len(speech.samples)
                    begins = None if len(speech.samples) else begins
            chars += len(text)
            self.waiting_chars -= len(text)
            piece.settle(is_spoken=True)

    async def _next(self) -> _Piece | None:
        """The next piece; None when there is none, or it was cancelled."""
        while not self._pieces:
            if self._is_over:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._pieces.popleft()
