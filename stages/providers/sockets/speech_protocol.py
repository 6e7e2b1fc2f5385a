"""What a voice behind a socket must say to its service, and what the service may say: the values of `speaking`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from stages.errors import ProviderError
from stages.ports import VoiceOption
from stages.providers.sockets.endpoint import Endpoint, Message
from stages.providers.sockets.speech_text import SaidWord


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """How an utterance is spoken. `voice` is the service's own name of it."""

    voice: str
    speed: float = 1.0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """The next bytes of a context's audio, `int16` in little-endian, cut anywhere."""

    context: str | None
    """None where a connection has one context only."""
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """The next words of a context, with their times."""

    context: str | None
    words: tuple[SaidWord, ...]


@dataclass(frozen=True, slots=True)
class PieceOver:
    """All audio of the next pieces of text has come."""

    context: str | None
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """All audio of a context has come, or its cancelling is confirmed."""

    context: str | None
    is_cancel: bool = False
    """Whether it can only be the answer to a cancel."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Raised when one context has failed; the connection goes on."""

    context: str | None
    error: ProviderError


SpeechEvent = Sound | Said | PieceOver | Ended | Broken


class SpeechProtocol(Protocol):
    """One connection's messages. Made anew for every connection."""

    @property
    def takes_answers(self) -> bool:
        """Whether another answer may begin, as far as the service's limits on one connection go."""

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """Begins an utterance."""

    def text(self, context: str, text: str) -> Iterable[Message]:
        """Appends to it; `text` has something to say."""

    def finish(self, context: str) -> Iterable[Message] | None:
        """Its text is complete. None: all of it has come back as audio already, and it is over."""

    def cancel(self, context: str) -> Iterable[Message]:
        """Ends it at once."""

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """What a message says. Raises ProviderError for a fault of the whole connection."""


@dataclass(frozen=True, slots=True)
class SpeakingService:
    """A service as `speaking` needs it."""

    name: str
    rate_hz: int
    endpoint: Callable[[VoiceChoice], Endpoint]
    """Where to connect for this voice; its URL tells lines apart."""
    protocol: Callable[[], SpeechProtocol]
    voices: tuple[VoiceOption, ...]
    voice_ids: Mapping[str, str]
    """The service's own names of the voices, the default's first."""
    contexts: int = 1
    """How many utterances a connection takes, those included whose end is not confirmed."""
    audio_s: float = 5.0
    """How long audio may take that is due."""
    closing_s: float = 2.0
    """How long the confirmation of a cancel may take."""
    has_speed: bool = True
    """Whether an answer may be spoken faster or slower."""
