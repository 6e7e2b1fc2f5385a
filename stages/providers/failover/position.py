"""Finds where the next voice goes on in an answer whose voice has failed: no word twice.

Where the voice told the times of its words, after the last of them. Otherwise with the next piece of which nothing was
heard: what is missing of the piece that was being spoken stays unsaid, because how far it had come is not known. Of
what was no longer than `WORD_S` it is known: no word was heard.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stages.text.word_times import is_word

WORD_S = 0.08
"""Any word takes longer, an "a" too: a voice that broke off before has not said one."""

_TOKEN = re.compile(r"\S+")


@dataclass(slots=True)
class Heard:
    """What has come of a voice; positions are characters from the beginning of the answer."""

    base: int
    """Where it began."""
    begins: int
    """Where its last audio of known place began; `base` if there was none."""
    spoken: int
    """Up to where the text had come back as audio with the last of it."""
    samples: int = 0
    lasts_s: float = 0.0
    words: int = 0
    """How many it told the times of."""


def resume_at(pieces: Sequence[str], heard: Heard) -> int:
    """The place in the joined pieces."""
    if not heard.words and (not heard.samples or heard.lasts_s < WORD_S):
        return heard.base
    if heard.words:
        return _after_words("".join(pieces), heard.base, heard.words)
    spoken, start = max(heard.spoken, heard.begins), 0
    for piece in pieces:
        end = start + len(piece)
        if start <= spoken < end:
            is_untouched = spoken == start and heard.begins < start
            return start if is_untouched else end
        start = end
    return start


def _after_words(text: str, base: int, words: int) -> int:
    spoken = [token for token in _TOKEN.finditer(text, base) if is_word(token.group())]
    return spoken[words].start() if words < len(spoken) else len(text)
