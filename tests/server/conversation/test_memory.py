"""The conversation: order, what was heard, what the model is given."""

from dataclasses import dataclass

import pytest

from server.conversation.asked import asked_so_far, expected, unanswered, unguarded
from server.conversation.heard import SpokenPiece
from server.conversation.history import CUT_OFF, INTERRUPTED, messages
from server.conversation.memory import Conversation, Entry, OwnCall, cut
from server.conversation.own_calls import OwnCalls
from server.domain.errors import ClientError, Fault
from stages.ports import Expects


def spoken(item_id: str = "a1", text: str = "one two three four") -> Entry:
    pieces = [SpokenPiece(text, 0, 18_000)]
    return Entry(item_id, "assistant", text, spoken=True, pieces=pieces, rate_hz=24_000)


def conversation(*entries: Entry) -> Conversation:
    made = Conversation()
    for entry in entries:
        made.add(entry)
    return made


def contents(made: Conversation) -> list[str]:
    return [message.content for message in messages(made)]


def test_entries_keep_their_order_and_name_the_one_before() -> None:
    made = Conversation()
    assert made.add(Entry("a", "user", "A")) is None
    assert made.add(Entry("b", "user", "B")) == "a"
    assert made.add(Entry("r", "system", "R"), "root") is None
    assert made.add(Entry("m", "user", "M"), "a") == "a"
    assert contents(made) == ["R", "A", "M", "B"]
    assert made.previous_id("m") == "a"
    assert made.previous_id("r") is None
    assert made.last_id == "b"


def test_an_id_can_be_taken_only_once() -> None:
    with pytest.raises(ClientError, match="'a' is already"):
        conversation(Entry("a", "user"), Entry("a", "user"))


