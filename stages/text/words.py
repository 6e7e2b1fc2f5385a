"""The words of a text in any script: what stands between white space, and each character where a script has no spaces.

Chinese and Japanese do not say where their words end; a character takes about as long as a short word does, and is
what is counted, shown and cut there. The marks behind a character belong to it, an opening bracket to what follows.
Pure.
"""

import re
from collections.abc import Iterable

UNSPACED = (
    "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
"""Characters of scripts without spaces, for a class of `re`: Chinese ones, and both kinds of Japanese letters."""

_OPENERS = r"（「『【《〈“‘(\[{"
_CLOSERS = r"，。！？、；：…—～·）」』】》〉”’,.!?;:)\]}\"'%"
_WIDE_MARKS = "，。！？、；：…—（）「」『』【】《》〈〉“”"
_ONE = re.compile(f"[{UNSPACED}]")
_SPACED_WORD = re.compile(r"\s*\S+(?:\s+\Z)?|\s+")
_WORD = re.compile(
    rf"\s*(?:[{_OPENERS}]*[{UNSPACED}][{_CLOSERS}]*|(?:(?![{_OPENERS}]*[{UNSPACED}])\S)+)(?:\s+\Z)?|\s+"
)
_TIGHT_END = re.compile(rf"[{UNSPACED}{_WIDE_MARKS}][,.!?;:]?\Z")
_TIGHT_START = re.compile(rf"[{UNSPACED}{_WIDE_MARKS}]")

CHARACTERS_A_WORD = 1.6
"""Of Chinese text: how many characters are one word of it."""

_SIZE = 3
"""To say a Chinese character takes as long as so many letters of English, spaces included: 0.2 s."""


def is_unspaced(text: str) -> bool:
    """Whether there is a character of a script without spaces in it."""
    return not text.isascii() and _ONE.search(text) is not None


def stretches(text: str) -> list[str]:
    """The words with the white space in front of them: joined, they are the text."""
    return (_WORD if is_unspaced(text) else _SPACED_WORD).findall(text)


def split_words(text: str) -> list[str]:
    """The words, with the marks around them."""
    return [word for word in map(str.strip, stretches(text)) if word] if is_unspaced(text) else text.split()


def join_words(words: Iterable[str]) -> str:
    """A text of these words, with spaces where its script has them."""
    joined = ""
    for word in words:
        is_tight = not joined or _TIGHT_END.search(joined) or _TIGHT_START.match(word)
        joined += word if is_tight else f" {word}"
    return joined


def count_words(text: str) -> float:
    """How many words there are, several characters a word."""
    characters = len(_ONE.findall(text))
    return (
        len(_ONE.sub(" ", text).split()) + characters / CHARACTERS_A_WORD if characters else len(text.split())
    )


def spoken_size(text: str) -> int:
    """How long it is when it is said, in letters of English."""
    return len(text) if text.isascii() else len(text) + (_SIZE - 1) * len(_ONE.findall(text))
