"""What was heard of a spoken answer, cut at the last whole word; and where its words lie, told while it grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.conversation.heard import SpokenPiece, grow, heard_text
from stages.ports import WordTime

PIECES = (
    SpokenPiece("Hello there. ", 0, 1000),
    SpokenPiece(
        "How are you?",
        1000,
        900,
        (WordTime("How", 0, 300), WordTime(" are", 300, 600), WordTime(" you?", 600, 850)),
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
    piece = SpokenPiece("one two", 0, 0).longer(700, (WordTime("onetwo", 0, 700),))
    assert heard_text((piece,), 300) == "one"


def test_words_that_are_still_on_their_way_to_sound_are_not_heard() -> None:
    pieces: list[SpokenPiece] = []
    grow(pieces, 400, text="one two three", words=(WordTime("one", 0, 350),))
    assert heard_text(pieces, 400) == "one"


def test_each_word_is_told_once_as_soon_as_its_place_is_known() -> None:
    pieces: list[SpokenPiece] = []
    told = grow(pieces, 400, text="How are", words=(WordTime("How", 0, 300),))
    assert told == (WordTime("How", 0, 300),)
    assert grow(pieces, 300) == ()
    told = grow(pieces, 500, text=" you, my friend?")
    assert told == (WordTime(" are", 300, 700),), "the piece is complete, and nobody knows better"
    assert grow(pieces, 700, is_final=True) == (
        WordTime(" you,", 700, 1075),
        WordTime(" my", 1075, 1300),
        WordTime(" friend?", 1300, 1900),
    )


def test_text_without_audio_is_told_at_the_end() -> None:
    pieces: list[SpokenPiece] = []
    grow(pieces, 400, text="Fine.", words=(WordTime("Fine.", 0, 350),))
    assert grow(pieces, 0, text=" \U0001f389 ", is_final=True) == (WordTime(" \U0001f389 ", 400, 400),)


TEXTS = st.lists(st.text("ab ,.\n", min_size=1, max_size=12), max_size=4)


@pytest.mark.no_cover
@given(texts=TEXTS, samples=st.lists(st.integers(0, 50), min_size=4, max_size=4), played=st.integers(0, 250))
def test_what_was_heard_is_what_the_words_that_were_told_say(
    texts: list[str], samples: list[int], played: int
) -> None:
    pieces: list[SpokenPiece] = []
    told: list[WordTime] = []
    for text, length in zip(texts, samples, strict=False):
        told += grow(pieces, length, text=text)
    told += grow(pieces, 0, is_final=True)
    assert "".join(word.text for word in told) == "".join(texts)
    places = [place for word in told for place in (word.start_sample, word.end_sample)]
    assert places == sorted(places)
    heard = heard_text(pieces, played)
    assert heard == "".join(word.text for word in told if word.end_sample <= played).rstrip()
    assert heard_text(pieces, played + 1).startswith(heard)
