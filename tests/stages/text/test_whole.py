"""Halves of characters: put together where both are there, told as lost where one is."""

import pytest

from stages.text.whole import WholePieces, whole, whole_values

EMOJI = "\U0001f600"
HIGH, LOW = "\ud83d", "\ude00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        (f"né {EMOJI}", f"né {EMOJI}"),
        (f"a{HIGH}{LOW}b", f"a{EMOJI}b"),
        (f"a{HIGH}b", "a\ufffdb"),
        (f"a{LOW}b", "a\ufffdb"),
        (f"{LOW}{HIGH}", "\ufffd\ufffd"),
    ],
)
def test_halves_become_characters(text: str, expected: str) -> None:
    assert whole(text) == expected
    assert whole(text).encode()


def test_values_of_json_are_whole_to_the_last_key() -> None:
    value = {f"k{HIGH}": [f"{HIGH}{LOW}", {"n": 1, "t": (HIGH, None)}]}
    assert whole_values(value) == {"k\ufffd": [EMOJI, {"n": 1, "t": ["\ufffd", None]}]}


@pytest.mark.parametrize(
    "pieces", [("a", HIGH, LOW, "b"), (f"a{HIGH}", f"{LOW}b"), (f"a{HIGH}{LOW}", "b"), ("a" + EMOJI + "b",)]
)
def test_pieces_may_be_cut_within_a_character(pieces: tuple[str, ...]) -> None:
    whole_pieces = WholePieces()
    assert "".join([*map(whole_pieces.push, pieces), whole_pieces.flush()]) == f"a{EMOJI}b"


def test_what_is_lost_is_lost_for_good() -> None:
    pieces = WholePieces()
    assert [pieces.push(f"a{HIGH}"), pieces.push("b"), pieces.push(HIGH), pieces.flush()] == [
        "a",
        "\ufffdb",
        "",
        "\ufffd",
    ]
