"""What a recogniser behind a socket must say to its service, and how its answers are read: values of `listening`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from audio.formats import Samples
from stages.ports import SpeechHints
from stages.providers.sockets.endpoint import Endpoint, Message
from stages.providers.sockets.hearing import HearingEvent


class HearingProtocol(Protocol):
    """One connection's messages. Made anew for every line."""

    joint: str
    """Stands between the pieces of text, see `HeardText`."""

    def begin(self) -> Iterable[Message]:
        """What a new connection is sent first, before any audio."""

    def audio(self, samples: Samples) -> Message | Sequence[Message]:
        """`int16[n]` as a message, or as several where something goes before an utterance."""

    def finalise(self) -> Message:
        """Asks for the final text of all audio so far."""

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """What a message says. Raises ProviderError for a fault of the service."""


@dataclass(frozen=True, slots=True)
class HearingService:
    """A service as `listening` needs it."""

    name: str
    rate_hz: int
    endpoint: Callable[[SpeechHints], Endpoint]
    """Where to connect for these hints; its URL tells lines apart."""
    protocol: Callable[[], HearingProtocol]
    final_s: float
    """How long a final text may take."""
