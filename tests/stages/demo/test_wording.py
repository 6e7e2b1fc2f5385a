"""The agent's sentences: filled in, taking turns, and recognised again however much of them was heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.demo.agent import Script
from stages.demo.state import EXPECTS
from stages.demo.wording import Said, Wording, without_mark

VALUES = {
    "people": "4",
    "when": "tomorrow at 7 pm",
    "name": "Anna O'Brien",
    "offer": "on Friday at 8:30 pm or at 9 pm",
    "days_ahead": "60",
    "most_people": "8",
    "bookings": "on Friday at 7 pm and on Saturday at 8 pm",
    "skills": "talk",
}
WORDING = Script.read().wording
KNOWN = frozenset(EXPECTS)


def test_sentences_of_an_occasion_take_turns() -> None:
    wording = Wording({"greet": ["Hello, {name}.", "Hi, {name}."]})
    said = Said("greet", {"name": "Ann"})
    assert [wording.word(said, turn) for turn in range(3)] == ["Hello, Ann.", "Hi, Ann.", "Hello, Ann."]


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("occasion", sorted(KNOWN))
def test_what_was_said_is_recognised_with_what_was_filled_in(occasion: str, turn: int) -> None:
    said = WORDING.recognise(WORDING.word(Said(occasion, VALUES), turn), KNOWN)
    assert said is not None
    assert said.occasion == occasion
    assert dict(said.values).items() <= VALUES.items()


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("occasion", sorted(KNOWN))
def test_a_half_heard_sentence_is_recognised_or_not_known_but_never_taken_for_one_that_ends_otherwise(
    occasion: str, turn: int
) -> None:
    text = WORDING.word(Said(occasion, VALUES), turn)
    for heard in range(len(text)):
        said = WORDING.recognise(text[:heard], KNOWN)
        assert said is None or EXPECTS[said.occasion] == EXPECTS[occasion], text[:heard]


def test_a_question_is_recognised_after_a_remark() -> None:
    text = "It's 10 am. " + WORDING.word(Said("ask_people"), 0)
    assert WORDING.recognise(text, KNOWN) == Said("ask_people")
    assert WORDING.recognise(text[:-10], KNOWN) == Said("ask_people")


def test_the_last_of_two_questions_counts() -> None:
    text = f"{WORDING.word(Said('ask_people'), 0)} {WORDING.word(Said('ask_day'), 0)}"
    assert WORDING.recognise(text, KNOWN) == Said("ask_day")


@given(st.text(max_size=100))
def test_any_text_can_be_looked_at(text: str) -> None:
    found = WORDING.recognise(text, KNOWN)
    assert found is None or isinstance(found, Said)


def test_the_note_on_an_interrupted_answer_is_taken_off() -> None:
    assert without_mark("For how many [interrupted by the user]") == "For how many"
    assert without_mark("For how many people?") == "For how many people?"
