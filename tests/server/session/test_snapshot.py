"""A snapshot is written and read again as it was, and is never too large."""

import json
from dataclasses import replace

import pytest

from server.conversation import history
from server.conversation.heard import SpokenPiece
from server.conversation.kept_items import entries_of, kept_items
from server.conversation.memory import Conversation, Entry, OwnCall
from server.domain.mcp_tools import Approval, ApprovalRequest, CallError, McpCall, ToolListing
from server.domain.values import Part
from server.output.replay_ring import SentEvents
from server.response.holder import OpenAnswer
from server.session.snapshot import (
    MAX_SENT_CHARS,
    MAX_SNAPSHOT_BYTES,
    Snapshot,
    read_snapshot,
    take_in,
    write_snapshot,
)
from stageflow.tools import ToolCall
from stages.ports import Expects, ServerTool, WordTime

WORDS = (WordTime("It ", 0, 4), WordTime("is ", 4, 8), WordTime("noon.", 8, 20))


def conversation() -> Conversation:
    said = Conversation()
    asked = Entry("asked", "user", "what time is it", spoken=True, guard="passed", route="clock")
    pieces = (SpokenPiece("It is noon.", 0, 20, WORDS), SpokenPiece(" Or so.", 20, 30))
    answer = Entry(
        "answer", "assistant", "It is noon. Or so.", "It is noon.", True, "incomplete", pieces, 8000, 20
    )
    for entry in (
        asked,
        answer,
        Entry("own", "assistant", kind="call", is_told=False),
        Entry("mcp", "assistant", "{}", kind="call", call_id="c", name="t", detail=McpCall("tools", "out")),
        Entry("bad", "assistant", kind="call", detail=McpCall("tools", error=CallError("http", "gone", 404))),
        Entry("list", "assistant", kind="listing", detail=ToolListing("tools", (ServerTool("t"),))),
        Entry("may", "assistant", kind="approval_request", detail=ApprovalRequest("tools")),
        Entry("yes", "user", kind="approval", detail=Approval("may", True)),
        Entry("typed", "user", "two parts", parts=(Part("two"), Part("parts", spoken=True)), by_client=True),
        Entry("last", "assistant", "And you?", spoken=True, expects=Expects.YES_NO),
    ):
        said.add(entry)
    said.get("own").own = OwnCall(ToolCall("c1", "look", {"where": "up"}), answer, 3, asked, "a cloud")
    return said


def test_a_conversation_is_the_same_when_it_was_kept() -> None:
    before, after = conversation(), Conversation()
    snapshot = Snapshot("sess_1", kept_items(before), told_events=7, answer=OpenAnswer("resp", "open", 5))
    read = read_snapshot(write_snapshot(snapshot))
    assert read == snapshot
    take_in(read, after)
    assert history.messages(after) == history.messages(before)
    assert [entry.item() for entry in after] == [entry.item() for entry in before]
    own = after.get("own").own
    assert own is not None
    assert own.within is after.get("answer")
    assert own.asked is after.get("asked")


def test_a_spoken_answer_can_be_cut_after_it_was_kept() -> None:
    after = Conversation()
    take_in(Snapshot("sess_1", kept_items(conversation())), after)
    after.truncate("answer", 5)
    assert after.get("answer").heard == "It is noon. Or"


def test_what_was_being_said_is_cut_where_it_was_heard() -> None:
    said, after = Conversation(), Conversation()
    pieces = [SpokenPiece("It is noon.", 0, 20, WORDS)]
    said.add(Entry("open", "assistant", "It is noon. Or", None, True, "in_progress", pieces, 8000))
    take_in(Snapshot("sess_1", kept_items(said), answer=OpenAnswer("resp", "open", 8)), after)
    open_entry = after.get("open")
    assert (open_entry.heard, open_entry.status) == ("It is", "incomplete")


def test_of_what_refers_to_an_item_that_is_gone_the_rest_is_kept() -> None:
    entries = entries_of(kept_items(conversation(), {"answer"}))
    own = next(entry.own for entry in entries if entry.own)
    assert own.within is None


