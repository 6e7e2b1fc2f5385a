"""The connection of a session: what carries it (a socket, or two queues in a test), and what is spoken over it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from server.domain.commands import Command, Noted
from server.domain.events import Event
from server.domain.values import ResumeOffer

Hear = Callable[[str | bytes], bool]
"""Is offered a frame the moment it comes; whether it has dealt with it."""


class WireClosed(Exception):
    """The connection is over; nothing can be sent."""


class Wire(Protocol):
    """One connection, whatever carries it. Frames are whole messages."""

    @property
    def latency_s(self) -> float:
        """The last measured round trip, 0 when it is not known."""

    @property
    def close_code(self) -> int | None:
        """What it ended with, whoever ended it, 1006 where nobody said so; None as long as it has not."""

    @property
    def unsent_bytes(self) -> int:
        """How much of what was sent the network has not delivered, 0 when it is not known."""

    @property
    def buffered_bytes(self) -> int:
        """How much of that has not even left the connection's own buffer; 0 nearly always."""

    async def receive(self) -> str | bytes | None:
        """The next frame, or None when the client is gone."""

    async def send(self, frame: str | bytes) -> None:
        """Hand one frame to the connection; waits while the client does not read. Raises WireClosed."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a WebSocket close code; never raises."""


class PromptWire(Wire, Protocol):
    """A wire that can have a frame dealt with the moment it comes, and send one the moment it is there."""

    def send_now(self, frame: str | bytes) -> bool:
        """Send it at once if nothing is in its way; if not (False), `send` waits, or says what is wrong."""

    def hear_by(self, hear: Hear) -> None:
        """Offer each frame for which `receive` waits to `hear`, at once: True if it was dealt with, and `receive` waits
        on; else `receive` returns it."""


class Dialect(Protocol):
    """One wire protocol for one connection: no I/O, no conversation state."""

    @property
    def holds_voice(self) -> bool:
        """Whether its clients obey `VoiceHeld`; the others fall silent when speech starts, for good."""

    def decode(self, frame: str | bytes) -> Command | Noted:
        """One frame as a command; raises ClientError for anything that is not one."""

    def encode(self, event: Event) -> list[str | bytes]:
        """One event as the frames that say it, in order."""


class PromptDialect(Dialect, Protocol):
    """A dialect that has a short way for frames of the microphone as they nearly always are."""

    usual_frame: type[str] | type[bytes] | tuple[type[str], type[bytes]]
    """What is heard the moment it comes, if it is usual audio; no other is looked at then."""

    def usual_audio(self, frame: str | bytes) -> bytes | None:
        """What `decode` would make an `AppendAudio` of, without a reference or a problem: its audio. None for any other
        frame, and then nothing has happened."""


@runtime_checkable
class ResumableDialect(Dialect, Protocol):
    """A dialect whose clients count what they are sent, and may come back over another connection."""

    def resumed(self, offer: ResumeOffer, received_events: int) -> str:
        """The frame that greets a client that has come back; it does not count. So many text frames of the client have
        arrived, and it may come back again by `offer`."""

    def keep(self, unsettled_ms: int) -> str:
        """What another dialect of its kind needs to go on; of the microphone, all but the newest `unsettled_ms`."""

    def restore(self, kept: str) -> None:
        """Go on where another has ended, before anything else. Raises ValueError for what it has not kept."""


def as_resumable(dialect: Dialect) -> ResumableDialect | None:
    """The dialect, if its clients may come back."""
    if hasattr(dialect, "resumed") and isinstance(dialect, ResumableDialect):  # the second takes 50 µs
        return dialect
    return None
