"""A recogniser over sockets of a service that finds the ends of turns itself: "theirs" are the turns.

A session's audio goes to one connection without an end. While a turn runs its audio is kept, so that a connection that
is lost costs time and no word; between turns the last two seconds are, in which the next may have begun.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audio.formats import Samples
from audio.framing import Framer
from stages.errors import ErrorKind, ProviderError
from stages.ports import SpeechHints, TurnEvent, TurnsFailed, TurnStream
from stages.providers.sockets.connection import ProviderSocket
from stages.providers.sockets.endpoint import Endpoint, Message
from stages.providers.sockets.faults import fault
from stages.providers.sockets.pool import SocketPool, session_pool
from stages.providers.sockets.replay import Replay
from stages.providers.sockets.turns import Turns, TurnSign

OnTurn = Callable[[TurnEvent], None]

_FRAME_MS = 80
_KEPT_S = 60.0
_BEFORE_TURN_S = 2.0
_NEWS_S = 10.0
"""Of audio in a running turn, within which a service says something; otherwise its connection is of no use."""

_KEEP_ALIVE_MS = 100


class TurnProtocol(Protocol):
    """One connection's messages. Made anew for every connection."""

    def audio(self, samples: Samples) -> Message:
        """`int16[n]` as a message."""

    def end_turn(self) -> Message | None:
        """Ends the running turn, if the service can be told to."""

    def read(self, message: Message) -> Iterable[TurnSign]:
        """What a message says of turns. Raises ProviderError for a fault of the service."""


@dataclass(frozen=True, slots=True)
class TurnService:
    """A service as `listening_for_turns` needs it."""

    name: str
    rate_hz: int
    endpoint: Callable[[SpeechHints], Endpoint]
    """Where to connect for these hints; its URL tells lines apart. Silence is its keep-alive."""
    protocol: Callable[[], TurnProtocol]


class TurnLine:
    """A socket, and the stream whose turns it finds; a `Wire`, a `PooledLine` and a `stages.ports.TurnStream`."""

    def __init__(self, service: TurnService, endpoint: Endpoint) -> None:
        self.socket = ProviderSocket(endpoint, self)
        self.socket.keep_alive = self._silence
        self._service = service
        self._frame_samples = service.rate_hz * _FRAME_MS // 1000
        self._protocol = service.protocol()
        self._on_event: OnTurn | None = None
        self._begin_anew()

    @property
    def has_room(self) -> bool:
        """Whether no stream is on it."""
        return self._on_event is None

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs it."""
        return self._on_event is None

    def begin(self, on_event: OnTurn) -> TurnStream:
        """Find the turns of a stream; its first sample is the next that is pushed."""
        self._on_event = on_event
        return self

    def push(self, samples: Samples) -> None:
        """Append `int16[n]`."""
        if self._on_event is None:
            return
        if not (frames := self._framer.push(samples)):
            return
        for frame in frames:
            self._replay.push(frame)
            self.socket.send(self._protocol.audio(frame))
        now = self._replay.end_sample
        if not self._turns.is_running:
            self._replay.settle(now - int(_BEFORE_TURN_S * self._service.rate_hz))
            self._news_sample = now
        elif now - self._news_sample > _NEWS_S * self._service.rate_hz:
            self._news_sample = now
            self.socket.give_up(fault(self._service.name, ErrorKind.TIMEOUT, f"no news in {_NEWS_S:g} s"))

    def end_turn(self) -> None:
        """End the running turn, if there is one and the service can."""
        message = self._protocol.end_turn()
        if self._turns.is_running and message is not None:
            self.socket.send(message)

    def close(self) -> None:
        """Let go of the stream; the connection is closed too, because the service is in the middle of it."""
        if self._on_event is not None:
            self._on_event = None
            self._begin_anew()
            self.socket.give_up(fault(self._service.name, ErrorKind.SESSION_EXPIRED, "the stream was closed"))

    def greet(self) -> Iterable[Message]:
        """All audio that may have a turn in it."""
        self._protocol = self._service.protocol()
        again = [np.zeros(0, np.int16), *self._replay.again()]
        samples = np.concatenate(again)
        # In pieces of one to two frames: some services refuse shorter ones, and the first may have lost its beginning.
        frames = np.array_split(samples, max(1, len(samples) // self._frame_samples))
        return [self._protocol.audio(frame) for frame in frames if len(frame)]

    def receive(self, message: Message) -> None:
        """Tell what it says of turns."""
        for sign in self._protocol.read(message):
            self._news_sample = self._replay.end_sample
            for event in list(self._turns.feed(sign, self._sample_at)):
                if self._on_event is not None:
                    self._on_event(event)
            if not self._turns.is_running:
                self._replay.settle(self._sent_sample(sign.at_s))

    def lost(self, error: ProviderError, *, for_good: bool) -> None:
        """The audio is kept; only an end for good is told."""
        if for_good and self._on_event is not None:
            on_event, self._on_event = self._on_event, None
            self._begin_anew()
            on_event(TurnsFailed(error))

    def _begin_anew(self) -> None:
        self._replay = Replay(self._service.rate_hz, _KEPT_S)
        self._framer = Framer(self._frame_samples)
        self._turns = Turns(self._service.rate_hz)
        self._silent_samples = 0
        self._news_sample = 0

    def _silence(self) -> Message | None:
        """Keeps the connection while no audio comes. It moves the service's clock, and not the stream's."""
        silence = np.zeros(self._service.rate_hz * _KEEP_ALIVE_MS // 1000, np.int16)
        self._replay.push(silence)
        self._silent_samples += len(silence)
        return self._protocol.audio(silence)

    def _sent_sample(self, seconds: float | None) -> int:
        return self._replay.end_sample if seconds is None else self._replay.sample_at(seconds)

    def _sample_at(self, seconds: float | None) -> int:
        return max(0, self._sent_sample(seconds) - self._silent_samples)


class _FailedStream:
    """A stream that could not begin; it says so with the first audio."""

    def __init__(self, error: ProviderError, on_event: OnTurn) -> None:
        self._error = error
        self._on_event: OnTurn | None = on_event

    def push(self, samples: Samples) -> None:
        """Tell the error, once."""
        on_event, self._on_event = self._on_event, None
        if on_event is not None:
            on_event(TurnsFailed(self._error))

    def end_turn(self) -> None:
        """Do nothing: there is no turn to end."""

    def close(self) -> None:
        """Nothing is reported afterwards."""
        self._on_event = None


class SocketTurnRecogniser:
    """A session's recogniser; implements `stages.ports.TurnRecogniser`."""

    def __init__(self, service: TurnService, pool: SocketPool[TurnLine]) -> None:
        self._service = service
        self._pool = pool
        self.rate_hz = service.rate_hz

    def open_turns(self, on_event: OnTurn, *, hints: SpeechHints = SpeechHints()) -> TurnStream:
        """Begin the session's audio. A stream that cannot begin tells `TurnsFailed` with its first audio."""
        try:
            line = self._pool.take(self._service.endpoint(hints))
        except ProviderError as busy:
            return _FailedStream(busy, on_event)
        error = line.socket.want()
        return line.begin(on_event) if error is None else _FailedStream(error, on_event)


@asynccontextmanager
async def listening_for_turns(service: TurnService) -> AsyncIterator[SocketTurnRecogniser]:
    """A session's recogniser, for as long as the block lasts, with a connection that opens meanwhile."""
    async with session_pool(service.name, lambda endpoint: TurnLine(service, endpoint)) as pool:
        pool.take(service.endpoint(SpeechHints()))
        yield SocketTurnRecogniser(service, pool)
