"""Checks the order of what a Realtime client was told: the rules that stock clients rely on.

    check_trace(events)                   # decoded events; raises AssertionError with every fault
    trace_faults(events, ended=False)     # the same as a list, for a session that was cut off

I1  session.created comes first and once; every event has an id of its own.
I2  At most one reply of the conversation is active.
I3  response.created ... response.done exactly once each, and nothing of a reply after its end.
I4  output_item.added, item.added, content_part.added, deltas, *.done, content_part.done, item.done,
    output_item.done: in this order for every item of a reply. A call of a tool has no content parts, an item
    beside the conversation no item.added and item.done.
I5  The deltas of a text, joined, are the text; those of a call's arguments are the arguments.
I6  speech_started, speech_stopped, committed and item.added of an utterance name one item.
I7  previous_item_id names the item's neighbour in the conversation, under insertion and deletion.
I8  A committed utterance, and every clip in an item, is transcribed, or said to have failed, exactly once while
    transcription is on; a clip not any more once its item is deleted.
I9  Times of the input never go back.
I10 Once speech has interrupted a reply, no audio of it follows.
I11 output_index counts the items of a reply from 0, and every event of an item has its own.
I12 All events of a call name the same call and the same tool; what came of it follows it.
I13 Items of a reply beside the conversation never get into it.
I14 In a session for transcription nobody answers.
I15 A hosted call is an item of its reply (I4), but it is done later: after the reply it is in progress, completes or
    fails, and then item.done has its output or its error; each exactly once, unless it waits for approval.
I16 A listing of a server's tools is added, in progress, completed or failed, and done: in this order, once.
I17 An approval request follows its call in the same reply, and is answered at most once; a call that is refused fails.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.support.trace_hosted import Listings, McpCalls

TraceEvent = Mapping[str, Any]
Faults = Iterator[tuple[str, str]]
"""Broken rules and what is wrong."""


def check_trace(events: Sequence[TraceEvent], *, ended: bool = True) -> None:
    """Raise AssertionError if the events break a rule."""
    faults = trace_faults(events, ended=ended)
    assert not faults, "\n".join(faults)


def trace_faults(events: Sequence[TraceEvent], *, ended: bool = True) -> list[str]:
    """Every broken rule, one line each. `ended`: replies and transcripts had the time to come to an end."""
    ours = (_Identity(), _Replies(), _Speech(), _Calls(), _Conversation(), _Transcripts())
    checkers = (*ours, McpCalls(), Listings())
    faults = []
    for number, event in enumerate(events):
        for checker in checkers:
            faults += [f"{rule} #{number} {event['type']}: {what}" for rule, what in checker.look_at(event)]
    if ended:
        for checker in checkers:
            faults += [f"{rule} at the end: {what}" for rule, what in checker.look_back()]
    return faults


def _input_setting(session_event: TraceEvent, name: str) -> Any:
    return ((session_event["session"].get("audio") or {}).get("input") or {}).get(name)


# --- I1 ---------------------------------------------------------------------------------------------------


class _Identity:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def look_at(self, event: TraceEvent) -> Faults:
        if (event["type"] == "session.created") == bool(self._seen):
            yield "I1", "session.created is the first event and no other"
        event_id = str(event.get("event_id"))
        if "event_id" not in event or event_id in self._seen:
            yield "I1", f"event_id {event_id} is missing or not new"
        self._seen.add(event_id)

    def look_back(self) -> Faults:
        if not self._seen:
            yield "I1", "there is no session.created"


# --- I2 to I5 and I10 -------------------------------------------------------------------------------------

_STEPS = {
    "response.output_item.added": 1,
    "conversation.item.added": 2,
    "response.content_part.added": 3,
    "response.output_audio.delta": 4,
    "response.output_audio_transcript.delta": 4,
    "response.output_text.delta": 4,
    "response.function_call_arguments.delta": 4,
    "response.mcp_call_arguments.delta": 4,
    "response.output_audio.done": 5,
    "response.output_audio_transcript.done": 5,
    "response.output_text.done": 5,
    "response.function_call_arguments.done": 5,
    "response.mcp_call_arguments.done": 5,
    "response.content_part.done": 6,
    "conversation.item.done": 7,
    "response.output_item.done": 8,
}
_LAST_STEP = 8
_NOT_OF = {"function_call": {3, 6}, "mcp_call": {3, 6, 7}, "mcp_approval_request": {3, 4, 5, 6}}
"""Steps that items of a type do not have; a hosted call is done after its reply, see I15."""
_OF_THE_CONVERSATION = {2, 7}
_REPEATED = {(4, 4), (5, 5), (3, 5)}
"""Deltas and ends of deltas repeat, an answer may have no delta at all."""


def _moves(type: str, *, in_conversation: bool) -> set[tuple[int, int]]:
    """One step after the other, without those that such an item does not have."""
    left_out = _NOT_OF.get(type, set()) | (set() if in_conversation else _OF_THE_CONVERSATION)
    steps = [step for step in range(_LAST_STEP + 1) if step not in left_out]
    return set(pairwise(steps)) | (_REPEATED if type == "message" else {(4, 4)})


@dataclass(slots=True)
class _ReplyItem:
    index: int
    type: str
    moves: set[tuple[int, int]]
    step: int = 0
    text: str = ""


@dataclass(slots=True)
class _Reply:
    in_conversation: bool
    done: bool = False
    muted: bool = False
    items: dict[str, _ReplyItem] = field(default_factory=dict)


class _Replies:
    def __init__(self) -> None:
        self._replies: dict[str, _Reply] = {}
        self._interrupts = False

    def look_at(self, event: TraceEvent) -> Faults:
        kind = event["type"]
        if kind in ("session.created", "session.updated"):
            detection = _input_setting(event, "turn_detection") or {}
            self._interrupts = bool(detection.get("interrupt_response"))
        elif kind == "input_audio_buffer.speech_started" and self._interrupts:
            for reply in self._replies.values():
                reply.muted = True
        elif kind == "response.created":
            yield from self._created(event["response"])
        elif kind == "response.done":
            yield from self._done(event["response"])
        elif kind in _STEPS:
            yield from self._step(kind, event)

    def look_back(self) -> Faults:
        for reply_id, reply in self._replies.items():
            if not reply.done:
                yield "I3", f"{reply_id} has no response.done"

    def _created(self, response: Mapping[str, Any]) -> Faults:
        new = _Reply(in_conversation=response.get("conversation_id") is not None)
        if new.in_conversation and any(r.in_conversation and not r.done for r in self._replies.values()):
            yield "I2", "another reply is still active"
        if response["id"] in self._replies:
            yield "I3", f"{response['id']} began before"
        self._replies[response["id"]] = new

    def _done(self, response: Mapping[str, Any]) -> Faults:
        reply = self._replies.get(response["id"])
        if reply is None or reply.done:
            yield "I3", f"{response['id']} is not active"
            return
        reply.done = True
        for item_id, item in reply.items.items():
            if item.step != _LAST_STEP:
                yield "I4", f"{item_id} has not ended"
        if [item["id"] for item in response["output"]] != list(reply.items):
            yield "I4", "the output is not the items that the reply had"

    def _step(self, kind: str, event: TraceEvent) -> Faults:
        item_id: str = event["item"]["id"] if "item" in event else event["item_id"]
        if "response_id" in event:
            reply = self._replies.get(event["response_id"])
            if reply is None or reply.done:
                yield "I3", f"{event['response_id']} is not active"
                return
            if kind == "response.output_item.added":
                type = event["item"]["type"]
                moves = _moves(type, in_conversation=reply.in_conversation)
                reply.items.setdefault(item_id, _ReplyItem(len(reply.items), type, moves))
            if kind == "response.output_audio.delta" and reply.muted:
                yield "I10", f"{event['response_id']} was interrupted"
        owner = next((reply for reply in self._replies.values() if item_id in reply.items), None)
        if owner is not None:
            item = owner.items[item_id]
            if "response_id" not in event and not owner.in_conversation:
                yield "I13", f"{item_id} belongs to a reply beside the conversation"
                return
            if event.get("output_index", item.index) != item.index:
                yield "I11", f"{item_id} is number {item.index} of its reply"
            if kind != "conversation.item.done" or item.type != "mcp_call":
                yield from _move(item, kind, item_id)
            yield from _read(item, kind, event)
        elif "response_id" in event:
            yield "I4", f"{item_id} was not announced by output_item.added"


def _move(item: _ReplyItem, kind: str, item_id: str) -> Faults:
    step = _STEPS[kind]
    if (item.step, step) not in item.moves:
        yield "I4", f"{item_id} was at step {item.step}, not before step {step}"
    item.step = step


_TEXT_DELTAS = (
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.function_call_arguments.delta",
    "response.mcp_call_arguments.delta",
)


def _read(item: _ReplyItem, kind: str, event: TraceEvent) -> Faults:
    if kind in _TEXT_DELTAS:
        item.text += event["delta"]
    whole = None if item.type == "mcp_approval_request" else _whole_text(kind, event)
    if whole is not None and whole != item.text:
        yield "I5", f"{whole!r} is not what the deltas said: {item.text!r}"


def _whole_text(kind: str, event: TraceEvent) -> str | None:
    """The text of an answer, wherever the event says it whole."""
    match kind:
        case "response.output_audio_transcript.done" | "response.output_text.done":
            parts = [event]
        case "response.function_call_arguments.done" | "response.mcp_call_arguments.done":
            return str(event["arguments"])
        case "conversation.item.done" | "response.output_item.done" if "arguments" in event["item"]:
            return str(event["item"]["arguments"])
        case "response.content_part.done":
            parts = [event["part"]]
        case "conversation.item.done" | "response.output_item.done":
            parts = event["item"]["content"]
        case _:
            return None
    return "".join(part.get("transcript") or part.get("text") or "" for part in parts)


# --- I12 and I14 ------------------------------------------------------------------------------------------


class _Calls:
    """Follows the calls of a client's tools, and whether there may be any answer at all."""

    def __init__(self) -> None:
        self._called: dict[str, tuple[str, str | None]] = {}
        self._is_silent = False

    def look_at(self, event: TraceEvent) -> Faults:
        kind, item = event["type"], event.get("item") or {}
        if kind in ("session.created", "session.updated"):
            self._is_silent = event["session"]["type"] == "transcription"
        elif kind == "response.created" and self._is_silent:
            yield "I14", f"{event['response']['id']} answers"
        elif item.get("type") == "function_call":
            known = self._called.setdefault(item["id"], (item["call_id"], item["name"]))
            if known != (item["call_id"], item["name"]):
                yield "I12", f"{item['id']} was the call {known}"
        elif kind.startswith("response.function_call_arguments"):
            call_id, name = self._called.get(event["item_id"], (None, None))
            if (event["call_id"], event.get("name", name)) != (call_id, name):
                yield "I12", f"{event['item_id']} was the call {(call_id, name)}"
        elif item.get("type") == "function_call_output" and item["call_id"] not in {
            call_id for call_id, _ in self._called.values()
        }:
            yield "I12", f"{item['call_id']} was never called"

    def look_back(self) -> Faults:
        yield from ()


