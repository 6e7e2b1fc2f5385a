"""The session's own vocabulary: commands that come in and events that go out.

No wire format appears here; a dialect (`server/dialects/`) turns frames into these commands and these
events into frames. All values are frozen. Times on the input side are milliseconds of audio received since
the session began, times on the output side are milliseconds of the reply's audio: samples counted, never a
wall clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from audio.formats import AudioFormat
from server.errors import ClientError
from server.voice_events import Played, TurnEnded, TurnTimed, VoiceFlushed, VoiceHeld
from stageflow.tools import Tool
from stages.ports import ToolChoice, Usage

# --- values -----------------------------------------------------------------------------------------------

Modality = Literal["audio", "text"]
Role = Literal["user", "assistant", "system", "tool"]
"""`tool` is the client when it gives what came of a tool."""
ItemKind = Literal["message", "call", "output"]
"""Something said; a call of one of the client's tools; what came of it."""
ItemStatus = Literal["in_progress", "completed", "incomplete"]
ReplyStatus = Literal["completed", "cancelled", "incomplete", "failed"]
ReplyReason = Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How the server finds the ends of the person's turns by itself."""

    kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None
    """How long after an answer nobody may speak until the server does again."""
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a client may configure, as the session understands it. `turn_detection=None` means manual
    turns."""

    model: str = "default"
    instructions: str = ""
    modality: Modality = "audio"
    input_format: AudioFormat = AudioFormat()
    output_format: AudioFormat = AudioFormat()
    voice: str = "default"
    """Name of a voice; "default" leaves the choice to the server."""
    speed: float = 1.0
    turn_detection: TurnDetection | None = TurnDetection()
    transcription: bool = False
    """Whether the client wants to see what was recognised."""
    max_output_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    """The client's own, which it runs itself; the server's are none of its business."""
    tool_choice: ToolChoice = "auto"
    purpose: Literal["realtime", "transcription"] = "realtime"
    """A session for transcription only listens."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the conversation. `text` is what was typed, recognised or generated (for speech: what
    was heard), the arguments of a call as JSON, or what came of it."""

    id: str
    role: Role
    text: str = ""
    spoken: bool = False
    """True when the content is audio and `text` its transcript."""
    status: ItemStatus = "completed"
    kind: ItemKind = "message"
    call_id: str = ""
    """What a call and its output are known by."""
    name: str = ""
    """The tool that is called."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the agent, from the first sign of it to its last sample."""

    id: str
    modality: Modality = "audio"
    metadata: Mapping[str, str] | None = None
    config: SessionConfig = SessionConfig()
    in_conversation: bool = True
    """False when it is given beside the conversation, which never learns of it."""


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What a client asks of one reply, over and above the session's configuration."""

    instructions: str | None = None
    modality: Modality | None = None
    metadata: Mapping[str, str] | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    """"inf" lifts the session's limit."""
    voice: str | None = None
    speed: float | None = None
    output_format: AudioFormat | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    context: tuple[Item | str, ...] | None = None
    """What the reply is about instead of the conversation: items, and ids of items in the conversation."""
    in_conversation: bool = True
    """False for a reply that the conversation never learns of."""

    def over(self, config: SessionConfig) -> SessionConfig:
        """The session's configuration as it holds for this one reply."""
        tokens = self.max_output_tokens
        return replace(
            config,
            instructions=self.instructions or config.instructions,
            modality=self.modality or config.modality,
            max_output_tokens=None if tokens == "inf" else tokens or config.max_output_tokens,
            voice=self.voice or config.voice,
            speed=self.speed or config.speed,
            output_format=self.output_format or config.output_format,
            tools=config.tools if self.tools is None else self.tools,
            tool_choice=config.tool_choice if self.tool_choice is None else self.tool_choice,
        )


# --- commands: what a client asks for ---------------------------------------------------------------------


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
class CreateReply:
    """Answer now."""

    options: ReplyOptions = ReplyOptions()
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop answering. `reply_id=None` means whatever is being said."""

    reply_id: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """Be silent at once, whether or not the reply is complete; no mistake when nothing is being said."""

    ref: str | None = None


Command = (
    AppendAudio
    | CommitAudio
    | ClearAudio
    | Configure
    | AddItem
    | RetrieveItem
    | DeleteItem
    | TruncateItem
    | CreateReply
    | CancelReply
    | Played
    | ClearOutput
)

# --- events: what a client is told ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """Always the first event."""

    session_id: str
    config: SessionConfig
    expires_at_s: int
    """When the session's time is up, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class SessionConfigured:
    """The answer to `Configure`: what holds from now on."""

    config: SessionConfig


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


@dataclass(frozen=True, slots=True)
class TranscriptFinal:
    """What the person said, once per utterance."""

    item_id: str
    text: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class TranscriptFailed:
    """The utterance could not be recognised."""

    item_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """An answer has begun."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class ReplyItemStarted:
    """The answer's message begins; text and audio of it follow."""

    reply: Reply
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next piece of the answer's text (for a spoken answer: of its transcript)."""

    reply: Reply
    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """The next stretch of the answer's speech, already in the session's output format. The hot path."""

    reply: Reply
    item_id: str
    data: bytes
    epoch: int = 0
    offset_samples: int = 0
    """Where it lies in the item's audio."""


@dataclass(frozen=True, slots=True)
class ReplyItemEnded:
    """The answer's message is over: `item.text` is the whole text and `item.status` how it ended."""

    reply: Reply
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class ReplyCall:
    """The answer calls one of the client's tools: a whole item, the `index`th of the answer."""

    reply: Reply
    item: Item
    previous_item_id: str | None
    index: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The answer is over: the one terminal event of every `ReplyStarted`."""

    reply: Reply
    status: ReplyStatus
    reason: ReplyReason | None = None
    error: ClientError | None = None
    items: tuple[Item, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class OutputCleared:
    """The answer to `ClearOutput`."""

    reply_id: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A command was not obeyed; the session goes on."""

    error: ClientError


Event = (
    SessionStarted
    | SessionConfigured
    | SpeechStarted
    | VoiceHeld
    | VoiceFlushed
    | SpeechStopped
    | SilenceNoticed
    | AudioCommitted
    | AudioCleared
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | TranscriptPartial
    | TranscriptFinal
    | TranscriptFailed
    | ReplyStarted
    | ReplyItemStarted
    | ReplyText
    | ReplyAudio
    | ReplyItemEnded
    | ReplyCall
    | ReplyEnded
    | TurnEnded
    | TurnTimed
    | OutputCleared
    | Problem
)


class Dialect(Protocol):
    """One wire protocol for one connection: no I/O, no conversation state."""

    @property
    def holds_voice(self) -> bool:
        """Whether its clients obey `VoiceHeld`; the others fall silent when speech starts, for good."""

    def decode(self, frame: str | bytes) -> Command:
        """One frame as a command; raises ClientError for anything that is not one."""

    def encode(self, event: Event) -> list[str | bytes]:
        """One event as the frames that say it, in order."""
