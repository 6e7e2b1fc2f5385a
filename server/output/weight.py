"""What an event takes on the wire, roughly: the limit on what a client leaves unread counts it. Pure."""

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
    """About how many bytes the event takes on the wire."""
    match event:
        case ResponseText(delta=text):
            return EVENT_BYTES + len(text)
        case StageEventTold(json=text) | ArtifactMade(json=text):
            return EVENT_BYTES + len(text)
        case ResponseCall(item=item):
            return 6 * EVENT_BYTES + 4 * len(item.text)
        case (
            ItemAdded(item=item)
            | ItemDone(item=item)
            | ItemRetrieved(item=item)
            | ResponseItemEnded(item=item)
        ):
            parts_bytes = sum(len(part.transcript or "") for part in item.parts)
            return EVENT_BYTES + len(item.text) + parts_bytes + _detail_bytes(item)
        case _:
            return EVENT_BYTES


def _detail_bytes(item: Item) -> int:
    match item.detail:
        case ToolListing(tools=tools):
            return sum(EVENT_BYTES + len(tool.description) + len(str(tool.parameters)) for tool in tools)
        case McpCall(output=output, error=None):
            return len(output or "")
        case McpCall(error=CallError(message=message)):
            return len(message)
        case _:
            return 0
