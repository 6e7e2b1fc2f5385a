"""The voice of a model tier: text goes there while audio comes back, one connection a session.

When the connection is lost in the middle of an answer, the rest is said over the next one, from the first word that was
not heard, as when another provider takes over (`stages.providers.failover`).
"""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

from pydantic import Field

from stages.errors import ProviderError
from stages.ports import SynthesiserCapabilities, VoiceOption, WordTime
from stages.providers.calls import ProviderCall
from stages.providers.failover.breaker import CircuitBreaker
from stages.providers.failover.chain import Attempt, Chain, Link
from stages.providers.failover.part import Voice
from stages.providers.failover.voice import FailoverVoice
from stages.providers.remote.settings import NAME, RemoteSettings, check_hello
from stages.providers.remote.wire import (
    TIERS,
    Cancel,
    Ended,
    Fault,
    Finish,
    Hello,
    Speak,
    Spoken,
    Text,
    audio_of,
)
from stages.providers.sockets import speech_protocol
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.speaking import speaking
from stages.providers.sockets.speech_protocol import (
    Broken,
    PieceOver,
    Said,
    Sound,
    SpeakingService,
    SpeechEvent,
    VoiceChoice,
)
from stages.providers.sockets.speech_text import SaidWord

_CONTEXTS = 4
"""Answers of a session at once; one is usual, two when an answer is cut off by the next."""

_TRIES = 3
"""Connections that one answer may take."""

_THE_TIERS = "default voice"

log = logging.getLogger(__name__)


class RemoteVoiceSettings(RemoteSettings):
    """Where the tier is, and how it is to speak."""

    rate_hz: int = Field(24_000, ge=8000, le=48_000, description="the sample rate of the voice at the tier")
    voice: str | None = Field(None, description="the voice's name there; without one, the tier's default")
    voices: tuple[str, ...] = Field((), description="further voices that may be chosen")
    audio_s: float = Field(5.0, gt=0, le=60, description="how long audio may take")


class RemoteVoice:
    """A voice in a model tier: other processes or machines, which `scripts/models-tier` starts."""

    interface = 1
    title = "a model tier at {url}"
    capabilities = SynthesiserCapabilities(word_times=True, streams_text=True, languages=("*",))
    Settings = RemoteVoiceSettings

    def __init__(self, settings: RemoteVoiceSettings) -> None:
        self._settings = settings
        names = {name or _THE_TIERS: name or "" for name in (settings.voice, *settings.voices)}
        self._service = SpeakingService(
            NAME,
            settings.rate_hz,
            self._endpoint,
            lambda: RemoteSpeech(settings.rate_hz),
            tuple(VoiceOption(name, f"{name} of the model tier") for name in names),
            names,
            contexts=_CONTEXTS,
            audio_s=settings.audio_s,
        )
        if settings.url.startswith("wss:"):
            tls()

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """Those that are configured, the default first."""
        return self._service.voices

    @property
    def rate_hz(self) -> int:
        """As configured; the tier's must be the same."""
        return self._settings.rate_hz

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[FailoverVoice]:
        async with speaking(self._service) as voice:
            link: Link[Voice] = Link("tts", NAME, voice, CircuitBreaker())
            opened = FailoverVoice(_Again([link] * _TRIES), late_s=2 * self._settings.audio_s)
            opened.capabilities = self.capabilities
            yield opened

    def session(self) -> AbstractAsyncContextManager[FailoverVoice]:
        """The voice of one session; begins to connect."""
        return self._session()

    def _endpoint(self, choice: VoiceChoice) -> Endpoint:
        return self._settings.endpoint("tts")


class _Again(Chain[Voice]):
    """The same tier again and again: another replica takes over from one that has died."""

    def attempts(self) -> Iterator[Attempt[Voice]]:
        """Attempts at one address after the other, for as long as each fails."""
        for number, link in enumerate(self.links, 1):
            yield _Try(link, is_last=number == len(self.links))


class _Try(Attempt[Voice]):
    """One connection's part of an answer. The answer is what is counted as a call, where it is asked for."""

    def begins(self, *, is_hedge: bool = False) -> ProviderCall:
        """Tell nobody that an utterance begins."""
        self.call = ProviderCall(None)
        return self.call

    def failed(self, error: ProviderError) -> None:
        """The next connection goes on."""
        self.error = error
        if not self.is_last:
            log.info("the rest of an answer is said over another connection: %s", error)


class RemoteSpeech:
    """The messages of one connection; implements `SpeechProtocol`."""

    takes_answers = True

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._numbers = count(1)
        self._number_of: dict[str, int] = {}
        self._context_of: dict[int, str] = {}
        self._words: dict[int, tuple[SaidWord, ...]] = {}
        """Told before their audio: without it they were not heard."""

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """One message, with all of the choice."""
        number = next(self._numbers)
        self._number_of[context], self._context_of[number] = number, context
        speak = Speak(id=number, voice=choice.voice or None, speed=choice.speed, language=choice.language)
        yield speak.model_dump_json()

    def text(self, context: str, text: str) -> Iterable[Message]:
        """A message a piece."""
        yield Text(id=self._number_of[context], text=text).model_dump_json()

    def finish(self, context: str) -> Iterable[Message]:
        """Answered by `Ended` after the last audio."""
        yield Finish(id=self._number_of[context]).model_dump_json()

    def cancel(self, context: str) -> Iterable[Message]:
        """Answered by `Ended` as well."""
        if (number := self._number_of.get(context)) is not None:
            yield Cancel(id=number).model_dump_json()

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """What is said of an answer that is over belongs to nobody."""
        if isinstance(message, bytes):
            number, samples = audio_of(message)
            if (context := self._context_of.get(number)) is not None:
                yield Said(context, self._words.pop(number, ()))
                yield Sound(context, samples.tobytes())
            return
        said = TIERS.validate_json(message)
        if isinstance(said, Hello):
            check_hello(said, "tts", self._rate_hz, "tts.rate_hz")
        elif isinstance(said, Spoken | Ended | Fault):
            yield from self._read(said)

    def _read(self, said: Spoken | Ended | Fault) -> Iterator[SpeechEvent]:
        if isinstance(said, Fault) and said.id is None:
            raise _error(said)
        context = self._context_of.get(said.id or 0)
        if context is None:
            return
        if isinstance(said, Spoken):
            words = tuple(map(self._seconds, said.words))
            self._words[said.id] = self._words.get(said.id, ()) + words
            if said.pieces:
                yield PieceOver(context, said.pieces)
            return
        yield Said(context, self._words.pop(said.id or 0, ()))
        del self._number_of[context], self._context_of[said.id or 0]
        if isinstance(said, Ended):
            yield speech_protocol.Ended(context, is_cancel=said.cancelled)
        else:
            yield Broken(context, _error(said))

    def _seconds(self, word: WordTime) -> SaidWord:
        return SaidWord(word.text, word.start_sample / self._rate_hz, word.end_sample / self._rate_hz)


def _error(said: Fault) -> ProviderError:
    return fault(NAME, said.kind, said.text, retry_after_s=said.retry_after_s)
