"""What models are told of a long conversation: whole turns go first, and calls never without their results."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.conversation.context_window import MESSAGE_TOKENS, fit, tokens_of
from server.conversation.history import messages
from server.conversation.memory import Conversation, Entry
from server.conversation.own_calls import OwnCalls
from server.domain.errors import ClientError, Fault
from server.domain.values import Truncation

AUTO = Truncation()
WORDS = "x" * 4 * (100 - MESSAGE_TOKENS)
"""Of an entry that takes a hundred tokens."""


@dataclass
class Saying:
    """Whoever says the answer."""

    entry: Entry | None


def conversation(turns: int) -> Conversation:
    made = Conversation()
    for number in range(turns):
        made.add(Entry(f"u{number}", "user", WORDS))
        made.add(Entry(f"a{number}", "assistant", WORDS))
    return made


def told(made: Conversation) -> list[str]:
    return [entry.id for entry in made.told()]


def test_tokens_are_estimated_by_bytes() -> None:
    assert [tokens_of(text) for text in ("", "a", "abcd", "abcde", "日本語日", "\ud800")] == [
        0,
        1,
        1,
        2,
        3,
        1,
    ]


def test_what_fits_is_told_whole() -> None:
    made = conversation(5)
    fit(made, AUTO, 1000, 0)
    assert made.told_from is None


def test_whole_turns_go_first_and_none_of_them_is_deleted() -> None:
    made = conversation(5)
    fit(made, AUTO, 650, 100)
    assert told(made) == ["u3", "a3", "u4", "a4"]
    assert len(made) == 10
    assert len(messages(made)) == 4


def test_the_client_may_set_a_lower_limit_and_how_much_is_kept() -> None:
    made = conversation(5)
    fit(made, Truncation(retention_ratio=0.5, post_instructions_tokens=900), 10_000, 5_000)
    assert told(made) == ["u3", "a3", "u4", "a4"]
    made.add(Entry("u5", "user", WORDS))
    fit(made, Truncation(retention_ratio=0.5, post_instructions_tokens=900), 10_000, 5_000)
    assert told(made)[0] == "u3"  # it begins where it did, until the limit is passed again


def test_the_newest_words_are_told_however_long_they_are() -> None:
    made = conversation(2)
    fit(made, Truncation(post_instructions_tokens=0), 10_000, 0)
    assert told(made) == ["a1"]


def test_a_conversation_that_may_not_be_cut_is_refused() -> None:
    made = conversation(5)
    with pytest.raises(
        ClientError, match="about 1000 tokens beside its instructions, and 900 are allowed"
    ) as refused:
        fit(made, Truncation(is_off=True), 1000, 100)
    assert (refused.value.code, refused.value.param) == (Fault.CONTEXT_TOO_LONG, "config.truncation")
    assert made.told_from is None


@pytest.mark.no_cover
@given(
    st.lists(st.sampled_from(["say", "answer", "own", "call", "output"]), max_size=30), st.integers(0, 900)
)
def test_no_call_is_told_without_its_result_nor_a_result_without_its_call(
    deeds: list[str], limit: int
) -> None:
    made = Conversation()
    saying: Entry | None = None
    for number, deed in enumerate(deeds):
        match deed:
            case "say":
                made.add(Entry(f"u{number}", "user", WORDS))
            case "answer":
                saying = Entry(f"a{number}", "assistant", WORDS)
                made.add(saying)
            case "own":
                OwnCalls(made, Saying(saying)).begin("find", {}).result = WORDS
            case "call":
                made.add(
                    Entry(f"c{number}", "assistant", "{}", kind="call", call_id=f"call_{number}", name="f")
                )
            case "output":
                calls = [entry.call_id for entry in made if entry.kind == "call" and not entry.own]
                made.add(
                    Entry(f"o{number}", "tool", WORDS, kind="output", call_id=calls[-1] if calls else "")
                )
    fit(made, AUTO, limit, 0)
    wanted: list[str] = []
    for message in messages(made):
        assert (message.role == "tool") == bool(wanted)
        if wanted:
            assert message.tool_call_id == wanted.pop(0)
        wanted += [call.id for call in message.tool_calls]
    assert not wanted
