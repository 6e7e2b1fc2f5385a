"""What an agent's question asks for."""

import pytest

from stages.endpointing import Expects
from stages.expectation import expected_answer


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
