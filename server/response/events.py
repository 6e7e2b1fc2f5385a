"""The events of one response, and its entries in the conversation; `server.response.lifecycle` says when.

Calls of tools that are not ours, the client's and MCP tools, are told last, when the words before them have left. A
message that a failure has cut short is broken off, and the apology is the next.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from server.conversation.heard import SpokenPiece, grow, heard_text
from server.conversation.memory import Conversation, Entry
from server.domain.errors import ClientError
from server.domain.events import (
    ResponseAudio,
    ResponseCall,
    ResponseEnded,
    ResponseItemEnded,
    ResponseItemStarted,
    ResponseStarted,
    ResponseText,
)
from server.domain.ids import Ids
from server.domain.mcp_tools import ApprovalRequest, McpCall, McpTool
from server.domain.values import Item, ItemStatus, Response, ResponseReason, ResponseStatus
from server.output.outbound import Outbound
from server.output.shown_words import ShownWords
from server.output.stream import OutputStream, StreamState
from server.tools.mcp_calls import PlacedCall, RunningCall
from stageflow.tools import ToolCall
from stages.ports import Usage


@dataclass(frozen=True, slots=True)
class Calling:
    """A call that the response makes: of one of the client's tools, or of an MCP tool."""

    call: ToolCall
    mcp: McpTool | None = None
    running: RunningCall | None = None
    """If it was started already."""


@dataclass(frozen=True, slots=True)
class ResponseOutcome:
    """How a response ended."""

    status: ResponseStatus
    reason: ResponseReason | None = None
    error: ClientError | None = None
    usage: Usage = Usage()
    calls: tuple[Calling, ...] = ()
    """Of tools that are not ours."""
    is_answer: bool = True
    """False where there was nothing to answer: then there is nothing to tell either, if nothing was said."""


