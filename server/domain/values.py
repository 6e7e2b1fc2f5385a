"""The session's own nouns: its configuration, the items of a conversation, and responses.

No wire format appears here; commands (`server.domain.commands`) and events (`server.domain.events`) are made
of these. All values are frozen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from audio.formats import AudioFormat
from server.domain.mcp_tools import Detail, McpChoice, McpServer
from stageflow.tools import Tool
from stages.ports import ToolChoice

Modality = Literal["audio", "text"]
Role = Literal["user", "assistant", "system", "tool"]
"""`tool` is the client when it gives what came of a tool."""
ItemKind = Literal["message", "call", "output", "listing", "approval_request", "approval"]
"""Something said; a call of a tool that is not ours; what the client says came of it. And of MCP tools: what a
server offers, the question whether a call may be made, and the client's answer."""
ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["completed", "cancelled", "incomplete", "failed"]
Purpose = Literal["conversation", "transcription"]
ResponseReason = Literal["speech", "client", "length", "content_filter"]
"""Why a response did not come to its proper end: somebody spoke, the client said so, it was too long, or its model
would not go on."""


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
class Truncation:
    """What is done when the conversation outgrows what a model may be told."""

    is_off: bool = False
    """Nothing: the answer fails."""
    retention_ratio: float = 1.0
    """How much of the limit is kept when it is passed; with less than all of it, that happens less often."""
    post_instructions_tokens: int | None = None
    """A lower limit than the server's, of the conversation without its instructions."""


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
    echo_cancelled: bool = False
    """Whether the client says that it takes the agent's voice out of its microphone."""
    transcription: bool = False
    """Whether the client wants to see what was recognised."""
    language: str | None = None
    """What the client says is spoken, as in "es" or "es-MX"."""
    phrases: tuple[str, ...] = ()
    """Words that the client says are likely to be said."""
    max_output_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    """The client's own, which it runs itself; the server's are none of its business."""
    mcp: tuple[McpServer, ...] = ()
    """Whose tools the server lists and runs for the client."""
    tool_choice: ToolChoice | McpChoice = "auto"
    truncation: Truncation = Truncation()
    purpose: Purpose = "conversation"
    """A session for transcription only listens."""
    trusts_items: bool = True
    """Whether what the client writes in others' names goes by the guard; not where a secret with locks opened it."""


@dataclass(slots=True)
class ConfigInForce:
    """What a session is configured to now, for all who ask; it changes as a whole."""

    current: SessionConfig

    @property
    def detection(self) -> TurnDetection | None:
        """How turns are detected; None where the client ends them itself."""
        return self.current.turn_detection

    @property
    def wants_response(self) -> bool:
        """Whether the end of a turn is to be answered without being asked."""
        detection = self.detection
        return detection is not None and detection.create_response


@dataclass(frozen=True, slots=True)
class IgnoredSetting:
    """A setting of a client's that changes nothing, and why. `param` is its path."""

    param: str
    message: str


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the server can do of what clients may ask for."""

    languages: tuple[str, ...] = ("*",)
    """That are recognised, as in "de"; "*" stands for any."""
    voices: tuple[str, ...] = ()
    """The names of its voices; empty where any name will do."""
    owns_turns: bool = False
    """Whether the recogniser finds the ends of turns itself."""
    agents: tuple[str, ...] = ()
    """The names of those who answer."""
    takes_phrases: bool = True
    """Whether the recogniser listens for words that it is told."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Recorded speech, whole samples of it."""

    data: bytes = field(repr=False)
    format: AudioFormat

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.data) / (self.format.bytes_per_sample * self.format.rate_hz)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message that the client writes: typed words, a clip, or what an answer elsewhere has said."""

    text: str = ""
    """What was typed, or said by the answer; of a clip, what was recognised, nothing before that."""
    spoken: bool = False
    clip: Clip | None = None
    """To be recognised. The conversation does not keep it."""
    transcript: str | None = None
    """What the client says was spoken: shown in place of `text`, and believed by nobody."""


def words_of(parts: Sequence[Part]) -> str:
    """All words of a message, as far as they are known."""
    return "\n".join(part.text for part in parts if part.text)


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
    parts: tuple[Part, ...] = ()
    """Of a message that is more than one typed text: all of its pieces, as they came. `text` is their words."""
    detail: Detail | None = None
    """Of items that have to do with MCP tools."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response, from the first sign of it to its last sample."""

    id: str
    modality: Modality = "audio"
    metadata: Mapping[str, str] | None = None
    config: SessionConfig = SessionConfig()
    in_conversation: bool = True
    """False when it is given beside the conversation, which never learns of it."""
    message_index: int = 0
    """Which of its items its message is: behind one that was broken off, the next."""


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """What a client asks of one response, over and above the session's configuration."""

    instructions: str | None = None
    modality: Modality | None = None
    metadata: Mapping[str, str] | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    """"inf" lifts the session's limit."""
    voice: str | None = None
    speed: float | None = None
    output_format: AudioFormat | None = None
    tools: tuple[Tool, ...] | None = None
    mcp: tuple[McpServer, ...] | None = None
    tool_choice: ToolChoice | McpChoice | None = None
    context: tuple[Item | str, ...] | None = None
    """What the response is about instead of the conversation: items, and ids of items in the conversation."""
    in_conversation: bool = True
    """False for a response that the conversation never learns of."""

    def over(self, config: SessionConfig) -> SessionConfig:
        """The session's configuration as it holds for this one response."""
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
            mcp=config.mcp if self.mcp is None else self.mcp,
            tool_choice=config.tool_choice if self.tool_choice is None else self.tool_choice,
        )


@dataclass(frozen=True, slots=True)
class ResumeOffer:
    """How a client may come back to its session over another connection."""

    token: str
    grace_s: float
    """How long it is waited for."""
