"""The recogniser of a model tier: an utterance lives there, and its audio is kept here until it is over.

Theory of operation
-------------------
A `HearingWire` is one session's connection and all utterances on it. The tier reads whole utterances and may be asked
for the text again after more audio, as a recogniser in this process. When the connection is lost, as when a replica of
the tier dies, the next one is sent every utterance that is open from its beginning, and the question that has no
answer: whoever waits for a text waits a little longer, and gets the same text. So it is with an utterance that is
begun while the tier has as many as it takes: it is sent when another is over.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from itertools import count

import anyio
import numpy as np
from pydantic import Field

from audio.formats import SPEECH_HZ, Samples
from audio.framing import Framer
from stages.errors import ErrorKind, ProviderError
from stages.ports import Partial, RecogniserCapabilities, SpeechHints, Transcript
from stages.providers.remote.settings import NAME, RemoteSettings, check_hello
from stages.providers.remote.wire import (
    MAX_UTTERANCES,
    TIERS,
    Close,
    Drop,
    Fault,
    Final,
    Guess,
    Heard,
    Hello,
    Listen,
    audio_message,
)
from stages.providers.sockets.connection import ProviderSocket, SocketState
from stages.providers.sockets.endpoint import Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.replay import Replay
from stages.text.whole import whole

OnPartial = Callable[[Partial], None]

_FRAME_MS = 80
"""How much audio goes in one message; the rest goes with the question for the text."""

_PIECES_AGAIN = 100
"""So many of them in one message, when a new connection is sent an utterance from its beginning."""


class RemoteRecogniserSettings(RemoteSettings):
    """Where the tier is, and how long it may take."""

    final_s: float = Field(5.0, gt=0, le=60, description="how long the text may take once it is asked for")
    kept_s: float = Field(
        120.0, ge=1, le=600, description="how much of an utterance is kept for another connection"
    )


class RemoteRecogniser:
    """A recogniser in a model tier: other processes or machines, which `scripts/models-tier` starts."""

    interface = 1
    title = "a model tier at {url}"
    capabilities = RecogniserCapabilities(partials=True, languages=("*",), phrases=True)
    Settings = RemoteRecogniserSettings

    def __init__(self, settings: RemoteRecogniserSettings) -> None:
        self._settings = settings
        if settings.url.startswith("wss:"):
            tls()

    @property
    def rate_hz(self) -> int:
        """16 kHz, whatever the engine at the tier has."""
        return SPEECH_HZ

    @asynccontextmanager
    async def _session(self) -> AsyncIterator["RemoteHearing"]:
        try:
            async with anyio.create_task_group() as tasks:
                wire = HearingWire(self._settings)
                tasks.start_soon(wire.socket.run)
                yield RemoteHearing(wire)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None  # the block's own

    def session(self) -> AbstractAsyncContextManager["RemoteHearing"]:
        """The recogniser of one session; begins to connect."""
        return self._session()


class RemoteHearing:
    """A session's recogniser; implements `stages.ports.Recogniser`."""

    rate_hz = SPEECH_HZ

    def __init__(self, wire: "HearingWire") -> None:
        self._wire = wire

    def open(
        self, on_partial: OnPartial | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "RemoteRecognition":
        """Begin an utterance. One that cannot begin raises its error from `final`."""
        return RemoteRecognition(self._wire, hints, on_partial)


class HearingWire:
    """One connection and the utterances on it; a `Wire`."""

    def __init__(self, settings: RemoteRecogniserSettings) -> None:
        self.settings = settings
        self.socket = ProviderSocket(settings.endpoint("stt"), self)
        self._live: dict[int, RemoteRecognition] = {}
        self._told: set[int] = set()
        """Those of them that the tier has, or will have with the next connection; the others wait."""
        self._numbers = count(1)

    def begin(self, utterance: "RemoteRecognition") -> int:
        """Hear this one too, now or when another is over; gives its number."""
        self.socket.want()
        number = next(self._numbers)
        self._live[number] = utterance
        if len(self._told) < MAX_UTTERANCES:
            self._told.add(number)
        return number

    def end(self, number: int) -> None:
        """Be done with it, if it is not over."""
        if self._live.pop(number, None) is None:
            return
        self.tell(Close(id=number))
        self._told.discard(number)
        waiting = next((number for number in self._live if number not in self._told), None)
        if waiting is not None and len(self._told) < MAX_UTTERANCES:
            self._told.add(waiting)
            self.socket.send(*self._live[waiting].again())

    def has_told(self, number: int) -> bool:
        """Whether the utterance does not wait for others."""
        return number in self._told

    def tell(self, message: Listen | Final | Drop | Close) -> None:
        """Say it, or leave it to `greet`, or to the end of another utterance."""
        if message.id in self._told:
            self.socket.send(message.model_dump_json())

    def hear(self, number: int, samples: Samples) -> None:
        """The same for audio."""
        if number in self._told and self.socket.state is SocketState.OPEN:
            self.socket.send(audio_message(number, samples))

    # --- the socket's view ---

    def greet(self) -> Iterable[Message]:
        """Every utterance that does not wait, from its beginning, and the question without an answer."""
        for number in sorted(self._told):
            yield from self._live[number].again()

    def receive(self, message: Message) -> None:
        """Hand on what it says to the utterance that it is of, if that is still open."""
        said = TIERS.validate_json(message)
        if isinstance(said, Hello):
            check_hello(said, "stt", SPEECH_HZ, "the tier's rate")
        elif isinstance(said, Guess) and (utterance := self._live.get(said.id)) is not None:
            utterance.guessed(said)
        elif isinstance(said, Heard) and (utterance := self._live.get(said.id)) is not None:
            utterance.answered(said.ask, said.transcript)
        elif isinstance(said, Fault):
            error = fault(NAME, said.kind, said.text, retry_after_s=said.retry_after_s)
            if said.id is None:
                raise error
            if (utterance := self._live.get(said.id)) is not None:
                utterance.answered(said.ask, error)

    def lost(self, error: ProviderError, *, for_good: bool) -> None:
        """The audio is kept; only an end for good is told."""
        if for_good:
            for utterance in self._live.values():
                utterance.answered(None, error)


class RemoteRecognition:
    """One utterance; implements `stages.ports.Recognition`."""

    def __init__(self, wire: HearingWire, hints: SpeechHints, on_partial: OnPartial | None) -> None:
        self._wire: HearingWire | None = wire
        """None once it is closed."""
        self._final_s = wire.settings.final_s
        self._hints = replace(hints, phrases=tuple(map(whole, hints.phrases)))
        self._on_partial = on_partial
        self._told = Partial("")
        self._framer = Framer(SPEECH_HZ * _FRAME_MS // 1000)
        self._audio = Replay(SPEECH_HZ, wire.settings.kept_s)
        self._asks = count(1)
        self._asked: int | None = None
        """The question that has no answer."""
        self._answer: Transcript | ProviderError = Transcript("")
        self._answered = anyio.Event()
        self._number = wire.begin(self)
        wire.tell(self._listen())

    def push(self, samples: Samples) -> None:
        """Append `int16[n]` at 16 kHz."""
        if self._wire is not None:
            for frame in self._framer.push(samples):
                self._send(self._wire, frame)

    async def final(self) -> Transcript:
        """The text of everything pushed so far. Raises ProviderError within the deadline. Cancel-safe."""
        wire = self._wire
        if wire is None:
            return Transcript("", self._hints.language or "en", no_speech=1.0)
        if len(rest := self._framer.take()):
            self._send(wire, rest)
        if (error := wire.socket.want()) is not None:
            raise error
        self._asked, self._answered = next(self._asks), anyio.Event()
        wire.tell(Final(id=self._number, ask=self._asked))
        try:
            with anyio.move_on_after(self._final_s):
                await self._answered.wait()
        finally:
            if self._asked is not None:
                self._asked = None
                wire.tell(Drop(id=self._number))
        if not self._answered.is_set():
            late = fault(NAME, ErrorKind.TIMEOUT, f"no text in {self._final_s:g} s")
            if wire.has_told(self._number):
                wire.socket.give_up(late)
            raise late
        return self._result()

    def close(self) -> None:
        """Let go of it."""
        self._on_partial = None
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.end(self._number)

    # --- the connection's view ---

    def again(self) -> Iterator[Message]:
        """All of it, for a new connection."""
        yield self._listen().model_dump_json()
        pieces = self._audio.again()
        for at in range(0, len(pieces), _PIECES_AGAIN):
            yield audio_message(self._number, np.concatenate(pieces[at : at + _PIECES_AGAIN]))
        if self._asked is not None:
            yield Final(id=self._number, ask=self._asked).model_dump_json()

    def guessed(self, guess: Guess) -> None:
        """The tier has read some of it."""
        partial = Partial(guess.text, guess.stable)
        # A new connection begins to read at the beginning: what was stable stays so.
        if (
            self._on_partial is None
            or partial == self._told
            or not partial.stable.startswith(self._told.stable)
        ):
            return
        self._told = partial
        self._on_partial(partial)

    def answered(self, ask: int | None, answer: Transcript | ProviderError) -> None:
        """The tier has answered a question; with no `ask`, whichever there is."""
        if self._asked is None or ask not in (None, self._asked):
            return
        self._asked, self._answer = None, answer
        self._answered.set()

    def _result(self) -> Transcript:
        if isinstance(self._answer, ProviderError):
            raise self._answer
        return self._answer

    def _listen(self) -> Listen:
        return Listen(id=self._number, partials=self._on_partial is not None, hints=self._hints)

    def _send(self, wire: HearingWire, samples: Samples) -> None:
        self._audio.push(samples)
        wire.hear(self._number, samples)
