"""Events: what the session tells its client. A dialect (`server/dialects/`) makes frames of them.

No wire format appears here. Times on the input side are milliseconds of audio received since the session began,
times on the output side are milliseconds of the response's audio: samples counted, never a wall clock.
"""

from dataclasses import dataclass, field

from server.domain.errors import ClientError
from server.domain.values import (
    IgnoredSetting,
    Item,
    Response,
    ResponseReason,
    ResponseStatus,
    ResumeOffer,
    SessionConfig,
)
from server.domain.voice_events import VoiceEvent
from stages.ports import Usage


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """Always the first event."""

    session_id: str
    conversation_id: str
    config: SessionConfig
    expires_at_s: int
    """When the session's time is up, in Unix seconds."""
    resume: ResumeOffer | None = None
    """How the client may come back over another connection, if it may."""
    restored: tuple[str, ...] = ()
    """The items of the earlier session that goes on."""


@dataclass(frozen=True, slots=True)
class SessionConfigured:
    """The answer to `Configure`: what holds from now on."""

    config: SessionConfig
    ignored: tuple[IgnoredSetting, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The person began to speak; `audio_start_ms` includes the pre-roll. Clients fall silent on this."""

    item_id: str
    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The person has stopped speaking, as the detector sees it."""

    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class SilenceNoticed:
    """Nobody has spoken for as long as the client allows; `AudioCommitted` of an empty utterance follows."""

    item_id: str
    audio_start_ms: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class AudioCommitted:
    """The utterance is now a user's item; `ItemAdded` and `ItemDone` follow."""

    item_id: str
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class AudioCleared:
    """The answer to `ClearAudio`."""


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """The conversation has a new item."""

    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ItemDone:
    """The item is complete."""

    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ItemRetrieved:
    """The answer to `RetrieveItem`."""

    item: Item


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """The answer to `DeleteItem`."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    """The answer to `TruncateItem`."""

    item_id: str
    audio_end_ms: int
    content_index: int = 0


@dataclass(frozen=True, slots=True)
class TranscriptPartial:
    """More of the person's words that will not change; append-only."""

    item_id: str
    delta: str
    content_index: int = 0


@dataclass(frozen=True, slots=True)
class TranscriptFinal:
    """What the person said, once per utterance and once per clip."""

    item_id: str
    text: str
    duration_s: float
    content_index: int = 0


@dataclass(frozen=True, slots=True)
class TranscriptFailed:
    """The utterance, or the clip, could not be recognised."""

    item_id: str
    code: str
    message: str
    content_index: int = 0


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """A response has begun."""

    response: Response


@dataclass(frozen=True, slots=True)
class ResponseItemStarted:
    """The response's message begins; text and audio of it follow."""

    response: Response
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ResponseText:
    """The next piece of the response's text (of a spoken one: of its transcript)."""

    response: Response
    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ResponseAudio:
    """The next stretch of the response's speech, already in the session's output format. The hot path."""

    response: Response
    item_id: str
    data: bytes
    epoch: int = 0
    offset_samples: int = 0
    """Where it lies in the item's audio."""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ResponseItemEnded:
    """The response's message is over: `item.text` is the whole text and `item.status` how it ended."""

    response: Response
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ResponseCall:
    """The answer calls a tool of the client's or an MCP tool, or asks whether it may: a whole item, the `index`th of
    the answer."""

    response: Response
    item: Item
    previous_item_id: str | None
    index: int


@dataclass(frozen=True, slots=True)
class McpCallStarted:
    """An MCP tool runs; the call was the `index`th item of its response, which has ended."""

    item_id: str
    index: int


@dataclass(frozen=True, slots=True)
class McpCallEnded:
    """Something came of the call; `ItemDone` says what. Exactly once for each call that was not left to wait."""

    item_id: str
    index: int
    ok: bool


@dataclass(frozen=True, slots=True)
class ListingStarted:
    """A server is asked for its tools; its item was added before."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ListingEnded:
    """It has answered, or will not; `ItemDone` says what."""

    item_id: str
    ok: bool


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """The response is over: the one terminal event of every `ResponseStarted`."""

    response: Response
    status: ResponseStatus
    reason: ResponseReason | None = None
    error: ClientError | None = None
    items: tuple[Item, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class OutputCleared:
    """The answer to `ClearOutput`."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A command was not obeyed; the session goes on."""

    error: ClientError


SessionEvent = SessionStarted | SessionConfigured
InputEvent = SpeechStarted | SpeechStopped | SilenceNoticed | AudioCommitted | AudioCleared
TranscriptEvent = TranscriptPartial | TranscriptFinal | TranscriptFailed
ItemEvent = ItemAdded | ItemDone | ItemRetrieved | ItemDeleted | ItemTruncated
ResponseEvent = (
    ResponseStarted
    | ResponseItemStarted
    | ResponseText
    | ResponseAudio
    | ResponseItemEnded
    | ResponseCall
    | ResponseEnded
    | OutputCleared
)
McpEvent = McpCallStarted | McpCallEnded | ListingStarted | ListingEnded

ConversationEvent = (
    SessionEvent | InputEvent | TranscriptEvent | ItemEvent | ResponseEvent | McpEvent | Problem
)
"""What every client can be told."""

Event = ConversationEvent | VoiceEvent
