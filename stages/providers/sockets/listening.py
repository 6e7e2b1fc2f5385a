"""A recogniser over sockets of a service that makes audio final on demand: "ours" are the ends of utterances.

Theory of operation
-------------------
A `HearingLine` is a socket and the utterance that it hears. Audio is kept until it is final, so that a connection that
is lost in a word costs time and no word: the next one is sent what was not final, and the finalise that is still
without an answer. An utterance that is closed early leaves audio in the service; the line has room again once that has
been finalised as well, and until then another line serves.

What a service says is told apart by its `HearingProtocol`, a table of messages without a loop.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import anyio

from audio.formats import Samples, samples_to_ms
from audio.framing import Framer
from stages.errors import ErrorKind, ProviderError
from stages.ports import Partial, Recognition, SpeechHints, Transcript
from stages.providers.sockets.changes import Changes
from stages.providers.sockets.connection import ProviderSocket, SocketState
from stages.providers.sockets.endpoint import Endpoint, Message
from stages.providers.sockets.faults import fault
from stages.providers.sockets.finalising import Finalising
from stages.providers.sockets.hearing import Final, Finalised, Guess, HeardText
from stages.providers.sockets.hearing_protocol import HearingService
from stages.providers.sockets.pool import SocketPool, session_pool
from stages.providers.sockets.replay import Replay

OnPartial = Callable[[Partial], None]

_FRAME_MS = 80
"""How much audio goes in one message: all services take that, and the text is no later for it at the end."""

_KEPT_S = 60.0
"""How much audio of an utterance is kept while none of it is final."""


class HearingLine:
    """A socket and the one utterance that it hears at a time; a `Wire` and a `PooledLine`."""

    def __init__(self, service: HearingService, endpoint: Endpoint) -> None:
        self.socket = ProviderSocket(endpoint, self)
        self._service = service
        self._protocol = service.protocol()
        self._replay = Replay(service.rate_hz, _KEPT_S)
        self._finalising = Finalising(self._replay)
        self._framer = Framer(service.rate_hz * _FRAME_MS // 1000)
        self._utterance: SocketRecognition | None = None
        self._drained_by = 0.0
        self._changed = Changes()

    # --- the pool's view ---

    @property
    def has_room(self) -> bool:
        """No utterance is heard, and nothing of the last one is left in the service."""
        if self.is_idle and self._finalising.is_waiting and anyio.current_time() > self._drained_by:
            self._finalising.forget()
            self.socket.give_up(fault(self._service.name, ErrorKind.TIMEOUT, "a dropped utterance"))
            return False
        return self._utterance is None and not self._finalising.is_waiting

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs it."""
        return self._utterance is None

    # --- the utterance's view ---

    def begin(self, utterance: "SocketRecognition") -> int:
        """Hear this one from here on; gives the sample at which it begins."""
        self._utterance = utterance
        return self._replay.end_sample

    def push(self, samples: Samples) -> None:
        """Append to the utterance's audio."""
        for frame in self._framer.push(samples):
            self._send(frame)

    async def finalised(self) -> None:
        """Wait until all that was pushed is final. Raises ProviderError; cancel-safe."""
        if len(rest := self._framer.take()):
            self._send(rest)
        end = self._replay.end_sample
        if self._replay.settled_sample >= end:
            return
        self._ask(end)
        try:
            with anyio.fail_after(self._service.final_s):
                while self._replay.settled_sample < end:
                    if (error := self.socket.error) is not None:
                        raise error
                    await self._changed.wait()
        except TimeoutError:
            self._missed(end)

    def release(self) -> None:
        """The utterance is let go of; what the service still says of it is nobody's."""
        self._utterance = None
        self._framer.take()
        end = self._replay.end_sample
        if self._replay.settled_sample < end and self.socket.state is SocketState.OPEN:
            self._ask(end)
            self._drained_by = anyio.current_time() + self._service.final_s
        self._replay.settle(end)

    # --- the socket's view ---

    def greet(self) -> Iterable[Message]:
        """Settings, then the audio that is not final, and the finalise that was not answered."""
        self._protocol = self._service.protocol()
        again, asked = self._replay.again(), self._finalising.forget()
        if self._utterance is not None:
            self._utterance.hear_again()
        yield from self._protocol.begin()
        for samples in again:
            yield from _messages(self._protocol.audio(samples))
        if asked is not None and self._utterance is not None and asked > self._replay.settled_sample:
            self._finalising.ask(asked)
            yield self._protocol.finalise()

    def receive(self, message: Message) -> None:
        """Hand on what it says to the utterance."""
        for event in self._protocol.read(message):
            match event:
                case Finalised():
                    for sample in self._finalising.answered(event.end_s):
                        self._settle(sample)
                case Final() | Guess() if self._utterance is not None and not self._finalising.is_told(event):
                    self._utterance.heard(event, self._replay.sample_at)
                    if isinstance(event, Final) and event.end_s is not None:
                        self._settle(self._replay.sample_at(event.end_s))
                case _:
                    pass

    def lost(self, error: ProviderError, *, for_good: bool) -> None:
        """The audio is kept; only an end for good is told."""
        if self._utterance is None:
            self._finalising.forget()
        self._changed.tell()

    def _send(self, samples: Samples) -> None:
        self._replay.push(samples)
        self.socket.send(*_messages(self._protocol.audio(samples)))

    def _ask(self, end: int) -> None:
        if self._finalising.ask(end):
            self.socket.send(self._protocol.finalise())

    def _settle(self, sample: int) -> None:
        self._replay.settle(sample)
        self._changed.tell()
        if self._utterance is not None:
            self._utterance.keep()

    def _missed(self, end: int) -> None:
        """No answer came in time: fine if there was nothing to answer, else the connection is of no use."""
        if self._finalising.is_nearly_final(end):
            self._replay.settle(end)
            self._finalising.forget()
            return
        error = fault(self._service.name, ErrorKind.TIMEOUT, f"no text in {self._service.final_s:g} s")
        self.socket.give_up(error)
        raise error


