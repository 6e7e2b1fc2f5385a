"""Commands: what a client asks of the session. A dialect (`server/dialects/`) makes them of frames.

No wire format appears here. `ref` is what the client calls the command by, and comes back with an error.
"""

from dataclasses import dataclass, field

from server.domain.errors import ClientError
from server.domain.values import Clip, IgnoredSetting, Item, ResponseOptions, SessionConfig
from server.domain.voice_events import VoiceCommand


@dataclass(frozen=True, slots=True)
class AppendAudio:
    """Audio in the session's input format, cut anywhere, even within a sample. The hot path: 50 a second."""

    data: bytes
    ref: str | None = None
    problem: ClientError | None = None
    """What the client is told of it, although it is heard: audio before it has been lost."""


@dataclass(frozen=True, slots=True)
class CommitAudio:
    """The person's turn ends here (manual turns, or a client that knows better than the detector)."""

    ref: str | None = None


@dataclass(frozen=True, slots=True)
class ClearAudio:
    """Forget the audio that has not been committed."""

    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Configure:
    """The session's whole new configuration, merged and checked by the dialect."""

    config: SessionConfig
    ref: str | None = None
    ignored: tuple[IgnoredSetting, ...] = ()
    """What of the client's wishes it does not hold, to be told with the answer."""


@dataclass(frozen=True, slots=True)
class AddItem:
    """Put an item into the conversation after `after` (an item's id, "root" for the front, None for the
    end)."""

    item: Item
    after: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class RetrieveItem:
    """Show an item as the conversation holds it."""

    item_id: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """Take an item out of the conversation."""

    item_id: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class TruncateItem:
    """The client played only the first `audio_end_ms` of this spoken answer."""

    item_id: str
    audio_end_ms: int
    content_index: int = 0
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class CreateResponse:
    """Make a response now."""

    options: ResponseOptions = field(default_factory=ResponseOptions)
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Cancel the response; `response_id=None` means whichever there is."""

    response_id: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """Be silent at once, whether or not the response is complete; no mistake when nothing is being said."""

    ref: str | None = None


Order = (
    CommitAudio
    | ClearAudio
    | Configure
    | AddItem
    | RetrieveItem
    | DeleteItem
    | TruncateItem
    | CreateResponse
    | CancelResponse
    | ClearOutput
    | VoiceCommand
)
"""Everything but audio."""

Command = AppendAudio | Order


@dataclass(frozen=True, slots=True)
class Noted:
    """A command that is obeyed although not all that was said could be used; the client is told what was not."""

    command: Order
    problems: tuple[ClientError, ...]

    @property
    def ref(self) -> str | None:
        """What the client calls the command by."""
        return self.command.ref


def clips_of(order: Order) -> list[Clip]:
    """The recorded speech that a command brings, in its items."""
    match order:
        case AddItem(item=item):
            items = [item]
        case CreateResponse(options=options):
            items = [item for item in options.context or () if not isinstance(item, str)]
        case _:
            return []
    return [part.clip for item in items for part in item.parts if part.clip is not None]
