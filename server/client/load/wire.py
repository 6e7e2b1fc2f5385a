"""What a caller and a protocol tell each other: what a message means, and the class that every protocol is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple, TypeAlias

from audio.formats import Samples
from server.client.load.script import Tool
from server.domain.errors import ServerError

Wire: TypeAlias = str | bytes
"""One message of a WebSocket."""


class Spoken(NamedTuple):
    """What a caller sends with one frame of its microphone, in order."""

    before: Sequence[Wire]
    header: bytes
    """Of this call's own."""
    prepared: Wire
    """The frame, which all callers share."""
    after: Sequence[Wire]

    def messages(self) -> list[Wire]:
        """What is sent, as messages."""
        prepared = self.prepared
        return [
            *self.before,
            self.header + prepared if isinstance(prepared, bytes) else prepared,
            *self.after,
        ]


class Audio(NamedTuple):
    """Some more of the answer, `int16[n]` at the target's rate."""

    samples: Samples
    item_id: str = ""
    """What it belongs to, where the protocol has a name for it."""


class Order(StrEnum):
    """What a player is to do, or may know."""

    ITEM_ENDS = "item_ends"
    """No more audio is to come for now: running dry is no gap."""
    ANSWER_ENDS = "answer_ends"
    """The answer is complete: what comes next is another."""
    FLUSH = "flush"
    DUCK = "duck"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The server says that something went wrong."""

    message: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The server tells where it stands; nothing is to be played or thrown away for it."""

    name: str


@dataclass(frozen=True, slots=True)
class WordEnds:
    """Where words of an item end, in samples from its first."""

    item_id: str
    end_samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The server wants a tool of the caller's to be called."""

    call_id: str
    name: str


Sound: TypeAlias = Audio | Order | Trouble | Mark | WordEnds | ToolCall


class TargetError(ServerError):
    """A target cannot be talked to in this way; the message says what to do."""


class Target:
    """One session's protocol. A class of one's own gives `prepare` and `hear`, and whatever else differs.

    Each session has its own instance; `prepare` is of the class, because all sessions share the prepared frames.
    """

    subprotocols: ClassVar[tuple[str, ...]] = ()
    rate_hz: ClassVar[int] = 24_000
    tells_ends: ClassVar[bool] = True
    """Whether the protocol says when an answer ends. If not, a second without audio ends it."""

    can_resume: ClassVar[bool] = False
    """Whether a session whose connection is lost goes on over another."""

    def declare(self, tools: Sequence[Tool]) -> Sequence[Wire]:
        """What is sent at first to declare tools. Raises TargetError where none can be."""
        if tools:
            raise TargetError(f"{type(self).__name__} knows no tools; they need realtime or voice.v1")
        return ()

    def tool_result(self, call_id: str, result: str) -> Sequence[Wire]:
        """What is sent when a tool has its result."""
        raise TargetError(f"{type(self).__name__} knows no tools")

    def opening(self) -> Sequence[Wire]:
        """What is sent before the first sample."""
        return ()

    @classmethod
    def prepare(cls, samples: Samples) -> Wire:
        """One frame of the microphone, `int16[n]`. Called once for each frame of each recording."""
        raise NotImplementedError

    def header(self, sent_samples: int) -> bytes:
        """What goes before the prepared frame, if that is bytes, when it is sent after so many samples."""
        return b""

    def typed(self, text: str) -> Sequence[Wire]:
        """What is sent for something written. Raises TargetError where nothing can be."""
        raise TargetError(
            f"{type(self).__name__} carries audio alone; the scenario's `type` needs another target"
        )

    def hear(self, message: Wire) -> Sequence[Sound]:
        """What a message of the server means to a listener. Raises ValueError for one that means nothing at all."""
        raise NotImplementedError

    def heard(self, item_id: str, played_samples: int, *, underruns: int, is_cut: bool) -> Sequence[Wire]:
        """What the server is told of what has been heard of an item; `is_cut` when it was flushed at that sample."""
        return ()
