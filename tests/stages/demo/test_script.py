"""The agent's sentences: filled in, taking turns, and recognised again however much of them was heard."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.demo.booking import CLOSES, DAYS_AHEAD, OPENS, TABLES
from stages.demo.script import QUESTIONS, SAYS, SCRIPT, AgentSentence, asks_for, recognised, wished, worded
from stages.ports import Expects
from stages.text.phrases import say_time

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


def test_sentences_of_an_occasion_take_turns() -> None:
    one, other = SAYS["calculated"]
    said = AgentSentence("calculated", {"result": "84"})
    assert [worded(said, turn) for turn in range(3)] == [
        text.replace("{result}", "84") for text in (one, other, one)
    ]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ('{"say": "calculated", "result": "84"}', "calculated"),
        ('{"say": "no_timers", "count": 0}', "no_timers"),
        ('{"say": "calculated"}', None),
        ('{"say": "weather"}', None),
        ('{"unexpected": 1}', None),
        ("[]", None),
        ("null", None),
        ("it failed", None),
        ("", None),
    ],
)
def test_a_tool_says_what_is_to_be_said_or_has_failed(result: str, said: str | None) -> None:
    found = wished(result)
    assert (found and found.occasion) == said
    assert found is None or worded(found, 0)


def test_the_hours_in_words_are_those_of_the_book() -> None:
    (words,) = SAYS["hours"]
    late, usual = (f"from {say_time(time(OPENS))} to {say_time(time(hour))}" for hour in (23, 22))
    assert f"Tuesday to Thursday {usual}, Friday and Saturday {late}, Sunday {usual}" in words
    assert "closed on Monday" in words
    assert CLOSES == {1: 22, 2: 22, 3: 22, 4: 23, 5: 23, 6: 22}


def test_every_sentence_can_be_filled_in() -> None:
    values = {**VALUES, "most_people": str(max(TABLES)), "days_ahead": str(DAYS_AHEAD)}
    others = dict.fromkeys(
        ("again", "time", "date", "result", "error", "set", "left", "count", "timers"), "x"
    )
    for occasion, sentences in SAYS.items():
        for turn in range(len(sentences)):
            assert worded(AgentSentence(occasion, values | others), turn)


def test_what_is_asked_for_has_a_kind() -> None:
    asked = {question["asks"] for question in QUESTIONS.values() if question}
    assert set(SCRIPT["expects"]) | set(SCRIPT["again"]) <= asked


@pytest.mark.parametrize(
    ("occasion", "expects"),
    [
        ("ask_people", Expects.NUMBER),
        ("ask_time", Expects.NUMBER),
        ("how_long", Expects.NUMBER),
        ("which_sum", Expects.NUMBER),
        ("ask_day", Expects.FREE),
        ("ask_name", Expects.FREE),
        ("confirm", Expects.YES_NO),
        ("closed", Expects.YES_NO),
        ("booked", Expects.FREE),
        ("greet", None),
    ],
)
def test_it_knows_what_its_question_asks_for(occasion: str, expects: Expects | None) -> None:
    assert asks_for(AgentSentence(occasion)) is expects


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("occasion", sorted(QUESTIONS))
def test_what_was_said_is_recognised_with_what_was_filled_in(occasion: str, turn: int) -> None:
    said = recognised(worded(AgentSentence(occasion, VALUES), turn))
    assert said is not None
    assert said.occasion == occasion
    assert dict(said.values).items() <= VALUES.items()


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("occasion", sorted(QUESTIONS))
def test_a_half_heard_sentence_is_recognised_or_not_known_but_never_taken_for_one_that_ends_otherwise(
    occasion: str, turn: int
) -> None:
    text = worded(AgentSentence(occasion, VALUES), turn)
    for heard in range(len(text)):
        said = recognised(text[:heard])
        assert said is None or QUESTIONS[said.occasion] == QUESTIONS[occasion], text[:heard]


def test_a_question_is_recognised_after_a_remark() -> None:
    text = "It's 10 am. " + worded(AgentSentence("ask_people"), 0)
    assert recognised(text) == AgentSentence("ask_people")
    assert recognised(text[:-10]) == AgentSentence("ask_people")


def test_the_last_of_two_questions_counts() -> None:
    text = f"{worded(AgentSentence('ask_people'), 0)} {worded(AgentSentence('ask_day'), 0)}"
    assert recognised(text) == AgentSentence("ask_day")


@given(st.text(max_size=100))
def test_any_text_can_be_looked_at(text: str) -> None:
    found = recognised(text)
    assert found is None or isinstance(found, AgentSentence)