class ResponseEvents:
    """Tells the client of one response. Plain calls."""

    def __init__(self, response: Response, conversation: Conversation, outbound: Outbound) -> None:
        self.response = response
        """As the client sees it in the next event."""
        self.entry: Entry | None = None
        """What is being said, from its first token or sample."""
        self.first: Entry | None = None
        """What was said ahead of the answer, if anything."""
        self.pieces: list[SpokenPiece] = []
        self.shown = _no_words(self.response)
        """The words of a spoken message, which are told with its sound: others were never said."""
        self._broken_off: list[Item] = []
        self._conversation = conversation
        self._outbound = outbound

    def announce(self) -> None:
        """Tell past any output that the response was created."""
        self._outbound.put(ResponseStarted(self.response))

    def start(self, output: OutputStream) -> None:
        """Tell the same as part of what is said."""
        output.event_nowait(ResponseStarted(self.response))

    def begin(self, output: OutputStream) -> Entry:
        """Make the answer's message and tell of it, with its first token or sample."""
        entry = self.entry = Entry(
            self._conversation.ids.new("item"),
            "assistant",
            spoken=self.response.modality == "audio",
            status="in_progress",
            pieces=self.pieces,
            rate_hz=self.response.config.output_format.rate_hz,
            is_told=output.state is StreamState.OPEN,
        )
        previous = self._conversation.add(entry)
        output.event_nowait(ResponseItemStarted(self.response, entry.item(), previous))
        return entry

    def _tell_rest(self, entry: Entry) -> None:
        """The message is complete: what it says beyond its last sound is told."""
        told = self.shown.told
        if entry.spoken and entry.generated.startswith(told) and (rest := entry.generated[len(told) :]):
            self._outbound.put(ResponseText(self.response, entry.id, rest))
            self.shown.told += rest

    def let_out(self, output: OutputStream) -> None:
        """Tell what was held."""
        output.commit(self._conversation.previous_id)
        if self.entry is not None:
            self.entry.is_told = True

    def say_first(self, text: str, samples: int, chunks: Sequence[bytes], output: OutputStream) -> None:
        """Tell a message of its own, ahead of the answer's, which has not begun, or is held in `output`."""
        put, response = self._outbound.put, self.response
        pieces: list[SpokenPiece] = []
        grow(pieces, samples, text=text, is_final=True)
        entry = Entry(
            self._conversation.ids.new("item"),
            "assistant",
            text,
            spoken=True,
            status="in_progress",
            pieces=pieces,
            rate_hz=response.config.output_format.rate_hz,
        )
        after = None if self.entry is None else self._conversation.previous_id(self.entry.id) or "root"
        previous = self._conversation.add(entry, after)
        put(ResponseItemStarted(response, replace(entry.item(), text=""), previous))
        put(ResponseText(response, entry.id, text))
        at, sent = 0, sum(map(len, chunks))
        for chunk in chunks:
            put(ResponseAudio(response, entry.id, chunk, self._outbound.epoch, at * samples // sent))
            at += len(chunk)
        self._broken_off.append(self._end_message(entry, "completed"))
        self.first = entry
        self.response = replace(response, message_index=len(self._broken_off))
        output.told_ahead(self.response)

    def remark(self, key: str, value: str) -> None:
        """Add to the response's metadata, for the events that are still to come."""
        self.response = replace(self.response, metadata={**(self.response.metadata or {}), key: value})

    def break_off(self) -> None:
        """End the message where its voice has ended; the response goes on with another."""
        if self.entry is not None:
            entry = self.entry
            self._broken_off.append(self._end_message(entry, "incomplete"))
            self.shown = _no_words(self.response)
            _keep_spoken(entry)
            self.response = replace(self.response, message_index=len(self._broken_off))
            self.entry, self.pieces = None, []

    def cut_off(self) -> None:
        """The voice has ended before the text: what is remembered is what was spoken."""
        if self.entry is not None:
            _keep_spoken(self.entry)

    def end(self, outcome: ResponseOutcome) -> tuple[PlacedCall, ...]:
        """Tell how the response went. The MCP calls are yet to be followed."""
        items = [*self._broken_off]
        if self.entry is not None:
            if outcome.status in ("completed", "incomplete"):
                self._tell_rest(self.entry)
            items.append(self._end_message(self.entry, outcome.status))
        mcp = self._call(items, outcome.calls)
        ended = ResponseEnded(
            self.response, outcome.status, outcome.reason, outcome.error, tuple(items), outcome.usage
        )
        self._outbound.put(ended)
        return mcp

    def forget(self) -> None:
        """Take back a message of which nothing was let out."""
        if self.entry is not None and self._conversation.find(self.entry.id) is not None:
            self._conversation.delete(self.entry.id)
        self.entry = None
        self.pieces.clear()
        self.shown = _no_words(self.response)

    def _end_message(self, entry: Entry, status: ResponseStatus) -> Item:
        ended: ItemStatus = "completed" if status == "completed" else "incomplete"
        entry.status = ended
        if entry.spoken and entry is self.entry:
            entry.generated = self.shown.told
        item = replace(entry.item(), text=entry.generated)
        self._outbound.put(ResponseItemEnded(self.response, item, self._conversation.previous_id(item.id)))
        return item

    def _call(self, items: list[Item], calls: Sequence[Calling]) -> tuple[PlacedCall, ...]:
        """Tell of calls, each an item behind the answer's words, whatever has been said since."""
        mcp = []
        told = self.entry is not None and self._conversation.find(self.entry.id) is not None
        after = self.entry.id if told and self.entry is not None else None
        for calling in calls:
            # Ids that a model gives are its own for one request, not for a conversation.
            entry, index = _call_entry(calling, self._conversation.ids), len(items)
            after = self._add(items, entry, after)
            if calling.mcp is None:
                continue
            request_id = None
            if calling.mcp.needs_approval:
                request = _request_entry(entry, calling.mcp, self._conversation.ids)
                after = request_id = self._add(items, request, after)
            mcp.append(PlacedCall(entry, index, calling.mcp, calling.running, request_id))
        return tuple(mcp)

    def _add(self, items: list[Item], entry: Entry, after: str | None) -> str:
        previous = self._conversation.add(entry, after)
        self._outbound.put(ResponseCall(self.response, entry.item(), previous, len(items)))
        items.append(entry.item())
        return entry.id


def _no_words(response: Response) -> ShownWords:
    return ShownWords(response.config.output_format.rate_hz)


def _keep_spoken(entry: Entry) -> None:
    if entry.spoken:  # what never got a voice nobody has heard, and nobody held it back
        entry.generated = heard_text(entry.pieces, sum(piece.samples for piece in entry.pieces))


def _call_entry(calling: Calling, ids: Ids) -> Entry:
    call, mcp = calling.call, calling.mcp
    name = call.name if mcp is None else mcp.tool.name
    detail = None if mcp is None else McpCall(mcp.server.label)
    return Entry(
        ids.new("item"),
        "assistant",
        arguments_json(call),
        kind="call",
        call_id=ids.new("call"),
        name=name,
        detail=detail,
    )


def _request_entry(call: Entry, mcp: McpTool, ids: Ids) -> Entry:
    detail = ApprovalRequest(mcp.server.label)
    return Entry(
        ids.new("item"), "assistant", call.generated, kind="approval_request", name=call.name, detail=detail
    )


def arguments_json(call: ToolCall) -> str:
    """The arguments as text, as the model gave them if it gave text."""
    arguments = call.arguments
    return arguments if isinstance(arguments, str) else json.dumps(dict(arguments), ensure_ascii=False)
