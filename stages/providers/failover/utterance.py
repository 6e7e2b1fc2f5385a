"""One answer on its way to sound by several voices, one after the other.

A task of its own speaks: it opens an utterance of a voice, gives it the text from where the last one came to, and
hands its audio on. Whoever pushes waits until the voice of the moment has taken the piece; whoever iterates is handed
one stretch at a time, so nothing piles up in between.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

import anyio
import numpy as np
from anyio.streams.memory import MemoryObjectSendStream

from audio.resample import Resampler
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.ports import Speech, SpokenUtterance, Synthesiser, UtteranceSynthesiser, VoiceOption, WordTime
from stages.providers.failover.chain import Attempt, Chain
from stages.providers.failover.position import Heard, resume_at
from stages.providers.piecewise import open_utterance
from stages.text.word_times import is_word

Voice = Synthesiser | UtteranceSynthesiser

_NOTHING = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True)
class Choice:
    """How an answer is spoken."""

    voice: str | None
    speed: float
    language: str | None
    rate_hz: int
    late_s: float
    """How long the next audio of a text may take."""


class Text:
    """The answer's pieces as they come."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.chars = 0
        self.is_complete = False
        self._changed = anyio.Event()

    def push(self, piece: str) -> None:
        """Append it."""
        self.pieces.append(piece)
        self.chars += len(piece)
        self.tell()

    def complete(self) -> None:
        """There is no more."""
        self.is_complete = True
        self.tell()

    def tell(self) -> None:
        """Wake who waits for a change, in the text or in what was taken of it."""
        self._changed.set()
        self._changed = anyio.Event()

    async def change(self) -> None:
        """Wait for one."""
        await self._changed.wait()

    def after(self, position: int) -> str:
        """The piece there, or what is left of it; empty at the end."""
        start = 0
        for piece in self.pieces:
            if start + len(piece) > position:
                return piece[max(0, position - start) :]
            start += len(piece)
        return ""


class _State(Enum):
    SPEAKING = auto()
    OVER = auto()
    CANCELLED = auto()


class FailoverUtterance:
    """A `SpokenUtterance`. `run` speaks it, in a task of its owner's; leaving its block lets go of its stream."""

    def __init__(self, chain: Chain[Voice], choice: Choice) -> None:
        self._chain = chain
        self._choice = choice
        self._text = Text()
        self._part: _Part | None = None
        self._state = _State.SPEAKING
        self._error: ProviderError | None = None
        self._scope = anyio.CancelScope()
        self._send, self._receive = anyio.create_memory_object_stream[Speech]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._send.close()
        self._receive.close()

    @property
    def waiting_chars(self) -> int:
        """How much of the text has not come back as audio."""
        if self._state is not _State.SPEAKING:
            return 0
        part = self._part
        return self._text.chars if part is None else self._text.chars - part.given + part.waiting

    async def push(self, text: str) -> None:
        """Append a piece; waits until a voice has taken those before it. Raises ProviderError."""
        before = self._text.chars
        self._text.push(text)
        while self._state is _State.SPEAKING and self._taken < before:
            await self._text.change()
        self._check()

    @property
    def _taken(self) -> int:
        return self._part.taken if self._part is not None else 0

    async def finish(self) -> None:
        """The text is complete. Raises ProviderError."""
        self._text.complete()
        self._check()

    def cancel(self) -> None:
        """No audio comes afterwards."""
        if self._state is _State.SPEAKING:
            self._state = _State.CANCELLED
        if self._part is not None:
            self._part.cancel()
        self._scope.cancel()
        self._text.tell()

    async def audio(self) -> AsyncGenerator[Speech, None]:
        """What is spoken, by whichever voice. Raises the last one's ProviderError."""
        async for speech in self._receive:
            if self._state is _State.CANCELLED:
                return
            yield speech
        self._check()

    async def run(self) -> None:
        """Speak with one voice after the other, until one comes to the end. Never raises a ProviderError."""
        with self._scope, self._send:
            base = samples = 0
            for attempt in self._chain.attempts():
                self._part = part = _Part(attempt, self._choice, self._text, base, samples, self._send)
                self._text.tell()
                try:
                    await part.speak()
                    break
                except ProviderError as error:
                    attempt.failed(error)
                    base, samples = part.resume_at(), part.end_sample
                    if self._text.is_complete and samples and base >= self._text.chars:
                        break
                    self._error = error if attempt.is_last else None
            self._state = _State.OVER
            self._text.tell()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


