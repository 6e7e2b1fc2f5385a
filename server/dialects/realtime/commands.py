"""What clients of the Realtime protocol ask for, apart from audio, as commands: a model and a function each.

Whatever is wrong with an event is said in one ClientError: `param` and `code` are those of the first fault,
the message names every faulty field and its limit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from server.dialects.realtime.audio import ClipReader
from server.dialects.realtime.checking import RawEvent, checked, event_ref
from server.dialects.realtime.fields import AudioPart, OutputPart, SessionPart, WireObject
from server.dialects.realtime.items import ItemId, ItemPart, ItemReader
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.realtime.mcp_tools import mcp_servers
from server.dialects.realtime.session import client_tools, tool_choice
from server.dialects.realtime.setting_checks import Choice, OutputModality, OutputTokens, Text, Tools, wrong
from server.dialects.realtime.unknown import RENAMED
from server.domain.commands import (
    AddItem,
    CancelResponse,
    ClearAudio,
    ClearOutput,
    CommitAudio,
    CreateResponse,
    DeleteItem,
    Noted,
    Order,
    RetrieveItem,
    TruncateItem,
)
from server.domain.errors import ClientError
from server.domain.ids import Ids
from server.domain.mcp_tools import McpChoice, McpServer
from server.domain.values import Item, ResponseOptions, SessionConfig
from stages.ports import OneTool

MAX_METADATA = 16
MAX_INPUT = 1000
"""Items that one response may be about."""
MAX_INPUT_PIECES = 2000
"""Pieces of content in all of those items: looking through them takes 4 ms."""

APPEND = "input_audio_buffer.append"
UPDATE = "session.update"
CREATE_RESPONSE = "response.create"


def _few_pairs(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_METADATA:
        raise wrong(f"has {len(value)} pairs; the limit is {MAX_METADATA}")
    return value


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    BeforeValidator(_few_pairs),
]
"""What a client hangs on a response to find it again; the limits are the protocol's."""


