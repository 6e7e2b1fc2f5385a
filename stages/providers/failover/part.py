"""One voice's part of an answer that several voices speak: the text goes to it as it comes, its audio is handed on."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio
import numpy as np
from anyio.streams.memory import MemoryObjectSendStream

from audio.resample import Resampler
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.patience import Lateness
from stages.ports import Speech, SpokenUtterance, Synthesiser, UtteranceSynthesiser, VoiceOption, WordTime
from stages.providers.failover.chain import Attempt
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
        """Append text to the part."""
        self.pieces.append(piece)
        self.chars += len(piece)
        self.tell()

    def complete(self) -> None:
        """Note that no more text comes."""
        self.is_complete = True
        self.tell()

    def tell(self) -> None:
        """Wake who waits for a change, in the text or in what was taken of it."""
        self._changed.set()
        self._changed = anyio.Event()

    async def change(self) -> None:
        """Wait for a change."""
        await self._changed.wait()

    def after(self, position: int) -> str:
        """The piece there, or what is left of it; empty at the end."""
        start = 0
        for piece in self.pieces:
            if start + len(piece) > position:
                return piece[max(0, position - start) :]
            start += len(piece)
        return ""


@dataclass(slots=True, eq=False)
class Start:
    """How a part begins."""

    sample: int
    """Its place in the answer."""
    asked: anyio.Event = field(default_factory=anyio.Event)
    """It was given the first of the text."""
    sounds: anyio.Event = field(default_factory=anyio.Event)
    """The first of its audio has come."""
    may_sound: Callable[[], bool] = lambda: True
    """Asked with the first of its audio: where another voice was quicker, nothing is handed on."""


class Part:
    """From where the last voice came to, up to the end or its failure."""

    def __init__(
        self,
        attempt: Attempt[Voice],
        choice: Choice,
        text: Text,
        base: int,
        start_sample: int,
        send: MemoryObjectSendStream[Speech],
    ) -> None:
        """`attempt` is of this voice, and nobody else's."""
        self.attempt = attempt
        self.start = Start(start_sample)
        self.heard = Heard(base, base, base)
        self.given = self.taken = base
        """Up to where the voice was given the text, and up to where the voice has taken the text."""
        self._choice = choice
        self._text = text
        self.end_sample = start_sample
        self._send = send
        self._resampler = Resampler(attempt.provider.rate_hz, choice.rate_hz)
        self._utterance: SpokenUtterance | None = None
        self._wait: Lateness | None = None
        """While audio is waited for; not while it is handed on."""

    @property
    def waiting(self) -> int:
        """How many of the given characters have not come back as audio."""
        return self._utterance.waiting_chars if self._utterance is not None else 0

    def cancel(self) -> None:
        """Cancel the part at once."""
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
                audible(self.attempt.provider),
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
                if self.attempt.call is None:
                    self.attempt.begins()
                self.start.asked.set()
                self._expect_audio()
                self.given += len(piece)
                await utterance.push(piece)
                self.taken = self.given
                if not utterance.waiting_chars and self._wait is not None:
                    self._wait.rest()
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
        self._wait = wait = Lateness(self._choice.late_s)
        try:
            with wait:
                if utterance.waiting_chars:
                    self._expect_audio()
                return await coming
        finally:
            self._wait = None
        raise ProviderTimeout(f"no sound within {self._choice.late_s:g} s", kind=ErrorKind.TIMEOUT)

    def _expect_audio(self) -> None:
        if self._wait is not None and not self.attempt.is_last and self._is_due():
            self._wait.expect()

    def _is_due(self) -> bool:
        """Whether audio must come. In the middle of an answer a voice that streams text may wait for more of it."""
        streams_text = hasattr(self.attempt.provider, "utterance")
        return not (streams_text and self.heard.samples) or self._text.is_complete

    async def _hand_on(self, speech: Speech, *, last: bool = False) -> None:
        if not self.start.sounds.is_set():
            if not self.start.may_sound():
                return
            self.start.sounds.set()
        heard = self.heard
        begins = heard.base + speech.begins if speech.begins is not None else None
        if len(speech.samples):
            begins = heard.base if begins is None and not heard.samples and heard.base else begins
            heard.begins = heard.begins if begins is None else begins
            heard.samples += len(speech.samples)
            heard.lasts_s = heard.samples / self.attempt.provider.rate_hz
            heard.spoken = self.given - self.waiting
            self.attempt.succeeded()
            if self.attempt.call is not None:
                self.attempt.call.audio(heard.lasts_s)
        heard.words += sum(is_word(word.text) for word in speech.words)
        words = tuple(self._placed(word) for word in speech.words)
        samples = self._resampler.process(speech.samples, last)
        self.end_sample += len(samples)
        if len(samples) or words or begins is not None:
            await self._send.send(Speech(samples, words, begins))

    def _placed(self, word: WordTime) -> WordTime:
        """The word on the clock of the answer."""
        ratio = self._choice.rate_hz / self.attempt.provider.rate_hz
        start, end = round(word.start_sample * ratio), round(word.end_sample * ratio)
        return WordTime(word.text, start, end).later(self.start.sample)


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