class _Part:
    """One voice's part of the answer."""

    def __init__(
        self,
        attempt: Attempt[Voice],
        choice: Choice,
        text: Text,
        base: int,
        start_sample: int,
        send: MemoryObjectSendStream[Speech],
    ) -> None:
        self.heard = Heard(base, base, base)
        self.given = self.taken = base
        """Up to where the voice was given the text, and up to where the voice has taken the text."""
        self._attempt = attempt
        self._choice = choice
        self._text = text
        self._start_sample = start_sample
        self.end_sample = start_sample
        self._send = send
        self._resampler = Resampler(attempt.provider.rate_hz, choice.rate_hz)
        self._utterance: SpokenUtterance | None = None
        self._wait = anyio.CancelScope()

    @property
    def waiting(self) -> int:
        """How many of the given characters have not come back as audio."""
        return self._utterance.waiting_chars if self._utterance is not None else 0

    def cancel(self) -> None:
        """Be done with it at once."""
        if self._utterance is not None:
            self._utterance.cancel()

    def resume_at(self) -> int:
        """Where the next voice goes on."""
        return resume_at(self._text.pieces, self.heard)

    async def speak(self) -> None:
        """To the end of the text. Raises ProviderError."""
        choice = self._choice
        try:
            async with open_utterance(
                audible(self._attempt.provider),
                name=choice.voice,
                speed=choice.speed,
                language=choice.language,
            ) as self._utterance:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._feed, self._utterance)
                    await self._hear(self._utterance)
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            # One of the two failed; the other, if it is in there at all, was a consequence.
            raise several.exceptions[0] from None

    async def _feed(self, utterance: SpokenUtterance) -> None:
        while True:
            if piece := self._text.after(self.given):
                if self.given == self.heard.base:
                    self._attempt.begins()
                self._expect_audio()
                self.given += len(piece)
                await utterance.push(piece)
                self.taken = self.given
                if not utterance.waiting_chars:
                    self._wait.deadline = math.inf
                self._text.tell()
            elif self._text.is_complete:
                await utterance.finish()
                if utterance.waiting_chars:
                    self._expect_audio()
                return
            else:
                await self._text.change()

    async def _hear(self, utterance: SpokenUtterance) -> None:
        async with aclosing(utterance.audio()) as speeches:
            while (speech := await self._patiently(anext(speeches, None), utterance)) is not None:
                await self._hand_on(speech)
        text = "".join(self._text.pieces)[self.heard.base :]
        if not self._text.is_complete or self.given < self._text.chars:
            raise ProviderError("the voice ended before its text did", kind=ErrorKind.PROTOCOL)
        if not self.heard.samples and is_word(text):
            raise ProviderError("the voice gave no sound", kind=ErrorKind.NO_AUDIO)
        if self.heard.samples:
            await self._hand_on(Speech(_NOTHING), last=True)

    async def _patiently(self, coming: Awaitable[Speech | None], utterance: SpokenUtterance) -> Speech | None:
        """The next audio; it is late only while there is text whose audio has not come."""
        with anyio.CancelScope() as self._wait:
            if utterance.waiting_chars:
                self._expect_audio()
            return await coming
        raise ProviderTimeout(f"no sound within {self._choice.late_s:g} s", kind=ErrorKind.TIMEOUT)

    def _expect_audio(self) -> None:
        if not self._attempt.is_last and self._is_due() and self._wait.deadline == math.inf:
            self._wait.deadline = anyio.current_time() + self._choice.late_s

    def _is_due(self) -> bool:
        """Whether audio must come. In the middle of an answer a voice that streams text may wait for more of it."""
        streams_text = hasattr(self._attempt.provider, "utterance")
        return not (streams_text and self.heard.samples) or self._text.is_complete

    async def _hand_on(self, speech: Speech, *, last: bool = False) -> None:
        heard = self.heard
        begins = heard.base + speech.begins if speech.begins is not None else None
        if len(speech.samples):
            begins = heard.base if begins is None and not heard.samples and heard.base else begins
            heard.begins = heard.begins if begins is None else begins
            heard.samples += len(speech.samples)
            heard.spoken = self.given - self.waiting
            self._attempt.succeeded()
            if self._attempt.call is not None:
                self._attempt.call.audio(heard.samples / self._attempt.provider.rate_hz)
        heard.words += sum(is_word(word.text) for word in speech.words)
        words = tuple(self._placed(word) for word in speech.words)
        samples = self._resampler.process(speech.samples, last)
        self.end_sample += len(samples)
        if len(samples) or words or begins is not None:
            await self._send.send(Speech(samples, words, begins))

    def _placed(self, word: WordTime) -> WordTime:
        """The word on the clock of the answer."""
        ratio = self._choice.rate_hz / self._attempt.provider.rate_hz
        start, end = round(word.start_sample * ratio), round(word.end_sample * ratio)
        return WordTime(word.text, start, end).later(self._start_sample)


def audible(voice: Voice) -> Voice:
    """The voice; one that speaks piece by piece fails at a piece that it gives no sound for."""
    return voice if hasattr(voice, "utterance") else _Audible(voice)


class _Audible:
    """A one-shot voice for which silence is a failure, where there are words."""

    def __init__(self, voice: Synthesiser) -> None:
        self._voice = voice

    @property
    def voices(self) -> Sequence[VoiceOption]:
        return self._voice.voices

    @property
    def rate_hz(self) -> int:
        return self._voice.rate_hz

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        samples = 0
        async with aclosing(self._voice.stream(text, voice=voice, speed=speed)) as stream:
            async for speech in stream:
                samples += len(speech.samples)
                yield speech
        if not samples and is_word(text):
            raise ProviderError("the voice gave no sound", kind=ErrorKind.NO_AUDIO)
