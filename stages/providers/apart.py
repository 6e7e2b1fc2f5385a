"""Runs a provider on an event loop of its own, in a thread: it may block there, and only those who asked it wait.

A class says so by `apart = True`. Whatever it does after it was made, it does on that loop: a call of it is a task
there, what it gives comes over in order, and no more of it than `AHEAD` items before they are wanted. Cancelling does
not wait for a provider that blocks: what it still gives goes nowhere.
"""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar

import anyio.to_thread

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import Tool
from stages.ports import ModelEvent, Partial, Speech, SpeechHints, ToolChoice, Transcript, VoiceOption

T = TypeVar("T")

AHEAD = 8
"""Items that a stream may give before they are wanted."""


class Apart:
    """An event loop in a thread, for one provider."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider apart", daemon=True)
        self._thread.start()

    def soon(self, call: Callable[..., object], *values: object) -> None:
        """Call it there, after what was asked for before."""
        self._loop.call_soon_threadsafe(call, *values)

    async def of(self, made: Coroutine[Any, Any, T]) -> T:
        """What comes of a coroutine there. Cancel-safe: it is cancelled there too, and not waited for."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made, self._loop))

    async def stream(self, begin: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """What an async generator gives there."""
        passage = _Passage[T]()
        pumped = asyncio.run_coroutine_threadsafe(passage.pump(begin), self._loop)
        pumped.add_done_callback(lambda _: passage.arrived())
        try:
            is_over = False
            while not is_over:
                await passage.something()
                is_over = pumped.done()  # and if so, all that it gave has come
                while passage.waiting:
                    yield passage.waiting.popleft()
                    self.soon(passage.room.release)
            pumped.result()
        finally:
            passage.is_left = True
            pumped.cancel()

    async def close(self, farewell: Coroutine[Any, Any, None]) -> None:
        """Run this there as the last thing, and end the loop and its thread. May be called twice."""
        if self._loop.is_closed():
            farewell.close()
            return
        try:
            await self.of(farewell)
        finally:
            self.soon(self._loop.stop)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._thread.join)
            self._loop.close()


class _Passage(Generic[T]):
    """Items on their way from the loop of a provider to ours."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(AHEAD)
        """Belongs to the other loop."""
        self.is_left = False
        self._ours = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self.waiting = deque[T]()

    async def pump(self, begin: Callable[[], AsyncGenerator[T, None]]) -> None:
        """There: take what the generator gives."""
        async with aclosing(begin()) as items:
            async for item in items:
                await self.room.acquire()
                if self.is_left:
                    return
                self.waiting.append(item)
                self.arrived()

    def arrived(self) -> None:
        """There: something has come, or the end."""
        with suppress(RuntimeError):  # ours is closed already
            self._ours.call_soon_threadsafe(self._came.set)

    async def something(self) -> None:
        """Here: return when something has come since the last time, or the end."""
        await self._came.wait()
        self._came.clear()


async def _closed(provider: Any) -> None:
    closing = provider.close() if hasattr(provider, "close") else None
    if inspect.isawaitable(closing):
        await closing


class _Provider:
    """A provider on a loop of its own."""

    def __init__(self, provider: Any) -> None:
        self.capabilities = provider.capabilities
        self._inner = provider
        self._apart = Apart()

    async def close(self) -> None:
        """Close the provider, and end the loop and its thread."""
        await self._apart.close(_closed(self._inner))


class ModelApart(_Provider):
    """A language model on a loop of its own; implements `stages.ports.LanguageModel`."""

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """See `LanguageModel.stream`."""
        more: dict[str, Any] = {"tools": tools, "tool_choice": tool_choice, "max_tokens": max_tokens}
        async with aclosing(self._apart.stream(lambda: self._inner.stream(messages, **more))) as events:
            async for event in events:
                yield event


class VoiceApart(_Provider):
    """A voice on a loop of its own; implements `stages.ports.Synthesiser`."""

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """See `Synthesiser.voices`."""
        voices: Sequence[VoiceOption] = self._inner.voices
        return voices

    @property
    def rate_hz(self) -> int:
        """See `Synthesiser.rate_hz`."""
        return int(self._inner.rate_hz)

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """See `Synthesiser.stream`."""
        begin = partial(self._inner.stream, text, voice=voice, speed=speed)
        async with aclosing(self._apart.stream(begin)) as audio:
            async for speech in audio:
                yield speech


class RecogniserApart(_Provider):
    """A recogniser on a loop of its own; implements `stages.ports.Recogniser`."""

    @property
    def rate_hz(self) -> int:
        """See `Recogniser.rate_hz`."""
        return int(self._inner.rate_hz)

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "UtteranceApart":
        """See `Recogniser.open`."""
        return UtteranceApart(self._apart, self._inner, on_partial, hints)


class UtteranceApart:
    """One utterance of a recogniser on a loop of its own; implements `stages.ports.Recognition`."""

    def __init__(
        self, apart: Apart, recogniser: Any, on_partial: Callable[[Partial], None] | None, hints: SpeechHints
    ) -> None:
        self._apart = apart
        self._ours = asyncio.get_running_loop()
        self._on_partial = on_partial
        self._inner: Any = None
        self._error: Exception | None = None
        apart.soon(self._begin, recogniser, hints)

    def push(self, samples: Samples) -> None:
        """See `Recognition.push`."""
        self._apart.soon(self._push, samples.copy())

    async def final(self) -> Transcript:
        """See `Recognition.final`."""
        return await self._apart.of(self._final())

    def close(self) -> None:
        """See `Recognition.close`."""
        self._on_partial = None
        self._apart.soon(self._close)

    # --- there ---------------------------------------------------------------------------------------------

    def _begin(self, recogniser: Any, hints: SpeechHints) -> None:
        tell = None if self._on_partial is None else self._heard
        with self._kept():
            self._inner = recogniser.open(tell, hints=hints)

    def _push(self, samples: Samples) -> None:
        with self._kept():
            if self._inner is not None:
                self._inner.push(samples)

    async def _final(self) -> Transcript:
        if self._error is not None:
            raise self._error
        found: Transcript = await self._inner.final()
        return found

    def _close(self) -> None:
        with self._kept():
            if self._inner is not None:
                self._inner.close()

    def _heard(self, heard: Partial) -> None:
        self._ours.call_soon_threadsafe(self._tell, heard)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """What goes wrong is told by `final`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever a provider raises is raised where it is waited for
            self._error = error

    # --- here ----------------------------------------------------------------------------------------------

    def _tell(self, heard: Partial) -> None:
        if self._on_partial is not None:
            self._on_partial(heard)


APART: Mapping[str, Callable[[Any], Any]] = {"stt": RecogniserApart, "llm": ModelApart, "tts": VoiceApart}
"""By kind, what runs a provider apart."""
