"""Conversation items that a client writes, as values: messages, calls of its tools, what came of them, approvals."""

from collections.abc import Mapping
from typing import Annotated, Literal, NoReturn

from pydantic import Field

from server.dialects.realtime.audio import ClipReader
from server.dialects.realtime.fields import Part, Text
from server.domain.errors import ClientError
from server.domain.ids import new_id
from server.domain.mcp_tools import Approval
from server.domain.values import Item, words_of
from server.domain.values import Part as MessagePart

ItemId = Annotated[str, Field(min_length=1, max_length=128)]


class _ContentPart(Part):
    type: str
    text: Text | None = None
    transcript: Text | None = None
    audio: str | None = None


class ItemPart(Part):
    """An item, not checked further than its fields' own types."""

    id: ItemId | None = None
    type: str = "message"
    role: Literal["user", "assistant", "system"] | None = None
    content: list[_ContentPart] | None = Field(default=None, max_length=64)
    call_id: ItemId | None = None
    name: ItemId | None = None
    arguments: Text | None = None
    output: Text | None = None
    approval_request_id: ItemId | None = None
    approve: bool | None = None
    reason: Annotated[str, Field(max_length=1000)] | None = None


def read_item(part: ItemPart, param: str, ref: str | None, clips: ClipReader) -> Item:
    """The item; one without an id gets one. Raises ClientError, for the event `ref`, under the name `param`."""
    item_id = part.id or new_id("item")
    match part.type:
        case "message":
            return _message(part, item_id, param, ref, clips)
        case "function_call":
            _require(part, ("name", "arguments"), param, ref)
            call_id = part.call_id or new_id("call")
            return Item(
                item_id, "assistant", part.arguments or "", kind="call", call_id=call_id, name=part.name or ""
            )
        case "function_call_output":
            _require(part, ("call_id", "output"), param, ref)
            return Item(item_id, "tool", part.output or "", kind="output", call_id=part.call_id or "")
        case "mcp_approval_response":
            _require(part, ("approval_request_id", "approve"), param, ref)
            approval = Approval(part.approval_request_id or "", part.approve is True, part.reason)
            return Item(item_id, "tool", kind="approval", detail=approval)
        case other:
            known = "'message', 'function_call', 'function_call_output' and 'mcp_approval_response' are"
            _refuse("invalid_value", f"{param}.type", f"{other[:64]!r} is not supported, only {known}", ref)


def read_input(part: ItemPart, param: str, ref: str | None, clips: ClipReader) -> Item | str:
    """The same for what a reply is about, where the id of an item in the conversation stands for the item."""
    if part.type == "mcp_approval_response":
        _refuse("invalid_value", f"{param}.type", "a call is approved of in the conversation only", ref)
    if part.type != "item_reference":
        return read_item(part, param, ref, clips)
    _require(part, ("id",), param, ref)
    return part.id or ""


def _require(part: ItemPart, names: tuple[str, ...], param: str, ref: str | None) -> None:
    missing = [name for name in names if getattr(part, name) in (None, [])]
    if missing:
        message = "; ".join(f"{param}.{name}: is required" for name in missing)
        raise ClientError("missing_required_parameter", message, param=f"{param}.{missing[0]}", ref=ref)


_CONTENT: Mapping[str, tuple[str, ...]] = {
    "user": ("input_text", "input_audio"),
    "system": ("input_text",),
    "assistant": ("output_audio", "output_text"),
}
_WHY_NOT = {"input_image": "images are not understood by this server"}


def _message(part: ItemPart, item_id: str, param: str, ref: str | None, clips: ClipReader) -> Item:
    _require(part, ("role", "content"), param, ref)
    role = part.role or "user"
    said = [
        _part(piece, f"{param}.content[{n}]", role, ref, clips) for n, piece in enumerate(part.content or ())
    ]
    if any(piece.spoken for piece in said):
        return Item(item_id, role, words_of(said), parts=tuple(said))
    return Item(item_id, role, "\n".join(piece.text for piece in said))


def _part(part: _ContentPart, param: str, role: str, ref: str | None, clips: ClipReader) -> MessagePart:
    if part.type != "input_audio" or part.type not in _CONTENT[role]:
        return MessagePart(_text(part, param, role, ref))
    if part.audio is None:
        _refuse("missing_required_parameter", f"{param}.audio", "is required", ref)
    clip = clips.read(part.audio, f"{param}.audio")
    return MessagePart(spoken=True, clip=clip, transcript=part.transcript)


def _text(part: _ContentPart, param: str, role: str, ref: str | None) -> str:
    if part.type not in _CONTENT[role]:
        allowed = " or ".join(_CONTENT[role])
        why = f": {_WHY_NOT[part.type]}" if part.type in _WHY_NOT else ""
        message = f"{part.type[:64]!r} is not supported here{why}; the {role} may say {allowed}"
        _refuse("unsupported_content_type", f"{param}.type", message, ref)
    key, text = ("transcript", part.transcript) if part.type == "output_audio" else ("text", part.text)
    if text is None:
        _refuse("missing_required_parameter", f"{param}.{key}", "is required", ref)
    return text


def _refuse(code: str, param: str, message: str, ref: str | None) -> NoReturn:
    raise ClientError(code, f"{param}: {message}", param=param, ref=ref)
