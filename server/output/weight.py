"""What an event takes on the wire, roughly: the limit on what a client leaves unread counts it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from server.domain.events import (
    Event,
    ItemAdded,
    ItemDone,
    ItemRetrieved,
    ResponseCall,
    ResponseItemEnded,
    ResponseText,
)
from server.domain.mcp_tools import CallError, McpCall, ToolListing
from server.domain.values import Item
from server.domain.voice_events import ArtifactMade, StageEventTold

EVENT_BYTES = 400
"""What an event without text weighs on the wire."""


def weight_bytes(event: Event) -> int:
    """About how many bytes the event takes on the wire. Asked twice of each."""
    beside = _BESIDE.get(type(event))
    return EVENT_BYTES if beside is None else EVENT_BYTES + beside(event)


def _json_bytes(event: StageEventTold | ArtifactMade) -> int:
    return len(event.json)


def _item_bytes(event: ItemAdded | ItemDone | ItemRetrieved | ResponseItemEnded) -> int:
    item = event.item
    parts_bytes = sum(len(part.transcript or "") for part in item.parts)
    return len(item.text) + parts_bytes + _detail_bytes(item)


_BESIDE: Mapping[type[Event], Callable[[Any], int]] = {
    ResponseText: lambda event: len(event.delta),
    StageEventTold: _json_bytes,
    ArtifactMade: _json_bytes,
    ResponseCall: lambda event: 5 * EVENT_BYTES + 4 * len(event.item.text),
    ItemAdded: _item_bytes,
    ItemDone: _item_bytes,
    ItemRetrieved: _item_bytes,
    ResponseItemEnded: _item_bytes,
}
"""What events with text weigh beside that."""


def _detail_bytes(item: Item) -> int:
    match item.detail:
        case None:
            return 0
        case ToolListing(tools=tools):
            return sum(EVENT_BYTES + len(tool.description) + len(str(tool.parameters)) for tool in tools)
        case McpCall(output=output, error=None):
            return len(output or "")
        case McpCall(error=CallError(message=message)):
            return len(message)
        case _:
            return 0