# --- I6 and I9 --------------------------------------------------------------------------------------------


class _Speech:
    """Follows one utterance from its first sound to its place in the conversation."""

    def __init__(self) -> None:
        self._item_id: str | None = None
        self._stage = "none"
        self._previous: str | None = None
        self._clock = {"audio_start_ms": 0, "audio_end_ms": 0}

    def look_at(self, event: TraceEvent) -> Faults:
        match event["type"]:
            case "input_audio_buffer.speech_started":
                yield from self._tick("audio_start_ms", event)
                self._item_id, self._stage = event["item_id"], "started"
            case "input_audio_buffer.speech_stopped":
                yield from self._tick("audio_end_ms", event)
                yield from self._follow("started", event["item_id"])
                self._item_id, self._stage = event["item_id"], "stopped"
            case "input_audio_buffer.timeout_triggered":
                yield from self._tick("audio_end_ms", event)
                self._item_id, self._stage = event["item_id"], "stopped"
            case "input_audio_buffer.committed":
                if self._stage != "none":  # in manual turns there were no events of speech before
                    yield from self._follow("stopped", event["item_id"])
                self._item_id, self._stage = event["item_id"], "committed"
                self._previous = event["previous_item_id"]
            case "input_audio_buffer.cleared":
                self._stage = "none"
            case "conversation.item.added" if self._stage == "committed":
                yield from self._follow("committed", event["item"]["id"])
                if event["previous_item_id"] != self._previous:
                    yield "I6", f"it was committed after {self._previous}"
                self._stage = "none"

    def look_back(self) -> Faults:
        if self._stage == "committed":
            yield "I6", f"{self._item_id} was committed, but never added"

    def _follow(self, stage: str, item_id: str) -> Faults:
        if (self._stage, self._item_id) != (stage, item_id):
            yield "I6", f"{item_id} is not what has just {stage}: {self._item_id} has {self._stage}"

    def _tick(self, name: str, event: TraceEvent) -> Faults:
        if event[name] < self._clock[name]:
            yield "I9", f"{name} went back from {self._clock[name]} to {event[name]}"
        self._clock[name] = event[name]
        if name == "audio_end_ms" and event[name] < self._clock["audio_start_ms"]:
            yield "I9", "speech ended before it began"


