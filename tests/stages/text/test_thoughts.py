"""A reasoning model's thoughts are not spoken, wherever the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.thoughts import SpokenPart


def spoken(*deltas: str) -> str:
    part = SpokenPart()
    return "".join(map(part.push, deltas)) + part.flush()


CASES = [
    ("Hello there.", "Hello there."),
    ("<think>Hm, what now?</think>\n\nHello.", "Hello."),
    ("<thinking>a</thinking> b <think>c</think> d", "b d"),
    ("Sure. <think>wait</think>Done.", "Sure. Done."),
    ("<think>never ends", ""),
    ("stray</think> end", "strayend"),
    ("1 < 2 and <b>", "1 < 2 and <b>"),
    ("ends in <thi", "ends in <thi"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_thoughts_are_not_spoken(text: str, expected: str) -> None:
    assert spoken(text) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_it_does_not_matter_where_the_text_is_cut(text: str, expected: str) -> None:
    assert spoken(*text) == expected
    for cut in range(len(text)):
        assert spoken(text[:cut], text[cut:]) == expected


def test_nothing_is_held_back_without_need() -> None:
    part = SpokenPart()
    assert part.push("Hello") == "Hello"
    assert part.push(" <") == " "
    assert part.push("b>") == "<b>"


FRAGMENTS = st.sampled_from(
    ["<think>", "</think>", "<thinking>", "</thinking>", "<", "th", "ink>", " ", "a", "/"]
)


@given(st.lists(FRAGMENTS, max_size=20))
def test_any_cut_of_any_text_gives_the_same(fragments: list[str]) -> None:
    assert spoken(*fragments) == spoken("".join(fragments))
