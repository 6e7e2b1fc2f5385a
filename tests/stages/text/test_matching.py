"""Words are found however they are spelt, and innocent words are not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.matching import Matcher, Readings, faults


def found(text: str, words: tuple[str, ...] = (), patterns: tuple[str, ...] = ()) -> list[str]:
    return list(Matcher(words, patterns).find(Readings.of(text)))


@pytest.mark.parametrize(
    "text",
    [
        "spam",
        "This is SPAM!",
        "no s p a m please",
        "no s.p.a.m, please",
        "i s-p-a-m you",
        "s p a m a",
        "sp4m",
        "$pam",
        "5P@M!",
        "\uff33\uff30\uff21\uff2d",
        "sp\u200bam",
        "sp\u00e0m",
        "so: (spam)",
    ],
)
def test_a_word_is_found_however_it_is_spelt(text: str) -> None:
    assert found(text, words=("Spam",)) == ["Spam"]


@pytest.mark.parametrize(
    "text", ["spammer", "antispam", "spa m", "maps", "", "s, pam", "span", "the letters s p a", "54 more"]
)
def test_other_words_are_not(text: str) -> None:
    assert found(text, words=("spam",)) == []


def test_a_stroke_is_read_as_i_and_as_l() -> None:
    assert found("k1ll and 1ame", words=("kill", "lame")) == ["kill", "lame"]
    assert found("all of it", words=("ail",)) == []


def test_phrases_match_across_punctuation() -> None:
    assert found("Kill, yourself!", words=("kill yourself",)) == ["kill yourself"]
    assert found("kill it yourself", words=("kill yourself",)) == []


def test_patterns_see_spoken_digits_as_a_number() -> None:
    pattern = r"\b\d{4}\b"
    assert found("It is four one two three.", patterns=(pattern,)) == [pattern]
    assert found("It is 4 1 two oh.", patterns=(pattern,)) == [pattern]
    assert found("one or two", patterns=(pattern,)) == []


def test_digits_of_all_scripts_count() -> None:
    pattern = r"\b\d{4}\b"
    assert found("\u0664\u0661\u0662\u0663", patterns=(pattern,)) == [pattern]


def test_patterns_see_the_text_as_it_was_written() -> None:
    assert found("write to Joe@Example.com", patterns=(r"\S+@example\.com",)) == [r"\S+@example\.com"]


def test_evidence_comes_in_the_order_of_the_configuration() -> None:
    assert found("b a 1", words=("a", "b", "c"), patterns=(r"\d",)) == ["a", "b", r"\d"]


def test_every_fault_is_reported() -> None:
    patterns = ("(", "(?=a)b", "a*", "x" * 201, "fine+")
    complaints = list(faults(("?!", "fine"), patterns))
    expected = ("'?!' has no letter", "not a regular", "(?=", "empty text", "the limit is 200")
    assert len(complaints) == len(expected)
    assert all(part in complaint for part, complaint in zip(expected, complaints, strict=True))


@given(st.text(max_size=200))
def test_any_text_has_readings(text: str) -> None:
    readings = Readings.of(text)
    assert all(reading == f" {reading.strip()} " or not reading.strip() for reading in readings.others)
    assert readings.plain.split() == readings.plain.strip().split(" ") or not readings.plain.strip()


@pytest.mark.parametrize("text", ["a" * 4_000, "4" * 4_000, "s " * 2_000, "$ " * 2_000, "a1" * 2_000])
def test_reading_takes_no_more_than_a_moment(text: str) -> None:
    began = time.process_time()
    found(text, words=("spam",) * 50, patterns=(r"\b\d{4}\b",))
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("word", "text", "is_found"),
    [
        ("炸弹", "我想要一个炸弹。", True),
        ("炸弹", "我炸了一个弹", False),
        ("VIP", "我是VIP客户", True),
        ("bomb", "a bombardier", False),
    ],
)
def test_words_without_spaces_are_found_wherever_they_stand(word: str, text: str, is_found: bool) -> None:
    assert list(Matcher(words=[word]).find(Readings.of(text))) == ([word] if is_found else [])