def _messages(said: Message | Sequence[Message]) -> Sequence[Message]:
    return (said,) if isinstance(said, str | bytes) else said


class SocketRecognition:
    """One utterance on a line; implements `stages.ports.Recognition`."""

    def __init__(
        self,
        line: HearingLine,
        protocol_joint: str,
        rate_hz: int,
        language: str,
        on_partial: OnPartial | None,
    ) -> None:
        self._line: HearingLine | None = line
        self._on_partial = on_partial
        self._rate_hz = rate_hz
        self._text = HeardText(protocol_joint, language)
        self._told = Partial("")
        self.start_sample = line.begin(self)

    def push(self, samples: Samples) -> None:
        """Append `int16[n]`."""
        if self._line is not None:
            self._line.push(samples)

    async def final(self) -> Transcript:
        """The text of everything pushed so far. Raises ProviderError within the deadline. Cancel-safe."""
        if self._line is not None:
            await self._line.finalised()
        return self._text.transcript()

    def close(self) -> None:
        """Let go of it; what the service has not made final is dropped there."""
        self._on_partial = None
        line, self._line = self._line, None
        if line is not None:
            line.release()

    def keep(self) -> None:
        """The text so far stands, whatever becomes of the connection."""
        self._text.keep()

    def hear_again(self) -> None:
        """Text that does not stand yet comes again."""
        self._text.hear_again()

    def heard(self, event: Final | Guess, sample_at: Callable[[float], int]) -> None:
        """The service has told more of it."""
        if isinstance(event, Final):
            self._text.final(event, lambda s: samples_to_ms(sample_at(s) - self.start_sample, self._rate_hz))
        else:
            self._text.guess = event.text
        partial = self._text.partial
        if self._on_partial is not None and partial != self._told and partial.text:
            self._told = partial
            self._on_partial(partial)


class _FailedRecognition:
    """An utterance that could not begin; it says so when it is asked for its text."""

    def __init__(self, error: ProviderError) -> None:
        self._error = error

    def push(self, samples: Samples) -> None:
        """Drop the audio: nobody hears it."""

    async def final(self) -> Transcript:
        """Raises the error."""
        raise self._error

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class SocketRecogniser:
    """A session's recogniser; implements `stages.ports.Recogniser`."""

    def __init__(self, service: HearingService, pool: SocketPool[HearingLine]) -> None:
        self._service = service
        self._pool = pool
        self._joint = service.protocol().joint
        self.rate_hz = service.rate_hz

    def open(self, on_partial: OnPartial | None = None, *, hints: SpeechHints = SpeechHints()) -> Recognition:
        """Begin an utterance on a line of its own. One that cannot begin raises its error from `final`."""
        endpoint = self._service.endpoint(hints)
        try:
            line = self._pool.take(endpoint)
        except ProviderError as busy:
            return _FailedRecognition(busy)
        if (error := line.socket.want()) is not None:
            return _FailedRecognition(error)
        return SocketRecognition(line, self._joint, self.rate_hz, hints.language or "", on_partial)


@asynccontextmanager
async def listening(service: HearingService) -> AsyncIterator[SocketRecogniser]:
    """A session's recogniser, for as long as the block lasts, with a connection that opens meanwhile."""
    async with session_pool(service.name, lambda endpoint: HearingLine(service, endpoint)) as pool:
        recogniser = SocketRecogniser(service, pool)
        pool.take(service.endpoint(SpeechHints()))
        yield recogniser
