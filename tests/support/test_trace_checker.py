"""The checker of traces finds what is wrong with a trace, proved by spoiling a good one."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from tests.support.realtime_story import CONFIG, story
from tests.support.trace_checker import check_trace, trace_faults

Trace = list[dict[str, Any]]
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def good_trace() -> Trace:
    dialect = RealtimeDialect(CONFIG)
    return [json.loads(frame) for event in story() for frame in dialect.encode(event)]


def index(trace: Trace, kind: str, nth: int = 0) -> int:
    return [n for n, event in enumerate(trace) if event["type"] == kind][nth]


def without(kind: str, nth: int = 0) -> Callable[[Trace], None]:
    return lambda trace: trace.__delitem__(index(trace, kind, nth))


def twice(kind: str, nth: int = 0) -> Callable[[Trace], None]:
    def spoil(trace: Trace) -> None:
        where = index(trace, kind, nth)
        trace.insert(where + 1, {**trace[where], "event_id": "event_again"})

    return spoil


def swapped(kind: str, nth: int = 0) -> Callable[[Trace], None]:
    """The event and the one after it change places."""

    def spoil(trace: Trace) -> None:
        where = index(trace, kind, nth)
        trace[where], trace[where + 1] = trace[where + 1], trace[where]

    return spoil


def changed(kind: str, nth: int = 0, **fields: Any) -> Callable[[Trace], None]:
    return lambda trace: trace[index(trace, kind, nth)].update(fields)


def late_audio(trace: Trace) -> None:
    delta = trace[index(trace, "response.output_audio.delta", 2)]
    trace.insert(index(trace, "input_audio_buffer.speech_started", 2) + 1, {**delta, "event_id": "late"})


def audio_after_the_end(trace: Trace) -> None:
    trace.append({**trace[index(trace, "response.output_audio.delta")], "event_id": "late"})


def two_replies_at_once(trace: Trace) -> None:
    other = copy.deepcopy(trace[index(trace, "response.created")])
    other["event_id"], other["response"]["id"] = "other", "resp_other"
    trace.insert(index(trace, "response.created") + 1, other)


def item_said_otherwise(trace: Trace) -> None:
    item = trace[index(trace, "response.output_item.done")]["item"]
    item["content"][0]["transcript"] = "It is midnight."


def other_call(trace: Trace) -> None:
    done = [event for event in trace if event["type"] == "response.output_item.done"]
    next(event["item"] for event in done if event["item"]["type"] == "function_call")["call_id"] = "call_9"


def result_of_nothing(trace: Trace) -> None:
    added = [event for event in trace if event["type"] == "conversation.item.added"]
    outputs = [event["item"] for event in added if event["item"]["type"] == "function_call_output"]
    outputs[-1]["call_id"] = "call_9"


def told_of_a_deleted_clip(trace: Trace) -> None:
    heard = index(trace, "conversation.item.input_audio_transcription.failed", 1)
    deleted = {"type": "conversation.item.deleted", "event_id": "gone", "item_id": trace[heard]["item_id"]}
    trace.insert(heard, deleted)


def remembered_aside(trace: Trace) -> None:
    where = next(
        n
        for n, event in enumerate(trace)
        if event["type"] == "response.output_item.added" and event["item"]["id"] == "item_a5"
    )
    added = {"type": "conversation.item.added", "event_id": "other", "previous_item_id": None}
    trace.insert(where + 1, {**added, "item": trace[where]["item"]})


def unanswered_call(trace: Trace) -> None:
    done = [event["item"] for event in trace if event["type"] == "conversation.item.done"]
    next(item for item in done if item["type"] == "mcp_call").pop("error")


def approved_of_otherwise(trace: Trace) -> None:
    added = [event["item"] for event in trace if event["type"] == "conversation.item.added"]
    next(item for item in added if item["type"] == "mcp_approval_response")["approval_request_id"] = "item_h1"


def approved_of_twice(trace: Trace) -> None:
    added = [event for event in trace if event["type"] == "conversation.item.added"]
    first = next(event for event in added if event["item"]["type"] == "mcp_approval_response")
    trace.append({**first, "event_id": "again", "item": {**first["item"], "id": "item_again"}})


def listing_never_done(trace: Trace) -> None:
    done = [n for n, event in enumerate(trace) if event["type"] == "conversation.item.done"]
    del trace[next(n for n in done if trace[n]["item"]["type"] == "mcp_list_tools")]


def only_listening(trace: Trace) -> None:
    trace[index(trace, "session.updated")]["session"]["type"] = "transcription"


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("I1", without("session.created")),
        ("I1", twice("session.created")),
        ("I1", changed("session.updated", event_id="event_1")),
        ("I1", lambda trace: trace[5].pop("event_id")),
        ("I2", two_replies_at_once),
        ("I3", without("response.done", 2)),
        ("I3", twice("response.done")),
        ("I3", without("response.created")),
        ("I3", twice("response.created")),
        ("I3", audio_after_the_end),
        ("I4", without("response.output_item.added")),
        ("I4", without("conversation.item.added", 1)),
        ("I4", without("response.content_part.added")),
        ("I4", swapped("response.output_item.added")),
        ("I4", swapped("response.content_part.added")),
        ("I4", without("response.content_part.done")),
        ("I4", swapped("response.content_part.done")),
        ("I4", without("response.output_item.done")),
        ("I4", lambda trace: trace[index(trace, "response.done")]["response"]["output"].clear()),
        ("I5", without("response.output_audio_transcript.delta")),
        ("I5", changed("response.output_text.delta", delta="It was ")),
        ("I5", changed("response.output_audio_transcript.done", transcript="It is")),
        ("I5", item_said_otherwise),
        ("I6", changed("input_audio_buffer.speech_stopped", item_id="item_other")),
        ("I6", changed("input_audio_buffer.committed", item_id="item_other")),
        ("I6", changed("input_audio_buffer.committed", 1, previous_item_id="item_u1")),
        ("I6", without("conversation.item.added")),
        ("I6", without("input_audio_buffer.speech_stopped")),
        ("I7", changed("conversation.item.added", 2, previous_item_id="item_nobody")),
        ("I7", changed("conversation.item.done", 1, previous_item_id=None)),
        ("I7", changed("conversation.item.deleted", item_id="item_nobody")),
        ("I7", twice("conversation.item.added")),
        ("I8", without(TRANSCRIBED)),
        ("I8", twice(TRANSCRIBED)),
        ("I8", changed(TRANSCRIBED, item_id="item_nobody")),
        ("I8", without("conversation.item.input_audio_transcription.failed")),
        ("I8", without("conversation.item.input_audio_transcription.failed", 1)),
        ("I8", changed("conversation.item.input_audio_transcription.failed", 1, content_index=1)),
        ("I8", told_of_a_deleted_clip),
        ("I9", changed("input_audio_buffer.speech_started", 1, audio_start_ms=100)),
        ("I9", changed("input_audio_buffer.speech_stopped", 1, audio_end_ms=1_000)),
        ("I10", late_audio),
        ("I4", without("response.function_call_arguments.done")),
        ("I4", swapped("response.function_call_arguments.delta")),
        ("I4", lambda trace: trace.pop(index(trace, "response.function_call_arguments.delta") - 1)),
        ("I5", changed("response.function_call_arguments.delta", delta='{"city":3}')),
        ("I5", changed("response.function_call_arguments.done", arguments="{}")),
        ("I11", changed("response.function_call_arguments.done", 1, output_index=1)),
        ("I11", changed("response.content_part.added", 1, output_index=1)),
        ("I12", changed("response.function_call_arguments.done", call_id="call_2")),
        ("I12", changed("response.function_call_arguments.done", name="time")),
        ("I12", other_call),
        ("I12", result_of_nothing),
        ("I13", remembered_aside),
        ("I14", only_listening),
        ("I4", without("response.mcp_call_arguments.done")),
        ("I5", changed("response.mcp_call_arguments.delta", delta="{}")),
        ("I15", without("response.mcp_call.in_progress")),
        ("I15", twice("response.mcp_call.in_progress")),
        ("I15", without("response.mcp_call.completed")),
        ("I15", twice("response.mcp_call.failed")),
        ("I15", swapped("response.mcp_call.failed")),
        ("I15", changed("response.mcp_call.completed", item_id="item_h4")),
        ("I15", unanswered_call),
        ("I16", without("mcp_list_tools.in_progress")),
        ("I16", twice("mcp_list_tools.completed")),
        ("I16", without("mcp_list_tools.failed")),
        ("I16", listing_never_done),
        ("I17", approved_of_otherwise),
        ("I17", approved_of_twice),
    ],
)
def test_a_spoilt_trace_is_found_out(rule: str, spoil: Callable[[Trace], None]) -> None:
    trace = good_trace()
    spoil(trace)
    assert any(fault.startswith(rule + " ") for fault in trace_faults(trace)), trace_faults(trace)


def test_a_good_trace_is_left_alone() -> None:
    check_trace(good_trace())


def test_a_trace_that_was_cut_off_may_leave_things_open() -> None:
    trace = good_trace()
    cut = trace[: index(trace, "response.output_audio.delta")]
    check_trace(cut, ended=False)
    with pytest.raises(AssertionError, match=r"I3 at the end: resp_1 has no response.done"):
        check_trace(cut)


def test_an_empty_trace_has_no_beginning() -> None:
    assert trace_faults([]) == ["I1 at the end: there is no session.created"]
