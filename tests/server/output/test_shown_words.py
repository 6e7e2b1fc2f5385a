"""Words are told with the audio that holds them, and none is lost or told twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.output.shown_words import ShownWords
from stages.ports import WordTime

RATE_HZ = 1000


def test_words_with_times_are_told_when_their_audio_is_sent() -> None:
    shown = ShownWords(RATE_HZ)
    shown.begin("One two.", 0)
    shown.place([WordTime("One", 0, 300), WordTime(" two.", 300, 700)], is_timed=True)
    assert [shown.due(end) for end in (100, 300, 301, 700)] == ["One", "", " two.", ""]
    assert shown.told == "One two."


def test_words_without_times_are_told_at_an_ordinary_pace_and_all_of_them_before_the_next_piece() -> None:
    shown = ShownWords(RATE_HZ)
    shown.begin("One two three. ", 0)
    first = shown.due(100)
    assert first == "One"
    assert shown.due(400) == " two"
    shown.begin("Four.", 700)
    assert shown.due(650) == " three. "
    assert shown.due(701) == "Four."


def test_words_that_nothing_places_go_with_the_next_audio() -> None:
    shown = ShownWords(RATE_HZ)
    shown.loosen("One ")
    shown.loosen("two.")
    assert (shown.is_loose, shown.due(1), shown.due(500)) == (True, "One two.", "")


@pytest.mark.no_cover
@given(
    st.lists(
        st.tuples(st.text("ab .", min_size=1, max_size=20), st.integers(1, 900)), min_size=1, max_size=6
    ),
    st.integers(1, 400),
)
def test_nothing_is_told_twice_or_out_of_order(pieces: list[tuple[str, int]], step: int) -> None:
    shown, at, told = ShownWords(RATE_HZ), 0, ""
    for text, samples in pieces:
        shown.begin(text, at)
        at += samples
        for end in range(at - samples + 1, at + 1, step):
            told += shown.due(end)
    whole = "".join(text for text, _ in pieces)
    assert whole.startswith(told)
    assert told == shown.told
    assert len(told) >= len(whole) - len(pieces[-1][0])


def test_characters_without_times_are_told_one_by_one() -> None:
    words = ShownWords(1000)
    words.begin("好，请坐。", 0)
    assert [words.due(at) for at in (1, 250, 300, 1000)] == ["好，", "", "请", "坐。"]