def test_the_oldest_items_are_left_out_of_what_would_be_too_large() -> None:
    said = Conversation()
    for number in range(300):
        said.add(Entry(f"item_{number}", "user", "x" * 2000))
    data = write_snapshot(Snapshot("sess_1", kept_items(said)))
    assert len(data) <= MAX_SNAPSHOT_BYTES
    read = read_snapshot(data)
    assert read is not None
    assert read.items[-1].id == "item_299"
    assert len(read.items) > 50


def test_of_what_was_sent_the_oldest_gives_way_to_what_was_said() -> None:
    kept = Snapshot("sess_1", kept_items(conversation()), dialect="d")
    long = "x" * (MAX_SENT_CHARS // 2)
    sent = SentEvents(0, tuple((number, long) for number in (1, 2, 3, 4, 5, 6, 8, 9, 10)))
    read = read_snapshot(write_snapshot(replace(kept, sent=sent)))
    assert read == replace(kept, sent=SentEvents(8, ((9, long), (10, long))))
    assert read.missed(8) == (long, long)
    assert read.missed(9) == (long,)
    assert read.missed(10) == ()
    assert read.missed(7) is None, "the eighth is not there"
    assert kept.missed(7) is None
    none = read_snapshot(write_snapshot(replace(kept, sent=SentEvents(2, ((3, "x" * MAX_SNAPSHOT_BYTES),)))))
    assert none == replace(kept, sent=SentEvents(3, ()))


def test_half_a_character_that_a_tool_has_given_is_kept_as_one_that_was_lost() -> None:
    said = Conversation()
    call = OwnCall(ToolCall("c1", "look", {"cut": "\ud83d\ude00"}), None, 0, None, "cut \ud83d")
    said.add(Entry("own", "assistant", kind="call", own=call))
    read = read_snapshot(write_snapshot(Snapshot("sess_1", kept_items(said))))
    assert read is not None
    own = read.items[0].own
    assert own is not None
    assert (own.arguments, own.result) == ({"cut": "\U0001f600"}, "cut \ufffd")


LARGE = "x" * MAX_SNAPSHOT_BYTES


@pytest.mark.parametrize("large", [Snapshot("s", dialect=LARGE), Snapshot("s", dialect="d", says=(LARGE,))])
def test_what_is_too_large_but_for_its_items_is_written_without(large: Snapshot) -> None:
    data = write_snapshot(replace(large, owner="one", node="node_1"))
    assert read_snapshot(data) == Snapshot("s", owner="one", node="node_1")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"session_id": 1}', b'{"session_id": "s", "items": [{}]}'])
def test_what_this_version_cannot_read_is_nothing(data: bytes) -> None:
    assert read_snapshot(data) is None


def test_a_snapshot_of_a_later_version_can_be_read() -> None:
    data = write_snapshot(Snapshot("sess_1"))
    assert read_snapshot(data[:-1] + b',"new":1}') == replace(Snapshot("sess_1"))


OF_SCHEMA_1 = (
    b'{"session_id":"sess_1","items":[],"told_from":"item_1","owner":"o","node":"n","dialect":"{}","epoch":3,'
    b'"told_events":7,"sent":{"after":2,"events":[[3,"{}"]]}}'
)
"""What a version of that schema has written, which has no number for it."""


def test_a_session_of_an_earlier_version_goes_on_as_long_as_its_schema_is_readable() -> None:
    read = read_snapshot(OF_SCHEMA_1)
    assert read == Snapshot(
        "sess_1",
        (),
        "item_1",
        "o",
        "n",
        dialect="{}",
        epoch=3,
        told_events=7,
        sent=SentEvents(2, ((3, "{}"),)),
    )
    assert read_snapshot(write_snapshot(read)) == read


@pytest.mark.parametrize("change", [{"schema": 99}, {"epoch": "three"}, {"sent": [1]}])
def test_of_another_schema_what_was_said_is_read_and_nothing_to_go_on_with(change: dict[str, object]) -> None:
    read = read_snapshot(json.dumps(json.loads(OF_SCHEMA_1) | change | {"new": 1}).encode())
    assert read == Snapshot("sess_1", (), "item_1", "o", "n")
    assert not read.is_moving


def test_what_is_no_snapshot_is_none() -> None:
    for data in (b"", b"[]", b'{"items":3,"session_id":"s"}'):
        assert read_snapshot(data) is None
