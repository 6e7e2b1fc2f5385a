"""Which words are common answers by themselves."""

import pytest

from stages.providers.moonshine.short_answers import is_short_answer


@pytest.mark.parametrize(
    "text",
    ["Eighty.", "80", "80th", "Sixtieth,", "No.", "B.", "Under score.", "X-ray", "WEDNESDAY!", "twenty one"],
)
def test_common_answers(text: str) -> None:
    assert is_short_answer(text)


@pytest.mark.parametrize("text", ["", "A. D..", "Eggs", "Two pizzas", "no no no", "Mary rolled the barrel"])
def test_what_is_none(text: str) -> None:
    assert not is_short_answer(text)
