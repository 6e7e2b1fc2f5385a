"""Which words are common answers by themselves."""

import pytest

from stages.ports import Expects
from stages.providers.moonshine.short_answers import Kind, as_expected, is_expected, kind_of


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Kind.NUMBER, ("Eighty.", "80", "80th", "Sixtieth,", "twenty one")),
        (Kind.LETTER, ("B.", "x")),
        (Kind.ANSWER, ("No.", "Under score.", "X-ray", "WEDNESDAY!")),
        (Kind.OTHER, ("", "A. D..", "Eggs", "Two pizzas", "no no no", "Mary rolled the barrel")),
    ],
)
def test_kinds_of_answers(kind: Kind, texts: tuple[str, ...]) -> None:
    assert [kind_of(text) for text in texts] == [kind] * len(texts)


@pytest.mark.parametrize(
    ("expects", "asked_for", "others"),
    [
        (Expects.FREE, (), ("Yes.", "8", "B.")),
        (Expects.YES_NO, ("Yes.", "nope"), ("8", "B.", "Monday")),
        (Expects.NUMBER, ("8", "twenty one", "none"), ("Yes.", "B.", "dash")),
        (Expects.PHONE, ("8", "Oh.", "double"), ("Yes.", "B.")),
        (Expects.EMAIL, ("B.", "8", "Under score"), ("Yes.", "Monday", "")),
    ],
)
def test_what_the_agent_has_asked_for(
    expects: Expects, asked_for: tuple[str, ...], others: tuple[str, ...]
) -> None:
    assert all(is_expected(text, expects) for text in asked_for)
    assert not any(is_expected(text, expects) for text in others)


@pytest.mark.parametrize(
    ("heard", "spelled"),
    [("You.", "U"), ("Double U.", "W"), ("why?", "why?"), ("Why not?", "Why not?"), ("Bob", "Bob")],
)
def test_letters_by_their_sound(heard: str, spelled: str) -> None:
    assert as_expected(heard, Expects.EMAIL) == spelled
    assert as_expected(heard, Expects.PHONE) == heard