# --- I7 ---------------------------------------------------------------------------------------------------


class _Conversation:
    def __init__(self) -> None:
        self._chain: list[str] = []
        self._deleted: set[str] = set()

    def look_at(self, event: TraceEvent) -> Faults:
        match event["type"]:
            case "conversation.item.added":
                yield from self._added(event["item"]["id"], event["previous_item_id"])
            case "conversation.item.done" if event["item"]["id"] not in self._deleted:
                yield from self._done(event["item"]["id"], event["previous_item_id"])
            case "conversation.item.deleted":
                item_id = event["item_id"]
                if item_id in self._chain:
                    self._chain.remove(item_id)
                    self._deleted.add(item_id)
                else:
                    yield "I7", f"{item_id} is not in the conversation"

    def look_back(self) -> Faults:
        yield from ()

    def _added(self, item_id: str, previous: str | None) -> Faults:
        if item_id in self._chain:
            yield "I7", f"{item_id} is in the conversation already"
        elif previous is not None and previous not in self._chain:
            yield "I7", f"{previous} is not in the conversation"
        else:
            self._chain.insert(0 if previous is None else self._chain.index(previous) + 1, item_id)

    def _done(self, item_id: str, previous: str | None) -> Faults:
        if item_id not in self._chain:
            yield "I7", f"{item_id} is not in the conversation"
        elif previous != ([None, *self._chain][self._chain.index(item_id)]):
            yield "I7", f"{previous} does not come before {item_id}"


