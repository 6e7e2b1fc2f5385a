"""Evening out of words and numbers: by example, against numbers spelt by rule, and for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.plain import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What's the time?", "what's the time"),
        ("What’s — um — the TIME?!", "what's um the time"),
        ("Seven thirty P.M.", "7 30 pm"),
        ("7:30 p.m. tomorrow", "7:30 pm tomorrow"),
        ("7pm", "7 pm"),
        ("seven p m", "7 pm"),
        ("I am seven", "i am 7"),
        ("seven oh five", "7 05"),
        ("twenty-one", "21"),
        ("a hundred and twenty three", "123"),
        ("one thousand two hundred and five", "1205"),
        ("two million three hundred thousand", "2300000"),
        ("three point one four", "3.14"),
        ("one two three", "1 2 3"),
        ("nineteen ninety nine", "19 99"),
        ("a dozen eggs", "12 eggs"),
        ("1,250 dollars", "1250 dollars"),
        ("the twenty second of December", "the 22nd of december"),
        ("December second", "december 2nd"),
        ("december the third", "december the 3rd"),
        ("a twenty second timer, in a second", "a 20 second timer in a second"),
        ("20 per cent of 80", "20 percent of 80"),
        ("20% of 80", "20 % of 80"),
        ("2026-11-25", "2026-11-25"),
        ("(2+3)*4", "( 2 + 3 ) * 4"),
        ("wonder, tension, often", "wonder tension often"),
        ("", ""),
    ],
)
def test_words_and_numbers_are_evened_out(text: str, expected: str) -> None:
    assert plain(text) == expected


ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
)
ONES += "seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def spelt(value: int) -> str:
    if value < 20:
        return ONES.split(" ")[value]
    if value < 100:
        return TENS.split(" ")[value // 10 - 2] + (f"-{spelt(value % 10)}" if value % 10 else "")
    for size, name in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if value >= size:
            rest = f" and {spelt(value % size)}" if value % size else ""
            return f"{spelt(value // size)} {name}{rest}"
    raise AssertionError


@given(st.integers(0, 999_999_999))
def test_every_number_in_words_becomes_its_digits(value: int) -> None:
    assert plain(spelt(value)) == str(value)


@given(st.text(max_size=200))
def test_any_text_can_be_evened_out_and_stays_so(text: str) -> None:
    assert plain(plain(text)) == plain(text)
