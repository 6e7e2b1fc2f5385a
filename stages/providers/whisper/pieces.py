"""Text in the pieces that Whisper was taught, as GPT-2 cuts it: needed where a text is weighed. Pure.

Words with the space before them, numbers and marks are cut apart first; in each of them the pieces that have the
smaller numbers are joined first, as the numbers follow the order in which they were learnt.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from stages.providers.whisper.text import letter_of_byte

_APART = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+")


def tokens_of(text: str, numbers: Mapping[str, int]) -> list[int]:
    """The tokens of a text by the number of each piece; pieces are written in GPT-2's alphabet."""
    return [numbers[piece] for word in _APART.findall(text) for piece in _pieces(word, numbers)]


def _pieces(word: str, numbers: Mapping[str, int]) -> Iterator[str]:
    parts = [letter_of_byte()[byte] for byte in word.encode()]
    while True:
        joined = [(numbers.get(left + right), at) for at, (left, right) in enumerate(pairwise(parts))]
        known = [(number, at) for number, at in joined if number is not None]
        if not known:
            return iter(parts)
        at = min(known)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
