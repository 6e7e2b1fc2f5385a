"""The calculator: sums by example, agreement with Python's own arithmetic, and bounds on everything."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.demo.calculator import MAX_CHARS, CalculationError, calculate


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("12 * 7", "84"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 4 - 3", "3"),
        ("100 / 8 / 2", "6.25"),
        ("-3 - -2", "-1"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ^ 2", "-4"),
        ("2 ** -1", "0.5"),
        ("9 ^ 0.5", "3"),
        ("20% of 80", "16"),
        ("80 + 20%", "96"),
        ("80 - 25%", "60"),
        ("80 + 20% of 10", "82"),
        ("50%", "0.5"),
        ("0.1 + 0.2", "0.3"),
        ("1 / 3 * 3", "1"),
        (".5 + 1.", "1.5"),
        ("7 - 7", "0"),
        ("(" * 50 + "1" + ")" * 50, "1"),
        ("-" * 198 + "1", "1"),
        ("007 + 1", "8"),
    ],
)
def test_sums_come_out_exactly(text: str, digits: str) -> None:
    assert calculate(text) == (digits, True)


@pytest.mark.parametrize(
    ("text", "digits"),
    [("10 / 3", "3.3333"), ("2 / 3", "0.6667"), ("1 / 300", "0.003333"), ("2 ^ 0.5", "1.4142")],
)
def test_what_does_not_come_out_is_rounded_and_says_so(text: str, digits: str) -> None:
    assert calculate(text) == (digits, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a sum"),
        ("twelve", "not a sum"),
        ("2 +", "not a sum"),
        ("* 2", "not a sum"),
        ("(1 + 2", "not a sum"),
        ("1 2", "not a sum"),
        ("1)", "not a sum"),
        ("1 / 0", "divided by zero"),
        ("0 ^ -1", "divided by zero"),
        ("(-1) ^ 0.5", "no answer"),
        ("10 ^ 1001", "too large"),
        ("10 ^ 15", "too large"),
        ("(10 ^ 1000) ^ 1000", "power"),
        ("'1' '2'", "not a sum"),
        ("7 // 2", "not a sum"),
        ("2 (3)", "not a sum"),
        ("٣ + 1", "not a sum"),
        ("(" * 199, "not a sum"),
        ("2" + "^2" * 50, "power"),
        ("1" * (MAX_CHARS + 1), "not a sum"),
        ("2 ^ -100", "too small"),
        ("__import__('os')", "not a sum"),
    ],
)
def test_what_has_no_answer_says_why(text: str, reason: str) -> None:
    with pytest.raises(CalculationError, match=reason):
        calculate(text)


@given(st.text(alphabet="0123456789.+-*/^%() of,", max_size=60) | st.text(max_size=60))
def test_any_text_is_worked_out_or_refused(text: str) -> None:
    try:
        digits, _ = calculate(text)
    except CalculationError:
        return
    assert len(digits) <= 60
    assert float(digits) == float(digits)


NUMBERS = st.integers(0, 999)


@given(NUMBERS, st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 999)), max_size=4))
def test_sums_agree_with_fractions(first: int, rest: list[tuple[str, int]]) -> None:
    text = str(first) + "".join(f" {sign} {number}" for sign, number in rest)
    expected = eval(text.replace(" / ", " * one / "), {"__builtins__": {}}, {"one": Fraction(1)})
    try:
        digits, is_exact = calculate(text)
    except CalculationError:
        assert not 10**-12 < abs(expected) < 10**15
        return
    assert abs(Fraction(digits) - expected) <= Fraction(1, 10_000)
    assert is_exact == (Fraction(digits) == expected)
