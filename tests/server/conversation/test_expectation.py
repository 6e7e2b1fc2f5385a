"""What an agent's question asks for."""

import pytest

from server.conversation.expectation import expected_answer, said_expectation
from stages.errors import StageSettingsError
from stages.ports import Expects


@pytest.mark.parametrize(
    ("text", "expects"),
    [
        ("", Expects.FREE),
        ("It is noon.", Expects.FREE),
        ("What would you like to eat?", Expects.FREE),
        ("I can book a table. Shall I?", Expects.YES_NO),
        ("Shall I book it for you?", Expects.YES_NO),
        ("Your table is booked. Would you like a reminder?", Expects.YES_NO),
        ("That was eight tonight, right?", Expects.YES_NO),
        ("For how many people?", Expects.NUMBER),
        ("What time would you like to come?", Expects.NUMBER),
        ("What is your phone number?", Expects.PHONE),
        ("Under which number can we reach you?", Expects.PHONE),
        ("And your e-mail address?", Expects.EMAIL),
        ("Would you like tea? It is free.", Expects.FREE),
    ],
)
def test_only_the_question_at_the_end_counts(text: str, expects: Expects) -> None:
    assert expected_answer(text) is expects


def test_an_agent_may_say_it_by_name_or_leave_it_out() -> None:
    assert [said_expectation(str(expects)) for expects in Expects] == list(Expects)
    assert said_expectation(Expects.EMAIL) is Expects.EMAIL
    assert said_expectation(None) is None


@pytest.mark.parametrize("value", ["fone", "", 3, ["phone"], "PHONE"])
def test_what_is_no_kind_of_answer_is_refused_with_those_that_are(value: object) -> None:
    with pytest.raises(StageSettingsError, match="use one of free, yes_no, number, phone, email"):
        said_expectation(value)