def _few_pieces(value: object) -> object:
    contents = (
        [item.get("content") for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    )
    pieces = sum(len(content) for content in contents if isinstance(content, list))
    if pieces > MAX_INPUT_PIECES:
        raise wrong(f"its items have {pieces} pieces of content together; the limit is {MAX_INPUT_PIECES}")
    return value


class _Append(WireObject):
    audio: Any = None
    """Read in the short way, `server.dialects.realtime.decode`."""


class _SessionUpdate(WireObject):
    session: SessionPart


class _CreateItem(WireObject):
    item: ItemPart
    previous_item_id: ItemId | None = None


class _NamesItem(WireObject):
    item_id: ItemId


class _TruncateItem(_NamesItem):
    audio_end_ms: float = Field(ge=0, le=86_400_000)
    """A float, because clients measure it and few of them round."""
    content_index: int = Field(default=0, ge=0, le=0)


class _Cancel(WireObject):
    response_id: str | None = None


class _ResponsePart(WireObject):
    instructions: Text | None = None
    output_modalities: OutputModality = None
    max_output_tokens: OutputTokens = None
    metadata: Metadata | None = None
    conversation: Literal["auto", "none"] | None = None
    input: Annotated[list[ItemPart] | None, Field(max_length=MAX_INPUT), BeforeValidator(_few_pieces)] = None
    audio: AudioPart | None = None
    tools: Tools = None
    tool_choice: Choice = None
    parallel_tool_calls: Any = None
    prompt: Any = None
    reasoning: Any = None


class _CreateResponse(WireObject):
    response: _ResponsePart | None = None


def session_part(event: RawEvent) -> SessionPart:
    """The checked `session` of a `session.update`. Raises one ClientError that names every wrong field."""
    return checked(_SessionUpdate, event).session


def _create_item(event: RawEvent, config: SessionConfig, limits: RealtimeLimits, ids: Ids) -> Order | Noted:
    wanted, ref = checked(_CreateItem, event), event_ref(event)
    reader = _reader(config, limits, ids, ref)
    added = AddItem(reader.item(wanted.item, "item"), wanted.previous_item_id, ref)
    return noted(added, reader.left_out)


def _reader(config: SessionConfig, limits: RealtimeLimits, ids: Ids, ref: str | None) -> ItemReader:
    return ItemReader(ClipReader(config.input_format, limits, ref), ids, ref)


def noted(command: Order | Noted, problems: Sequence[ClientError]) -> Order | Noted:
    """The command, and beside it what could not be used, if there is anything."""
    if not problems:
        return command
    if isinstance(command, Noted):
        return replace(command, problems=(*command.problems, *problems))
    return Noted(command, tuple(problems))


def check_choice(config: SessionConfig, param: str, ref: str | None) -> None:
    """Raises ClientError for a choice of a tool that is not among the client's."""
    choice = config.tool_choice
    if isinstance(choice, McpChoice) and choice.server not in {server.label for server in config.mcp}:
        message = f"{param}: there is no server {choice.server[:64]!r}"
        raise ClientError("invalid_value", message, param=param, ref=ref)
    if isinstance(choice, OneTool) and choice.name not in {tool.name for tool in config.tools}:
        message = f"{param}: there is no tool {choice.name[:64]!r}"
        raise ClientError("invalid_value", message, param=param, ref=ref)


def _create_response(
    event: RawEvent, config: SessionConfig, limits: RealtimeLimits, ids: Ids
) -> Order | Noted:
    part, ref = checked(_CreateResponse, event).response or _ResponsePart(), event_ref(event)
    reader = _reader(config, limits, ids, ref)
    output = part.audio.output if part.audio and part.audio.output else OutputPart()
    if config.purpose == "transcription":
        message = "type: a session for transcription gives no answers; open one of type 'realtime' for them"
        raise ClientError("invalid_value", message, param="type", ref=ref)
    options = ResponseOptions(
        instructions=part.instructions,
        modality=part.output_modalities,
        metadata=part.metadata,
        max_output_tokens=part.max_output_tokens,
        voice=output.voice,
        speed=output.speed,
        output_format=output.format.to_format() if output.format is not None else None,
        tools=None if part.tools is None else client_tools(part.tools),
        mcp=_mcp(part, limits, ref),
        tool_choice=None if part.tool_choice is None else tool_choice(part.tool_choice),
        context=_context(part.input, reader),
        in_conversation=part.conversation != "none",
    )
    if options.tool_choice is not None:
        check_choice(options.over(config), "response.tool_choice", ref)
    return noted(CreateResponse(options, ref), reader.left_out)


def _mcp(part: _ResponsePart, limits: RealtimeLimits, ref: str | None) -> tuple[McpServer, ...] | None:
    if part.tools is None:
        return None
    servers = mcp_servers(part.tools, "response.tools", limits.hosting, ref)
    if servers and part.conversation == "none":
        message = "response.tools: a response beside the conversation has no MCP tools"
        raise ClientError("invalid_value", message, param="response.tools", ref=ref)
    return servers


def _context(items: list[ItemPart] | None, reader: ItemReader) -> tuple[Item | str, ...] | None:
    if items is None:
        return None
    return tuple(reader.input(item, f"response.input[{n}]") for n, item in enumerate(items))


def _truncate_item(event: RawEvent) -> TruncateItem:
    wanted = checked(_TruncateItem, event)
    return TruncateItem(wanted.item_id, int(wanted.audio_end_ms), wanted.content_index, event_ref(event))


_SIMPLE: Mapping[str, Callable[[RawEvent], Order]] = {
    "input_audio_buffer.commit": lambda event: CommitAudio(event_ref(event)),
    "input_audio_buffer.clear": lambda event: ClearAudio(event_ref(event)),
    "conversation.item.retrieve": lambda event: RetrieveItem(
        checked(_NamesItem, event).item_id, event_ref(event)
    ),
    "conversation.item.delete": lambda event: DeleteItem(
        checked(_NamesItem, event).item_id, event_ref(event)
    ),
    "conversation.item.truncate": _truncate_item,
    "response.cancel": lambda event: CancelResponse(checked(_Cancel, event).response_id, event_ref(event)),
    "output_audio_buffer.clear": lambda event: ClearOutput(event_ref(event)),
}
_BY_SESSION: Mapping[str, Callable[[RawEvent, SessionConfig, RealtimeLimits, Ids], Order | Noted]] = {
    "conversation.item.create": _create_item,
    CREATE_RESPONSE: _create_response,
}
"""What means different things in different sessions."""

MODELS: Mapping[str, type[BaseModel]] = {
    APPEND: _Append,
    UPDATE: _SessionUpdate,
    "conversation.item.create": _CreateItem,
    "conversation.item.retrieve": _NamesItem,
    "conversation.item.delete": _NamesItem,
    "conversation.item.truncate": _TruncateItem,
    CREATE_RESPONSE: _CreateResponse,
    "response.cancel": _Cancel,
}
"""What knows the keys of an event; the others have none of their own."""

KNOWN_TYPES = (UPDATE, APPEND, *_SIMPLE, *_BY_SESSION)


def to_command(
    event: RawEvent, config: SessionConfig, limits: RealtimeLimits, ids: Ids, beside: Sequence[str] = ()
) -> Order | Noted:
    """Any event but `session.update` and append as a command. `config` is what the session has now, and what the
    client gives no id gets one of `ids`. A client that errs is told the types that it may use `beside` these, too."""
    kind = event.get("type")
    if isinstance(kind, str) and kind in _SIMPLE:
        return _SIMPLE[kind](event)
    if isinstance(kind, str) and kind in _BY_SESSION:
        return _BY_SESSION[kind](event, config, limits, ids)
    ref = event_ref(event)
    if kind is None:
        raise ClientError("missing_required_parameter", "type: is required", param="type", ref=ref)
    if not isinstance(kind, str):
        raise ClientError("invalid_type", "type: must be text", param="type", ref=ref)
    known = f"use one of {', '.join((*KNOWN_TYPES, *beside))}"
    if kind in RENAMED:
        known = f"it is a name of the beta shape, and now it is {RENAMED[kind]}"
    message = f"type: {kind[:64]!r} is not known; {known}"
    raise ClientError("invalid_value", message, param="type", ref=ref)
