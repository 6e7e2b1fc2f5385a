"""Patterns mean what they mean in Python, or are refused; no text makes one of them run for ever."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.patterns import Pattern, PatternFault

ALIKE = (
    r"\bcat\b",
    r"^\s*ignore",
    r"\d{3}-\d{4}",
    r"(?:a|bc)+d?",
    r"[\w.]+@[^\s@]+",
    r"[\s\S]x$",
    r"\S+\W\w",
    r"\D\d\s",
    r"[]x]y",
    r"[^]x]y",
    r"\\w",
    r"(?i:q)w",
    r"über\w*",
)


@pytest.mark.parametrize("pattern", ALIKE)
@given(text=st.text(st.sampled_from("abcdxyquwüÜÉж4٤漢 .-@_\\]\tignoretCAT"), max_size=30))
def test_patterns_mean_what_they_mean_in_python(pattern: str, text: str) -> None:
    if r"\b" in pattern and not text.isascii():
        return  # word boundaries know ASCII only
    assert Pattern(pattern).is_in(text) == bool(re.search(pattern, text, re.IGNORECASE))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "is not a regular expression"),
        (r"(a)\1", r"\1"),
        ("(?=a)b", "(?="),
        ("(?<!a)b", "(?<"),
        ("a++", "++"),
        ("a{,3}b", "write {0,3}"),
        (r"[^\W]", "write"),
        (r"\bärger\b", "ASCII"),
        ("a{1,1000}" * 20, "too large"),
        ("x" * 201, "the limit is 200"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_words(pattern: str, why: str) -> None:
    with pytest.raises(PatternFault) as refused:
        Pattern(pattern)
    assert why in str(refused.value)


@pytest.mark.parametrize("pattern", [r"(x+x+)+y", r"(.*a){30}z", r"^(\w+\s?)*$!", r"(x|xx|xxx)+y"])
def test_a_pattern_that_python_takes_years_for_takes_moments(pattern: str) -> None:
    text, search = "x" * 4_000, Pattern(pattern)
    began = time.process_time()
    assert not search.is_in(text)
    assert time.process_time() - began < 1


def test_half_a_surrogate_pair_does_not_end_the_search() -> None:
    assert Pattern("bad").is_in("\ud83d bad")
