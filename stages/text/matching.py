"""Finds configured words and patterns in what a person said, however it was spelt.

Recognisers and keyboards spell freely, and so do people who want to get past a rule. A text is looked at in a
few readings, all without case, accents and punctuation:

- as it stands: "Café!" reads "cafe";
- with single letters in a row joined: "s p a m" and "s.p.a.m" read "spam";
- with digits and signs inside words as the letters that they look like: "sp4m" and "$pam" read "spam";
- with three or more digits spoken one by one as a number: "four one two three" reads "4123".

Words match whole words of any reading, and characters of a script without spaces wherever they stand. Patterns are
searched in the text itself and in the first and last reading. The digits of all scripts count as 0 to 9 in every
reading. Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from stages.text.patterns import Pattern, PatternFault
from stages.text.words import UNSPACED

_CHEAP_STEPS = 1_000_000
"""Of patterns' programs over characters; in the worst case they take 5 ms in each of a text's readings."""

_WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[^\W_])+")
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


@dataclass(frozen=True, slots=True)
class Readings:
    """A text with its readings; each is words with one space around each of them."""

    text: str
    plain: str
    numbers: str
    """The reading with spoken digits as numbers; the same as `plain` when there are none."""
    others: tuple[str, ...]

    @property
    def for_patterns(self) -> tuple[str, ...]:
        """What patterns are searched in."""
        return tuple(dict.fromkeys((self.text, self.text.strip(), self.plain, self.numbers)))

    @classmethod
    def of(cls, text: str) -> "Readings":
        """All readings of a text."""
        folded = _fold(text)
        plain = _spaced(folded)
        numbers = _join_digits(plain)
        others = {*_join_letters(plain), *_unmask(folded)} - {plain}
        return cls(text, plain, numbers, tuple(sorted(others)))


class Matcher:
    """Words (or phrases) and patterns, made ready once. Raises PatternFault for a pattern that cannot be used."""

    def __init__(self, words: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self._words = tuple((word, _spaced(_fold(word))) for word in words)
        self._patterns = tuple(map(Pattern, patterns))
        self.size = sum(pattern.size for pattern in self._patterns)
        """Steps of all patterns' programs."""

    def find(self, readings: Readings) -> Iterator[str]:
        """The configured words and patterns that the text contains, in their order."""
        for word, spaced in self._words:
            if spaced in readings.plain or any(spaced in other for other in readings.others):
                yield word
        for pattern in self._patterns:
            if any(map(pattern.is_in, readings.for_patterns)):
                yield pattern.pattern


def is_dear(matchers: Iterable[Matcher], text: str) -> bool:
    """Whether looking through the text for their patterns may take more than some milliseconds, so that it belongs in
    a thread."""
    return sum(matcher.size for matcher in matchers) * len(text) > _CHEAP_STEPS


def faults(words: Sequence[str], patterns: Sequence[str]) -> Iterator[str]:
    """What is wrong with configured words and patterns, each as a clause to put behind its owner's name."""
    for word in words:
        if not _spaced(_fold(word)).strip():
            yield f"word {word!r} has no letter or digit"
    for pattern in patterns:
        try:
            empty = Pattern(pattern).is_in("")
        except PatternFault as fault:
            yield f"pattern {pattern[:60]!r} {fault}"
            continue
        if empty:
            yield f"pattern {pattern!r} matches the empty text, and so everything"


# --- the readings -------------------------------------------------------------------------------------------


def _fold(text: str) -> str:
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFKD", text).casefold()
    kept = (char for char in folded if unicodedata.category(char) not in ("Mn", "Cf"))
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in kept)


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
