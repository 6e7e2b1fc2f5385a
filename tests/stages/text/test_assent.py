"""Yes, no, and wanting out."""

import pytest

from stages.text.assent import find_yes_or_no, wants_out
from stages.text.plain import plain


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes, please.", True),
        ("yeah", True),
        ("okay go ahead", True),
        ("that's right", True),
        ("no thanks", False),
        ("nope", False),
        ("that's not right", False),
        ("not really", False),
        ("tomorrow", None),
        ("yesterday", None),
        ("november", None),
    ],
)
def test_yes_and_no(text: str, answer: bool | None) -> None:
    assert find_yes_or_no(plain(text)) is answer


@pytest.mark.parametrize("text", ["never mind", "Cancel.", "forget it", "actually cancel that", "stop"])
def test_wanting_out(text: str) -> None:
    assert wants_out(plain(text))


@pytest.mark.parametrize("text", ["cancel my booking for friday", "yes", "don't stop believing", "tomorrow"])
def test_not_wanting_out(text: str) -> None:
    assert not wants_out(plain(text))
