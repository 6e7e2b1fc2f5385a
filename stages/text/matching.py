"""Finds configured words and patterns in what a person said, however it was spelt.

Recognisers and keyboards spell freely, and so do people who want to get past a rule. A text is looked at in a
few readings, all without case, accents and punctuation:

- as it stands: "Café!" reads "cafe";
- with single letters in a row joined: "s p a m" and "s.p.a.m" read "spam";
- with digits and signs inside words as the letters that they look like: "sp4m" and "$pam" read "spam";
- with three or more digits spoken one by one as a number: "four one two three" reads "4123".

Words match whole words of any reading. Patterns are searched in the text itself and in the first and last
reading. Pure.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

MAX_PATTERN_CHARS = 200
"""A longer pattern is a program, and nobody can say what it blocks."""

_WORD = re.compile(r"[^\W_]+")
_LETTER_ROW = re.compile(r"(?<!\S)[^\W\d_](?: [^\W\d_]){2,}(?!\S)")
_MASK = re.compile(r"[013456789@$|]")
_LETTER = re.compile(r"[^\W\d_]")
_AROUND_A_WORD = ".,;:!?'\"()[]{}"
_LOOKALIKES = {
    "0": "o",
    "3": "e",
    "4": "a",
    "5": "s",
    "6": "g",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
}
_READINGS_OF_A_STROKE = tuple(str.maketrans(_LOOKALIKES | {"1": stroke, "|": stroke}) for stroke in "il")
_DIGITS = {
    word: str(digit)
    for digit, words in enumerate(
        (
            "0 zero oh o",
            "1 one",
            "2 two",
            "3 three",
            "4 four",
            "5 five",
            "6 six",
            "7 seven",
            "8 eight",
            "9 nine",
        )
    )
    for word in words.split()
}
_REPEATED_REPETITION = re.compile(r"\([^()]*[+*}][^()]*\)[+*{]")


@dataclass(frozen=True, slots=True)
class Readings:
    """A text with its readings; each is words with one space around each of them."""

    text: str
    plain: str
    numbers: str
    """The reading with spoken digits as numbers; the same as `plain` when there are none."""
    others: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Readings":
        """All readings of a text."""
        folded = _fold(text)
        plain = _spaced(folded)
        numbers = _join_digits(plain)
        others = {*_join_letters(plain), *_unmask(folded)} - {plain}
        return cls(text, plain, numbers, tuple(sorted(others)))


class Matcher:
    """Words (or phrases) and patterns, made ready once. Raises `re.error` for a pattern that is none."""

    def __init__(self, words: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self._words = tuple((word, _spaced(_fold(word))) for word in words)
        self._patterns = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)

    def find(self, readings: Readings) -> Iterator[str]:
        """The configured words and patterns that the text contains, in their order."""
        for word, spaced in self._words:
            if spaced in readings.plain or any(spaced in other for other in readings.others):
                yield word
        for pattern in self._patterns:
            if any(map(pattern.search, dict.fromkeys((readings.text, readings.plain, readings.numbers)))):
                yield pattern.pattern


def faults(words: Sequence[str], patterns: Sequence[str]) -> Iterator[str]:
    """What is wrong with configured words and patterns, each as a clause to put behind its owner's name."""
    for word in words:
        if not _spaced(_fold(word)).strip():
            yield f"word {word!r} has no letter or digit"
    for pattern in patterns:
        if len(pattern) > MAX_PATTERN_CHARS:
            yield f"pattern {pattern[:30]!r}… has {len(pattern)} characters, the limit is {MAX_PATTERN_CHARS}"
            continue
        try:
            empty = re.compile(pattern).search("")
        except re.error as error:
            yield f"pattern {pattern!r} is not a regular expression: {error}"
            continue
        if empty:
            yield f"pattern {pattern!r} matches the empty text, and so everything"
        if _REPEATED_REPETITION.search(pattern):
            yield f"pattern {pattern!r} repeats a repetition, which may take for ever; write it with one"


# --- the readings -------------------------------------------------------------------------------------------


def _fold(text: str) -> str:
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in folded if unicodedata.category(char) not in ("Mn", "Cf"))


def _spaced(folded: str) -> str:
    return f" {' '.join(_WORD.findall(folded))} "


def _join_letters(plain: str) -> Iterator[str]:
    """Rows of letters as words; the first or the last letter may be a word of its own ("i", "a")."""
    if _LETTER_ROW.search(plain):
        for join in (_join_all, _join_but_first, _join_but_last):
            yield _LETTER_ROW.sub(join, plain)


def _join_all(row: re.Match[str]) -> str:
    return row[0].replace(" ", "")


def _join_but_first(row: re.Match[str]) -> str:
    return row[0][:2] + row[0][2:].replace(" ", "")


def _join_but_last(row: re.Match[str]) -> str:
    return row[0][:-2].replace(" ", "") + row[0][-2:]


def _unmask(folded: str) -> Iterator[str]:
    """Masked words as the letters they look like; a stroke may be an i or an l."""
    if not _MASK.search(folded):
        return
    for table in _READINGS_OF_A_STROKE:
        words = (
            word.strip(_AROUND_A_WORD).translate(table) if _LETTER.search(word) else word
            for word in folded.split()
        )
        yield _spaced(" ".join(words))


def _join_digits(plain: str) -> str:
    words = plain.split()
    joined: list[str] = []
    for is_digit, row in groupby(words, key=_DIGITS.__contains__):
        digits = list(row)
        joined.extend(["".join(map(_DIGITS.__getitem__, digits))] if is_digit and len(digits) > 2 else digits)
    return plain if len(joined) == len(words) else f" {' '.join(joined)} "