def test_an_unknown_place_is_refused_and_nothing_is_added() -> None:
    made = conversation(Entry("a", "user", "A"))
    with pytest.raises(ClientError, match="'z'"):
        made.add(Entry("b", "user", "B"), "z")
    assert len(made) == 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda made: made.get("z"), Fault.ITEM_TO_RETRIEVE_UNKNOWN),
        (lambda made: made.delete("z"), Fault.ITEM_TO_DELETE_UNKNOWN),
        (lambda made: made.truncate("z", 0), Fault.ITEM_TO_TRUNCATE_UNKNOWN),
    ],
)
def test_an_unknown_item_has_a_code_for_each_command(call: object, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        call(conversation())  # type: ignore[operator]  # a lambda in a table
    assert refused.value.code == code


def test_only_spoken_answers_can_be_truncated() -> None:
    made = conversation(Entry("u", "user", "hi", spoken=True))
    with pytest.raises(ClientError, match="Only model output audio") as refused:
        made.truncate("u", 10)
    assert refused.value.code == Fault.ITEM_NOT_SPOKEN


def test_truncation_keeps_the_words_that_were_heard_and_tells_the_model() -> None:
    made = conversation(spoken())
    entry = made.truncate("a1", 375)  # half of 750 ms
    assert (entry.text, entry.generated) == ("one two", "one two three four")
    assert contents(made) == ["one two" + INTERRUPTED]


def test_a_position_beyond_the_end_is_the_end() -> None:
    made = conversation(spoken())
    assert made.truncate("a1", 10**9).text == "one two three four"
    assert contents(made) == ["one two three four"]


def test_a_later_truncation_replaces_an_earlier_estimate() -> None:
    entry = spoken()
    cut(entry, 5_000)
    assert entry.text == "one"
    made = conversation(entry)
    assert made.truncate("a1", 750).text == "one two three four"


def test_an_answer_of_which_nothing_was_heard_is_not_in_the_context() -> None:
    entry = spoken()
    cut(entry, 0)
    assert contents(conversation(Entry("u", "user", "hi"), entry)) == ["hi"]


def test_blocked_words_never_reach_the_model() -> None:
    made = conversation(Entry("u", "user", "bad words", guard="blocked"), Entry("v", "user", "good words"))
    assert contents(made) == ["good words"]


def test_messages_end_before_the_entry_that_is_being_answered() -> None:
    made = conversation(Entry("u", "user", "A"), Entry("v", "user", "B"), Entry("w", "user", "C"))
    assert [message.content for message in messages(made, upto="v")] == ["A"]


def test_the_oldest_go_first() -> None:
    made = Conversation(max_items=2)
    for name in "abc":
        made.add(Entry(name, "user", name))
    assert contents(made) == ["b", "c"]


def test_what_a_client_writes_has_a_limit_and_the_conversation_goes_on() -> None:
    made = Conversation(max_items=3, max_written_chars=10)
    made.add(Entry("a", "user", "12345678", by_client=True))
    made.add(Entry("spoken", "assistant", "what is said does not count"))
    with pytest.raises(ClientError, match="11 characters together; the limit is 10") as refused:
        made.add(Entry("b", "user", "123", by_client=True))
    assert (refused.value.code, refused.value.param, len(made)) == ("conversation_too_long", "item", 2)
    made.delete("a")
    made.add(Entry("b", "user", "1234567", by_client=True))
    for name in ("c", "d", "e"):  # what is dropped makes room
        made.add(Entry(name, "assistant", "said"))
    made.add(Entry("f", "user", "1234567890", by_client=True))


def test_what_the_person_said_waits_for_an_answer_until_there_is_one() -> None:
    made = conversation(Entry("u", "user", "A"), Entry("s", "system", "B"), Entry("v", "user", "C"))
    assert [entry.id for entry in unanswered(made)] == ["u", "v"]
    assert [entry.id for entry in unanswered(made, "u")] == ["u"]
    made.add(spoken())
    assert unanswered(made) == ()


def test_what_was_said_is_unguarded_until_a_guard_has_judged_it_or_the_client_writes_an_answer() -> None:
    made = conversation(
        Entry("history", "user", "A", by_client=True),
        Entry("heard", "user", "A"),
        Entry("written", "assistant", "B", by_client=True),
        Entry("judged", "user", "C", guard="passed"),
        Entry("refused", "user", "D", guard="blocked"),
        Entry("told", "system", "E"),
        Entry("first", "user", "F"),
        Entry("announced", "assistant", "G"),
        Entry("second", "user", "H"),
    )
    assert [entry.id for entry in unguarded(made)] == ["heard", "first", "second"]
    assert [entry.id for entry in unguarded(made, "announced")] == ["heard", "first"]
    assert [entry.id for entry in unguarded(made, "history")] == ["history"]


def test_an_item_of_the_clients_stands_behind_one_that_it_knows() -> None:
    made = conversation(Entry("a", "user"))
    prepared = Entry("u", "user", is_told=False)
    assert made.add(prepared) == "a"
    assert made.add(Entry("r", "assistant", is_told=False)) == "u"  # told once the client knows of that
    assert made.add(Entry("x", "user")) == "a"
    assert made.add(Entry("y", "user"), "a") == "a"
    assert [entry.id for entry in made] == ["a", "y", "u", "r", "x"]  # as the client has it once all are told
    prepared.is_told = True
    assert made.previous_id("u") == "y"
    assert made.previous_id("x") == "u"


# --- what the agent expects to hear -------------------------------------------------------------------------


def test_what_the_agent_says_it_expects_wins_over_its_words_until_the_next_answer() -> None:
    asks = Entry("a", "assistant", "Shall I?", expects=Expects.PHONE)
    assert expected(conversation()) is Expects.FREE
    assert expected(conversation(Entry("a", "assistant", "Shall I?"))) is Expects.YES_NO
    assert expected(conversation(asks, Entry("u", "user", "Yes."))) is Expects.PHONE
    assert expected(conversation(asks, Entry("b", "assistant", "It is noon."))) is Expects.FREE
    assert expected(conversation(asks, Entry("b", "assistant", "It", status="in_progress"))) is Expects.PHONE


def test_what_the_agent_expects_counts_only_when_it_was_heard_to_the_end() -> None:
    asks = spoken(text="Shall I? And your number")
    asks.expects = Expects.PHONE
    cut(asks, 18_000)
    assert expected(conversation(asks)) is Expects.PHONE
    cut(asks, 6_500)
    assert asks.heard == "Shall I?"
    assert expected(conversation(asks)) is Expects.YES_NO
    cut(asks, 10_000)
    assert asks.heard == "Shall I? And"
    assert expected(conversation(asks)) is Expects.YES_NO, "who talks over what follows a question answers it"


def test_an_answer_that_is_being_said_asks_as_soon_as_its_question_was_heard() -> None:
    asks = spoken(text="Shall I? And your number")
    asks.status = "in_progress"
    assert [asked_so_far(asks, ms) for ms in (100, 300, 1000)] == [None, Expects.YES_NO, Expects.YES_NO]
    asks.expects = Expects.PHONE
    assert asked_so_far(asks, 300) is Expects.YES_NO
    assert asked_so_far(asks, 1000) is Expects.PHONE
    asks.status = "completed"
    assert asked_so_far(asks, 1000) is None
    assert asked_so_far(None, 1000) is None


# --- calls of the server's own tools --------------------------------------------------------------------------


@dataclass
class Saying:
    """Whoever says the answer."""

    entry: Entry | None


def own_call(
    made: Conversation, name: str, saying: Entry | None = None, asked: Entry | None = None
) -> OwnCall:
    return OwnCalls(made, Saying(saying), asked).begin(name, {})


def shape(made: Conversation, **which: str) -> list[str]:
    """The messages, a line each."""
    return [
        f"{message.role}: {message.content}" + "".join(f" <{call.name}>" for call in message.tool_calls)
        for message in messages(made, **which)
    ]


def test_a_call_of_our_own_stands_between_the_words_before_it_and_those_after() -> None:
    answer = Entry("a", "assistant", "Let me see. ")
    made = conversation(Entry("u", "user", "When?"), answer)
    calls = OwnCalls(made, Saying(answer))
    for name in ("find", "book"):
        calls.begin(name, {}).result = f"{name} done"
    answer.generated += "At eight."
    assert shape(made) == [
        "user: When?",
        "assistant: Let me see.  <find> <book>",
        "tool: find done",
        "tool: book done",
        "assistant: At eight.",
    ]
    answer.heard = "Let me see."
    assert shape(made)[-3:] == ["assistant: Let me see." + INTERRUPTED + " <find> <book>", *shape(made)[2:]]
    ids = [call.id for call in messages(made)[1].tool_calls]
    assert ids == [message.tool_call_id for message in messages(made)[2:4]]
    assert len(set(ids)) == 2


def test_a_call_outlives_the_words_around_it_and_has_a_result_all_the_same() -> None:
    answer = Entry("a", "assistant", "Let me see.")
    made = conversation(Entry("u", "user", "When?"), answer)
    own_call(made, "pay", answer)
    made.delete("a")
    assert shape(made) == ["user: When?", "assistant:  <pay>", f"tool: {CUT_OFF}"]
    assert unanswered(made)[0].id == "u"
    assert shape(made, upto="u") == shape(made)[1:]


def test_a_call_that_blocked_words_led_to_is_hidden_with_them() -> None:
    asked = Entry("u", "user", "bad words", guard="blocked")
    made = conversation(asked)
    own_call(made, "find", asked=asked)
    assert shape(made) == []


def test_a_client_knows_nothing_of_our_own_calls() -> None:
    made = conversation(Entry("u", "user", "When?"))
    own = own_call(made, "find")
    assert made.add(Entry("a", "assistant", is_told=False)) == "u"
    assert made.previous_id("a") == "u"
    assert not made.has_call(own.call.id)


def test_what_a_client_that_is_not_trusted_writes_is_unguarded_and_blocked_results_are_not_told() -> None:
    conversation = Conversation(trusts_client=False)
    conversation.add(Entry("a", "user", "hello", by_client=True))
    conversation.add(Entry("b", "assistant", "{}", kind="call", call_id="call_1", name="look"))
    output = Entry("c", "user", "open sesame", kind="output", call_id="call_1", by_client=True)
    conversation.add(output)
    conversation.add(Entry("d", "assistant", "As you wish.", by_client=True))
    conversation.add(Entry("e", "assistant", "Made here."))
    assert [entry.id for entry in unguarded(conversation)] == ["a", "c", "d"]
    output.guard = "blocked"
    assert "open sesame" not in str(messages(conversation))
    assert [entry.id for entry in unguarded(conversation)] == ["a", "d"]
