"""How many words a recogniser got wrong, with spelling out of the way: what sounds the same counts as the same.

Case and punctuation do not count, and numbers are compared digit by digit: "7:30 P.M." is "seven thirty pm", and
"29340" is "two nine three four zero". "November 24" and "10:00 AM" are said like "November 24th" and "10 AM",
and a word that is written in two is the same ("lower case", "good-bye").
Contractions are other words than what they stand for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stages.text.plain import plain

_SPELLINGS = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay", "percent": "%", "alright": "all right",
    "metre": "meter", "metres": "meters",
}  # fmt: skip
_FULL_HOUR_OR_RANK = re.compile(r"(?<=\d)(?::00|st|nd|rd|th)\b")
_SYMBOL_BETWEEN_DIGITS = re.compile(r"(?<=\d)[:.](?=\d)")
_AFTER_DIGIT = re.compile(r"(?<=\d)(?=\w)")
_DOLLARS = re.compile(r"\$ (\d+)")


def heard_words(text: str) -> list[str]:
    """The words of `text` as they are compared; each digit is one."""
    text = _FULL_HOUR_OR_RANK.sub("", _DOLLARS.sub(r"\1 dollars", plain(text)))
    text = _AFTER_DIGIT.sub(" ", _SYMBOL_BETWEEN_DIGITS.sub(" ", text))
    return " ".join(_SPELLINGS.get(word, word) for word in text.split()).split()


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Words that are wrong, missing or too many, of so many that were said."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors a word, the "WER"; may be above 1."""
        return self.errors / max(self.words, 1)


def word_errors(said: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """The errors in all texts of `heard` together, each against the one of `said` at its place."""
    assert len(said) == len(heard), f"{len(said)} texts were said, {len(heard)} heard"
    found = [
        _word_errors(heard_words(one), heard_words(other)) for one, other in zip(said, heard, strict=True)
    ]
    return WordErrors(sum(one.errors for one in found), sum(one.words for one in found))


def word_error_rate(said: str, heard: str) -> float:
    """The WER of one text."""
    return word_errors([said], [heard]).rate


def _word_errors(said: list[str], heard: list[str]) -> WordErrors:
    """The edit distance: `rows[m][n]` is that of the first m words of `said` to the first n of `heard`."""
    rows = [list(range(len(heard) + 1))]
    for m, word in enumerate(said, 1):
        row = [m]
        for n, other in enumerate(heard, 1):
            least = min(rows[m - 1][n - 1] + (word != other), rows[m - 1][n] + 1, row[-1] + 1)
            if n > 1 and word == heard[n - 2] + other:
                least = min(least, rows[m - 1][n - 2])
            if m > 1 and said[m - 2] + word == other:
                least = min(least, rows[m - 2][n - 1])
            row.append(least)
        rows.append(row)
    return WordErrors(rows[-1][-1], len(said))
