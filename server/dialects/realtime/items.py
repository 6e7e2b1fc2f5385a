"""Conversation items that a client writes, as values: messages, calls of its tools, what came of them, approvals.

An item comes back as it was written: its pieces one by one, each of its kind, and its status. What this server cannot
use of a message (an image) is left out and told of, and the rest is used.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field

from server.dialects.realtime.audio import ClipReader
from server.dialects.realtime.fields import WireObject
from server.dialects.realtime.setting_checks import Text
from server.domain.errors import ClientError
from server.domain.ids import Ids
from server.domain.mcp_tools import Approval
from server.domain.values import Item, ItemStatus, Part, words_of

ItemId = Annotated[str, Field(min_length=1, max_length=128)]


class _ContentPart(WireObject):
    type: str
    text: Text | None = None
    transcript: Text | None = None
    audio: str | None = None
    image_url: Any = None
    file_id: Any = None
    file_data: Any = None
    file_url: Any = None
    filename: Any = None
    detail: Any = None


class ItemPart(WireObject):
    """An item, not checked further than its fields' own types."""

    id: ItemId | None = None
    object: Any = None
    status: ItemStatus | None = None
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


_CONTENT: Mapping[str, tuple[str, ...]] = {
    "user": ("input_text", "input_audio"),
    "system": ("input_text",),
    "assistant": ("output_audio", "output_text"),
}
_LEFT_OUT = {
    "input_image": "images are not understood by this server",
    "input_file": "files are not understood by this server",
}
"""What the protocol lets users say and this server has no use for."""


class ItemReader:
    """Reads the items of one event, the event `ref`. Raises ClientError where there is nothing to be used."""

    def __init__(self, clips: ClipReader, ids: Ids, ref: str | None) -> None:
        self.left_out: list[ClientError] = []
        """What the client is to be told of pieces that were left out."""
        self._clips = clips
        self._ids = ids
        self._ref = ref

    def item(self, part: ItemPart, param: str) -> Item:
        """The item; one without an id gets one. `param` is what it is called in errors."""
        return replace(self._item(part, param), status=part.status or "completed")

    def input(self, part: ItemPart, param: str) -> Item | str:
        """The same for what a response is about, where the id of an item in the conversation stands for the item."""
        if part.type == "mcp_approval_response":
            self._refuse("invalid_value", f"{param}.type", "a call is approved of in the conversation only")
        if part.type != "item_reference":
            return self.item(part, param)
        self._require(part, ("id",), param)
        return part.id or ""

    def _item(self, part: ItemPart, param: str) -> Item:
        item_id = part.id or self._ids.new("item")
        match part.type:
            case "message":
                return self._message(part, item_id, param)
            case "function_call":
                self._require(part, ("name", "arguments"), param)
                call_id, name = part.call_id or self._ids.new("call"), part.name or ""
                return Item(
                    item_id, "assistant", part.arguments or "", kind="call", call_id=call_id, name=name
                )
            case "function_call_output":
                self._require(part, ("call_id", "output"), param)
                return Item(item_id, "tool", part.output or "", kind="output", call_id=part.call_id or "")
            case "mcp_approval_response":
                self._require(part, ("approval_request_id", "approve"), param)
                approval = Approval(part.approval_request_id or "", part.approve is True, part.reason)
                return Item(item_id, "tool", kind="approval", detail=approval)
            case other:
                known = "'message', 'function_call', 'function_call_output' and 'mcp_approval_response' are"
                self._refuse(
                    "invalid_value", f"{param}.type", f"{other[:64]!r} is not supported, only {known}"
                )

    def _message(self, part: ItemPart, item_id: str, param: str) -> Item:
        self._require(part, ("role", "content"), param)
        role, left_out = part.role or "user", []
        said: list[Part] = []
        for number, piece in enumerate(part.content or ()):
            try:
                said.append(self._piece(piece, f"{param}.content[{number}]", role))
            except ClientError as error:
                if piece.type not in _LEFT_OUT or role != "user":
                    raise
                left_out.append(error)
        if not said:
            raise left_out[0]
        self.left_out += left_out
        parts = tuple(said) if len(said) > 1 or said[0].spoken else ()
        return Item(item_id, role, words_of(said), parts=parts)

    def _piece(self, part: _ContentPart, param: str, role: str) -> Part:
        if part.type not in _CONTENT[role]:
            allowed = " or ".join(_CONTENT[role])
            why = f": {_LEFT_OUT[part.type]}" if part.type in _LEFT_OUT else ""
            message = f"{part.type[:64]!r} is not supported here{why}; the {role} may say {allowed}"
            self._refuse("unsupported_content_type", f"{param}.type", message)
        if part.type == "input_audio":
            clip = self._clips.read(self._present(part, "audio", param), f"{param}.audio")
            return Part(spoken=True, clip=clip, transcript=part.transcript)
        if part.type == "output_audio":
            return Part(self._present(part, "transcript", param), spoken=True)
        return Part(self._present(part, "text", param))

    def _present(self, part: _ContentPart, name: str, param: str) -> str:
        value: str | None = getattr(part, name)
        if value is None:
            self._refuse("missing_required_parameter", f"{param}.{name}", "is required")
        return value

    def _require(self, part: ItemPart, names: tuple[str, ...], param: str) -> None:
        missing = [name for name in names if getattr(part, name) in (None, [])]
        if missing:
            message = "; ".join(f"{param}.{name}: is required" for name in missing)
            raise ClientError(
                "missing_required_parameter", message, param=f"{param}.{missing[0]}", ref=self._ref
            )

    def _refuse(self, code: str, param: str, message: str) -> NoReturn:
        raise ClientError(code, f"{param}: {message}", param=param, ref=self._ref)
