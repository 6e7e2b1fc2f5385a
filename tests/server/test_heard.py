"""What was heard of a spoken answer, cut at the last whole word."""

from hypothesis import given
from hypothesis import strategies as st

from server.heard import SpokenPiece, heard_text
from stages.ports import WordTime

PIECES = (
    SpokenPiece("Hello there. ", 0, 1000),
    SpokenPiece(
        "How are you?",
        1000,
        900,
        (WordTime("How", 0, 300), WordTime("are", 300, 600), WordTime("you?", 600, 850)),
    ),
)


def test_nothing_played_is_nothing_heard() -> None:
    assert heard_text(PIECES, 0) == ""


def test_all_played_is_all_heard() -> None:
    assert heard_text(PIECES, 1900) == "Hello there. How are you?"


def test_without_word_times_a_word_takes_its_share_of_the_piece() -> None:
    assert heard_text(PIECES, 415) == ""  # "Hello" is 5 of 12 characters: 416 of 1000 samples
    assert heard_text(PIECES, 416) == "Hello"
    assert heard_text(PIECES, 999) == "Hello"


def test_word_times_decide_where_there_are_any() -> None:
    assert heard_text(PIECES, 1599) == "Hello there. How"
    assert heard_text(PIECES, 1600) == "Hello there. How are"


def test_word_times_that_do_not_fit_the_words_are_not_trusted() -> None:
    piece = SpokenPiece("one two", 0, 700, (WordTime("onetwo", 0, 700),))
    assert heard_text((piece,), 300) == "one"


@given(
    texts=st.lists(st.text("ab ,.", min_size=1, max_size=12), max_size=4),
    samples=st.lists(st.integers(1, 50), min_size=4, max_size=4),
    played=st.integers(0, 250),
)
def test_what_was_heard_is_a_prefix_that_only_grows(
    texts: list[str], samples: list[int], played: int
) -> None:
    pieces, start = [], 0
    for text, length in zip(texts, samples, strict=False):
        pieces.append(SpokenPiece(text, start, length))
        start += length
    heard = heard_text(pieces, played)
    assert "".join(texts).startswith(heard)
    assert heard_text(pieces, played + 1).startswith(heard)