# --- I8 ---------------------------------------------------------------------------------------------------


class _Transcripts:
    def __init__(self) -> None:
        self._is_on = False
        self._due: set[tuple[str, int]] = set()
        """Items and which of their parts."""
        self._committed: set[str] = set()

    def look_at(self, event: TraceEvent) -> Faults:
        match event["type"]:
            case "session.created" | "session.updated":
                self._is_on = _input_setting(event, "transcription") is not None
            case "input_audio_buffer.committed" if self._is_on:
                self._committed.add(event["item_id"])
                self._due.add((event["item_id"], 0))
            case "conversation.item.added" if self._is_on:
                self._due |= {(event["item"]["id"], part) for part in _spoken_parts(event["item"])}
            case (
                "conversation.item.input_audio_transcription.completed"
                | "conversation.item.input_audio_transcription.failed"
            ):
                part = (event["item_id"], event["content_index"])
                if part not in self._due:
                    yield "I8", f"{part} has no transcript to come"
                self._due.discard(part)
            case "conversation.item.deleted":
                if event["item_id"] not in self._committed:
                    self._due = {part for part in self._due if part[0] != event["item_id"]}

    def look_back(self) -> Faults:
        for part in sorted(self._due) if self._is_on else ():
            yield "I8", f"{part} was never transcribed"


def _spoken_parts(item: Mapping[str, Any]) -> list[int]:
    parts = item["content"] if item.get("role") == "user" else []
    return [index for index, part in enumerate(parts) if part["type"] == "input_audio"]
