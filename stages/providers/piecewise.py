"""Opens an utterance on any voice: on one that speaks a piece a call, by calling it once a piece.

The stage that speaks knows utterances only (`SpokenUtterance`); a one-shot service needs nothing but `stream`.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import anyio

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
        self._pieces, self._waiting = anyio.create_memory_object_stream[str]()
        self._spoken = anyio.Semaphore(0)
        self.waiting_chars = 0

    async def push(self, text: str) -> None:
        """Have the piece spoken; waits until all of its audio has been taken."""
        self.waiting_chars += len(text)
        await self._pieces.send(text)
        await self._spoken.acquire()

    async def finish(self) -> None:
        """No more pieces come."""
        self._pieces.close()

    def cancel(self) -> None:
        """Take no more pieces. The piece that is being spoken ends with whoever iterates."""
        self._pieces.close()
        self._waiting.close()

    async def audio(self) -> AsyncGenerator[Speech, None]:
        """The audio of all pieces."""
        at = chars = 0
        while (piece := await self._next()) is not None:
            begins: int | None = chars
            if not self._is_told:
                self._language = guess_language(piece) or self._language
            name = voice_for(self._voice, self._name, self._language)
            async with aclosing(self._voice.stream(piece.strip(), voice=name, speed=self._speed)) as stream:
                start = at
                async for speech in stream:
                    yield Speech(speech.samples, tuple(word.later(start) for word in speech.words), begins)
                    at += len(speech.samples)
                    begins = None if len(speech.samples) else begins
            chars += len(piece)
            self.waiting_chars -= len(piece)
            self._spoken.release()

    async def _next(self) -> str | None:
        """The next piece; None when there is none, or it was cancelled."""
        try:
            return await self._waiting.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            return None
