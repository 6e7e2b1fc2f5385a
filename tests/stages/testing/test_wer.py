"""Word error rate: what counts as a word, as the same word, and as an error."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.testing.wer import WordErrors, heard_words, word_error_rate, word_errors


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("two nine three four zero", "29340."),
        ("It's twelve oh five", "it's 12:05"),
        ("at seven thirty p.m.", "At 7:30 PM"),
        ("twelve times seven is eighty-four", "12 times 7 is 84."),
        ("zero point five percent", "0.5%"),
        ("twenty dollars", "$20"),
        ("november twenty fourth", "November 24"),
        ("at ten A.M.", "at 10:00 AM"),
        ("All right.", "alright"),
        ("and mister john", "And Mr. John,"),
        ("rather cold hearted", "rather cold-hearted"),
        ("the sixtieth and the ninety first", "The 60th and the 91st."),
    ],
)
def test_another_spelling_is_no_error(said: str, written: str) -> None:
    assert heard_words(said) == heard_words(written)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("seven of clubs", "seven of clubs", WordErrors(0, 3)),
        ("seven of clubs", "seven of gloves", WordErrors(1, 3)),
        ("seven of clubs", "seven clubs", WordErrors(1, 3)),
        ("seven of clubs", "the seven of clubs", WordErrors(1, 3)),
        ("seven of clubs", "", WordErrors(3, 3)),
        ("29340", "29350", WordErrors(1, 5)),
        ("lowercase x-ray, goodbye", "Lower case X ray. Good-bye!", WordErrors(0, 4)),
        ("the under score", "The underscore", WordErrors(0, 3)),
        ("zap", "a p", WordErrors(2, 1)),
        ("", "you", WordErrors(1, 0)),
        ("", "", WordErrors(0, 0)),
    ],
)
def test_words_that_are_wrong_missing_or_too_many_are_errors(
    said: str, heard: str, errors: WordErrors
) -> None:
    assert word_errors([said], [heard]) == errors


def test_of_several_texts_the_words_count_and_not_the_texts() -> None:
    found = word_errors(["one", "a b c d e f g h i"], ["two", "a b c d e f g h i"])
    assert found == WordErrors(1, 10)
    assert found.rate == pytest.approx(0.1)
    assert word_error_rate("seven of clubs", "seven of gloves") == pytest.approx(1 / 3)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_errors_are_those_that_jiwer_counts(said: list[str], heard: list[str]) -> None:
    said, heard = [f"w{word}" for word in said], [f"w{word}" for word in heard]
    found = jiwer.process_words(" ".join(said), " ".join(heard))
    errors = found.substitutions + found.deletions + found.insertions
    assert word_errors([" ".join(said)], [" ".join(heard)]) == WordErrors(errors, len(said))
