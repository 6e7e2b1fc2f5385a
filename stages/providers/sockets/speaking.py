"""A voice over sockets: an answer is one context, text goes in while audio comes out, and a barge-in is one message.

Theory of operation
-------------------
A `SpeakingLine` is a socket and the utterances that are spoken on it: several where the service has contexts, else one.
`cancel` is a plain function: it takes the utterance out of the line and hands the service's own message to the socket,
so that audio of it that is still on its way belongs to nobody. A context counts as taken until the service has
confirmed its end, and while it has not another line serves.

A connection that is lost before an utterance was heard is made again, and the text is said again. One that is lost in
the middle fails the utterance: nobody can say which half of a word has been heard.

What a service says is told apart by its `SpeechProtocol`, a table of messages without a loop.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import anyio
import numpy as np

from audio.codecs import Decoder
from audio.formats import AudioFormat, Encoding, Samples
from stages.errors import ErrorKind, ProviderError
from stages.ports import Speech, SpokenUtterance, SynthesiserCapabilities, VoiceOption
from stages.providers.sockets.connection import ProviderSocket, SocketState
from stages.providers.sockets.endpoint import Endpoint, Message
from stages.providers.sockets.faults import fault
from stages.providers.sockets.pool import SocketPool, session_pool
from stages.providers.sockets.sounds import Sounds
from stages.providers.sockets.speech_protocol import (
    Broken,
    Ended,
    PieceOver,
    Said,
    Sound,
    SpeakingService,
    SpeechEvent,
    VoiceChoice,
)
from stages.providers.sockets.speech_text import UtteranceText
from stages.text.whole import whole

_MAX_QUEUED_S = 20.0
"""Audio that nobody has taken yet; beyond it no more text goes to the service."""


class SpeakingLine:
    """A socket and the utterances on it; a `Wire` and a `PooledLine`."""

    def __init__(self, service: SpeakingService, endpoint: Endpoint) -> None:
        self.socket = ProviderSocket(endpoint, self)
        self.service = service
        self._protocol = service.protocol()
        self._live: dict[str, SocketUtterance] = {}
        self._closing: dict[str, float] = {}
        """Cancelled contexts without a confirmation, and until when it is waited for."""

    @property
    def has_room(self) -> bool:
        """Whether another utterance may begin here."""
        now = anyio.current_time()
        late = [context for context, by in self._closing.items() if by < now]
        if late and self.service.contexts == 1:
            self._closing.clear()
            self.socket.give_up(fault(self.service.name, ErrorKind.TIMEOUT, "a cancel was not confirmed"))
            return False
        for context in late:
            del self._closing[context]
        has_context = len(self._live) + len(self._closing) < self.service.contexts
        return has_context and self._protocol.takes_answers

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs it."""
        return not self._live

    def begin(self, utterance: "SocketUtterance") -> None:
        """Begin to speak an utterance here."""
        self._live[utterance.context] = utterance
        self.socket.send(*self._protocol.open(utterance.context, utterance.choice))

    def say(self, utterance: "SocketUtterance", text: str) -> None:
        """The next text of an utterance."""
        if utterance.context in self._live:
            self.socket.send(*self._protocol.text(utterance.context, text))

    def finish(self, utterance: "SocketUtterance") -> None:
        """Note that no more text comes."""
        if utterance.context not in self._live:
            return
        messages = self._protocol.finish(utterance.context)
        if messages is not None:
            self.socket.send(*messages)
        elif self.socket.state is SocketState.OPEN:
            self._live.pop(utterance.context, None)
            utterance.take(Ended(utterance.context))

    def cancel(self, utterance: "SocketUtterance") -> None:
        """Cancel the utterance, if it is not over."""
        if self._live.pop(utterance.context, None) is None:
            return
        if self.socket.send(*self._protocol.cancel(utterance.context)):
            self._closing[utterance.context] = anyio.current_time() + self.service.closing_s

    def greet(self) -> Iterable[Message]:
        """Everything that was to be said, of which nothing has been heard."""
        self._protocol = self.service.protocol()
        for utterance in self._live.values():
            yield from self._protocol.open(utterance.context, utterance.choice)
            for text in utterance.given:
                yield from self._protocol.text(utterance.context, text)
            if utterance.is_finished:
                yield from self._protocol.finish(utterance.context) or ()

    def receive(self, message: Message) -> None:
        """Hand on what it says to the utterance that it is of, if that is still wanted."""
        for event in self._protocol.read(message):
            context = self._only() if event.context is None else event.context
            is_cancel = isinstance(event, Ended) and event.is_cancel
            if is_cancel or (isinstance(event, Ended | Broken) and event.context is not None):
                self._closing.pop(context, None)
            utterance = self._live.get(context)
            if utterance is None or is_cancel:
                continue
            if isinstance(event, Ended | Broken):
                del self._live[context]
            if isinstance(event, Ended) and not utterance.is_finished:
                words = "it ended an answer whose text was not complete"
                event = Broken(context, fault(self.service.name, ErrorKind.SESSION_EXPIRED, words))
            utterance.take(event)

    def lost(self, error: ProviderError, *, for_good: bool) -> None:
        """Utterances of which something was heard fail; the others are said again."""
        self._closing.clear()
        for context, utterance in list(self._live.items()):
            if for_good or utterance.has_audio:
                del self._live[context]
                utterance.take(Broken(context, error))

    def _only(self) -> str:
        """The context of a connection with one: while a cancel is not confirmed, all that comes is still of that."""
        return next(iter(self._closing or self._live), "")


