"""The words of a text and its speech, side by side."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.ports import WordTime
from stages.text.speakable import pieces, speakable
from stages.text.word_times import ShownTimes, by_length, is_word


def said(text: str) -> list[WordTime]:
    """The spoken words of `text`, a hundred samples each."""
    words = [word for word in speakable(text).split() if is_word(word)]
    return [WordTime(word, 100 * number, 100 * number + 90) for number, word in enumerate(words)]


def shown(text: str) -> list[tuple[str, int, int]]:
    words = ShownTimes(pieces(text)).take(said(text))
    return [(word.text, word.start_sample, word.end_sample) for word in words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there.", [("Hello", 0, 90), (" there.", 100, 190)]),
        (" It is 50% of it. ", [(" It", 0, 90), (" is", 100, 190), (" 50%", 200, 390), (" of", 400, 490),
                                (" it. ", 500, 590)]),
        ("- **one**\n- two", [("- **one**", 0, 90), ("\n- two", 100, 190)]),
        ("one \u2014 two", [("one", 0, 90), (" \u2014 two", 100, 190)]),
        ("Done! \U0001f389", [("Done! \U0001f389", 0, 90)]),
        ("call 555-123-4567", [("call", 0, 90), (" 555-123-4567", 100, 1090)]),
        ("(555) 123-4567 is it", [("(555) 123-4567", 0, 990), (" is", 1000, 1090), (" it", 1100, 1190)]),
        ("2 < 3", [("2", 0, 90), (" <", 100, 390), (" 3", 400, 490)]),
        ("[my page](http://x.org/y) is", [("[my", 0, 90), (" page](http://x.org/y)", 100, 190),
                                          (" is", 200, 290)]),
        ("\U0001f389", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_shown_word_is_over_when_all_that_is_said_for_it_is(
    text: str, expected: list[tuple[str, int, int]]
) -> None:
    assert shown(text) == expected


def test_words_come_as_they_are_spoken_and_what_was_before_comes_with_the_first() -> None:
    times = ShownTimes(pieces("5% now"), before="\U0001f389 ")
    five, percent, now = said("5% now")
    assert times.take([five]) == ()
    assert times.take([percent]) == (WordTime("\U0001f389 5%", 0, 190),)
    assert times.take([now, now]) == (WordTime(" now", 200, 290),)


def test_times_of_other_words_are_not_trusted() -> None:
    times = ShownTimes(pieces("one two three"))
    one, two, three = said("one two three")
    assert times.take([one]) == (WordTime("one", 0, 90),)
    assert times.take([three]) == ()
    assert times.take([two, three]) == ()


MARKED_UP = st.text(st.sampled_from("ab1 2.,-*_#[]()%<>&;:/@\n|`~+=\U0001f389\u2014é。"), max_size=40)


@given(MARKED_UP)
@example("1<::1")
def test_whatever_is_written_all_of_it_is_shown_once_in_order(text: str) -> None:
    words = shown(text)
    assert "".join(word for word, _, _ in words) == (text if said(text) else "")
    places = [place for _, start, end in words for place in (start, end)]
    assert places == sorted(places)


@given(MARKED_UP, st.integers(0, 5000))
def test_shares_by_length_are_in_order_and_within_the_whole(text: str, samples: int) -> None:
    words = list(by_length(text, 7, samples))
    assert "".join(word.text for word in words) == text
    places = [7, *(place for word in words for place in (word.start_sample, word.end_sample)), 7 + samples]
    assert places == sorted(places)
    assert not text or words[-1].end_sample == 7 + samples
