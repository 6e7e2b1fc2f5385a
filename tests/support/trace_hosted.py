"""The rules of a trace that are about MCP tools; `trace_checker` names them and calls them."""

from collections.abc import Iterator, Mapping
from typing import Any

TraceEvent = Mapping[str, Any]
Faults = Iterator[tuple[str, str]]

_CALL_STEPS = {
    "response.mcp_call.in_progress": "running",
    "response.mcp_call.completed": "ended",
    "response.mcp_call.failed": "ended",
}
_CALL_MOVES = {
    ("made", "running"),
    ("running", "ended"),
    ("refused", "ended"),
    ("waiting", "ended"),
    ("ended", "done"),
}
"""A call that waits may be given up."""


class McpCalls:
    """I15: follows each call from the end of its response to what came of it; I17: and whether it was approved of."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}
        self._replies: dict[str, list[str]] = {}
        self._call_of: dict[str, str] = {}
        """By the item that asks for approval."""

    def look_at(self, event: TraceEvent) -> Faults:
        kind, item = event["type"], event.get("item") or {}
        if kind == "response.output_item.added" and item["type"] in ("mcp_call", "mcp_approval_request"):
            yield from self._added(event["response_id"], item)
        elif kind == "response.done":
            for item_id in self._replies.pop(event["response"]["id"], []):
                if self._steps[item_id] == "added":
                    self._steps[item_id] = "made"
        elif kind in _CALL_STEPS:
            yield from self._move(event["item_id"], _CALL_STEPS[kind])
        elif kind == "conversation.item.done" and item["type"] == "mcp_call":
            yield from self._move(item["id"], "done")
            if (item["output"] is None) == (item.get("error") is None):
                yield "I15", f"{item['id']} must have an output or an error"
        elif kind == "conversation.item.added" and item["type"] == "mcp_approval_response":
            yield from self._answered(item)

    def look_back(self) -> Faults:
        for item_id, step in self._steps.items():
            if step not in ("waiting", "done"):
                yield "I15", f"nothing came of {item_id}: it is {step}"

    def _added(self, response_id: str, item: Mapping[str, Any]) -> Faults:
        calls = self._replies.setdefault(response_id, [])
        if item["type"] == "mcp_call":
            calls.append(item["id"])
            self._steps[item["id"]] = "added"
        elif not calls or self._steps[calls[-1]] != "added":
            yield "I17", f"{item['id']} asks about no call"
        else:
            self._steps[calls[-1]] = "waiting"
            self._call_of[item["id"]] = calls[-1]

    def _answered(self, item: Mapping[str, Any]) -> Faults:
        call_id = self._call_of.pop(item["approval_request_id"], None)
        if call_id is None:
            yield "I17", f"{item['id']} answers what nobody has asked, or asked once"
        else:
            self._steps[call_id] = "made" if item["approve"] else "refused"

    def _move(self, item_id: str, step: str) -> Faults:
        before = self._steps.get(item_id, "unknown")
        if (before, step) not in _CALL_MOVES:
            yield "I15", f"{item_id} was {before}, not before {step}"
        self._steps[item_id] = step


_LISTING_STEPS = {
    "mcp_list_tools.in_progress": "listing",
    "mcp_list_tools.completed": "listed",
    "mcp_list_tools.failed": "listed",
}
_LISTING_MOVES = {("added", "listing"), ("listing", "listed"), ("listed", "done")}


class Listings:
    """I16: follows each listing of a server's tools."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}

    def look_at(self, event: TraceEvent) -> Faults:
        kind, item = event["type"], event.get("item") or {}
        if kind in _LISTING_STEPS:
            yield from self._move(event["item_id"], _LISTING_STEPS[kind])
        elif item.get("type") == "mcp_list_tools":
            if kind == "conversation.item.added":
                self._steps[item["id"]] = "added"
            elif kind == "conversation.item.done":
                yield from self._move(item["id"], "done")

    def look_back(self) -> Faults:
        for item_id, step in self._steps.items():
            if step == "listed":
                yield "I16", f"{item_id} is not done"

    def _move(self, item_id: str, step: str) -> Faults:
        before = self._steps.get(item_id, "unknown")
        if (before, step) not in _LISTING_MOVES:
            yield "I16", f"{item_id} was {before}, not before {step}"
        self._steps[item_id] = step