class SocketUtterance:
    """One answer on its way to sound; implements `stages.ports.SpokenUtterance`."""

    def __init__(self, line: SpeakingLine, context: str, choice: VoiceChoice) -> None:
        self.context = context
        self.choice = choice
        self.given: list[str] = []
        """What the service was told to say."""
        self.is_finished = False
        self._line = line
        self._service = line.service
        self._text = UtteranceText(self._service.rate_hz, choice.speed)
        self._decoder = Decoder(AudioFormat(Encoding.PCM16, self._service.rate_hz))
        self._sound = Sounds()
        self._held = ""

    @property
    def waiting_chars(self) -> int:
        """How much of the text has not come back as audio."""
        return 0 if self._sound.is_over else self._text.waiting(self._sound.taken_samples)

    @property
    def has_audio(self) -> bool:
        """Whether anything has been spoken."""
        return self._sound.samples > 0

    async def push(self, text: str) -> None:
        """Append a piece. Waits while much audio is not taken. Raises ProviderError, cancel-safe."""
        while self._sound.queued_samples > _MAX_QUEUED_S * self._service.rate_hz:
            await self._sound.wait()
        self._sound.check()
        text = whole(text)
        self._text.push(text)
        self._held += text
        if not any(map(str.isalnum, text)):
            return  # it goes with the next piece
        piece, self._held = self._held, ""
        self.given.append(piece)
        self._line.say(self, piece)
        self._sound.wake()

    async def finish(self) -> None:
        """The text is complete. Raises ProviderError."""
        self._sound.check()
        self.is_finished = True
        if self.given:
            self._line.finish(self)
        else:
            self._line.cancel(self)
            self._sound.end()
        self._sound.wake()

    def cancel(self) -> None:
        """Be done with it; the service is told at once. No audio comes afterwards."""
        self._line.cancel(self)
        self._sound.drop()

    async def audio(self) -> AsyncGenerator[Speech, None]:
        """What is spoken. Raises ProviderError, within its deadline when audio does not come."""
        piece, chars = 0, 0
        begins: int | None = None
        while (stretch := await self._next()) is not None:
            if len(stretch):
                yield Speech(stretch, self._text.take(self._sound.taken_samples), begins)
                begins = None
            while piece < min(self._sound.taken_pieces, len(self.given)):
                chars += len(self.given[piece])
                piece, begins = piece + 1, chars
                self._text.complete_to(chars)
        if self._sound.is_dropped:
            return
        if words := self._text.take(2**62):
            yield Speech(np.zeros(0, np.int16), words)
        if self.given and not self._sound.samples:
            raise fault(self._service.name, ErrorKind.NO_AUDIO)

    def take(self, event: SpeechEvent) -> None:
        """What the service has told of it."""
        match event:
            case Sound(_, pcm):
                self._sound.push(self._decoder.decode(pcm))
            case Said(_, words):
                self._text.said(words)
            case PieceOver(_, pieces):
                self._sound.piece_over(pieces)
            case Ended():
                self._sound.end()
            case Broken(_, error):
                self._sound.fail(error)

    async def _next(self) -> Samples | None:
        while (stretch := self._sound.take()) is None:
            if self._sound.is_over:
                return None
            with anyio.move_on_after(self._service.audio_s) as late:
                await self._sound.wait()
            if late.cancelled_caught and self._is_due():
                error = fault(
                    self._service.name, ErrorKind.TIMEOUT, f"no audio in {self._service.audio_s:g} s"
                )
                self._line.cancel(self)
                self._line.socket.give_up(error)
                raise error
        return stretch

    def _is_due(self) -> bool:
        """Whether audio must come. Between the first and the last of an answer the service may wait for more text."""
        return bool(self.given) and (self.is_finished or not self.has_audio)


class SocketVoice:
    """A session's voice; implements `stages.ports.UtteranceSynthesiser`."""

    def __init__(self, service: SpeakingService, pool: SocketPool[SpeakingLine]) -> None:
        self._service = service
        self._pool = pool
        self._numbers = count(1)
        self.rate_hz = service.rate_hz
        self.voices: Sequence[VoiceOption] = service.voices
        self.capabilities = SynthesiserCapabilities(speed=service.has_speed, languages=("*",))

    @asynccontextmanager
    async def utterance(
        self, *, voice: str | None = None, speed: float = 1.0, language: str | None = None
    ) -> AsyncIterator[SpokenUtterance]:
        """An answer's utterance. Entering raises ProviderError while the service must be left alone."""
        choice = self._choice(voice, speed, language)
        endpoint = self._service.endpoint(choice)
        line = self._pool.take(endpoint)
        if (error := line.socket.want()) is not None:
            raise error
        utterance = SocketUtterance(line, f"answer-{next(self._numbers)}", choice)
        line.begin(utterance)
        if self._service.contexts == 1:
            self._pool.keep_spare(endpoint)
        try:
            yield utterance
        finally:
            utterance.cancel()

    def _choice(self, voice: str | None, speed: float, language: str | None) -> VoiceChoice:
        ids = self._service.voice_ids
        return VoiceChoice(ids.get(voice or "") or next(iter(ids.values())), speed, language)


@asynccontextmanager
async def speaking(service: SpeakingService) -> AsyncIterator[SocketVoice]:
    """A session's voice, for as long as the block lasts, with a connection that opens meanwhile."""
    async with session_pool(service.name, lambda endpoint: SpeakingLine(service, endpoint)) as pool:
        first = VoiceChoice(next(iter(service.voice_ids.values())))
        pool.take(service.endpoint(first))
        yield SocketVoice(service, pool)
