"""Runs a provider on an event loop of its own, in a thread: it may block there, and only those who asked it wait.

A class of somebody else's runs so, unless it says `apart = False` or has what cannot. Whatever it does after it was
made, it does on that loop; what it keeps open for a session is opened and closed there too.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import Tool
from stages.ports import ModelEvent, Partial, Speech, SpeechHints, ToolChoice, Transcript, VoiceOption
from stages.providers.apart_detector import DetectorApart, closed
from stages.providers.tied import is_tied
from stages.runtime.contexts import context_of_task
from stages.runtime.plug_in_loops import Apart, path_of

log = logging.getLogger(__name__)


class _Provider:
    """A provider on a loop of its own."""

    def __init__(self, provider: Any, loop: Apart | None = None, capabilities: Any = None) -> None:
        """What is for one session is on the loop of the provider that gives it, and has its capabilities."""
        self.capabilities = capabilities if loop else getattr(provider, "capabilities", None)
        self._inner = provider
        self.runs = provider
        """What it is that runs apart."""
        self._apart = loop or Apart(path_of(provider))
        self._stays = False
        """What it gives for a session cannot run apart, as has been seen."""
        if loop is None and hasattr(provider, "session"):
            self.session: Callable[[], AbstractAsyncContextManager[Any]] = self._session

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        """See `HasSessions.session`."""
        if not self._stays:
            async with self._apart.held(self._inner.session) as view:
                if not is_tied(view):
                    yield type(self)(view, self._apart, self.capabilities)
                    return
            self._stays = True
            log.warning(
                "%s runs on the event loop of all sessions: what it gives for one has more than `open` or `stream`",
                path_of(self),
            )
        async with self._inner.session() as view:
            yield view

    async def close(self) -> None:
        """Close the provider, and end the loop and its thread."""
        await self._apart.close(partial(closed, self._inner))


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
    def voice_languages(self) -> Mapping[str, str]:
        """The code of the language that each voice speaks, where a class says it."""
        spoken: Mapping[str, str] = getattr(self._inner, "voice_languages", {})
        return spoken

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
        self._context = context_of_task()
        self._on_partial = on_partial
        self._inner: Any = None
        self._error: Exception | None = None
        apart.call(self._begin, recogniser, hints)

    def push(self, samples: Samples) -> None:
        """See `Recognition.push`."""
        self._apart.call(self._push, samples.copy())

    async def final(self) -> Transcript:
        """See `Recognition.final`."""
        return await self._apart.of(self._final())

    def close(self) -> None:
        """See `Recognition.close`."""
        self._on_partial = None
        self._apart.call(self._close)

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
        self._ours.call_soon_threadsafe(self._tell, heard, context=self._context)

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


class TurnEndsApart(_Provider):
    """An end-of-turn model on a loop of its own; implements `stages.ports.EndOfTurnModel`."""

    def open(self, on_probability: Callable[[float], None]) -> "QuestionsApart":
        """See `EndOfTurnModel.open`."""
        return QuestionsApart(self._apart, self._inner, on_probability)


class QuestionsApart:
    """What one session asks an end-of-turn model on a loop of its own; implements `stages.ports.TurnQuestions`."""

    def __init__(self, apart: Apart, model: Any, on_probability: Callable[[float], None]) -> None:
        self._apart = apart
        self._ours = asyncio.get_running_loop()
        self._on_probability = on_probability
        self._question = 0
        """The number of the one whose answer is wanted; others are fenced off."""
        self._asked = 0
        """The number of the one that the model has. Only touched there."""
        self._inner: Any = None
        self._there(self._begin, model)

    def ask(self, samples: Samples) -> None:
        """See `TurnQuestions.ask`."""
        self._question += 1
        self._there(self._ask, self._question, samples.copy())

    def drop(self) -> None:
        """See `TurnQuestions.drop`."""
        self._question += 1
        self._there(self._call, "drop")

    def close(self) -> None:
        """See `TurnQuestions.close`."""
        self._question += 1
        self._there(self._call, "close")

    def _there(self, call: Callable[..., None], *values: Any) -> None:
        self._apart.call(self._kept, call, *values)

    def _told(self, number: int, probability: float) -> None:
        if number == self._question:
            self._on_probability(probability)

    # --- there ---------------------------------------------------------------------------------------------

    def _kept(self, call: Callable[..., None], *values: Any) -> None:
        try:
            call(*values)
        except Exception:
            log.exception("%s failed; that pause has no answer", self._apart.name)

    def _begin(self, model: Any) -> None:
        self._inner = model.open(self._answered)

    def _ask(self, number: int, samples: Samples) -> None:
        self._asked = number
        if self._inner is not None:
            self._inner.ask(samples)

    def _call(self, name: str) -> None:
        if self._inner is not None:
            getattr(self._inner, name)()

    def _answered(self, probability: float) -> None:
        self._ours.call_soon_threadsafe(self._told, self._asked, probability)


APART: Mapping[str, Callable[[Any], Any]] = {
    "stt": RecogniserApart,
    "llm": ModelApart,
    "tts": VoiceApart,
    "end_of_turn": TurnEndsApart,
    "vad": DetectorApart,
}
"""By kind, what runs a provider apart."""
