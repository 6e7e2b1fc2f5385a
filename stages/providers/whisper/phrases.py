"""Phrases that are due, weighed against what Whisper has read: "clubs" where "clothes" was read. Pure.

Theory of operation. A phrase may have been said where words were read that are written like it. The text with the
phrase in their place is weighed against the text as it was read, by the log probability of its tokens, and counts if
it is less by no more than `DUE`. Where a phrase was misread its text is less probable by up to 5, and elsewhere by 8
and more.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from stages.providers.whisper.text import bare

DUE = 6.0
"""So much less probable, as log probability of the whole, may a text with a phrase be that is due."""
DUE_ALONE = 3.0
"""The same where one word was read, which no sentence holds."""

_ALIKE = 0.34
"""Share of the letters that words and a phrase have in common, as `SequenceMatcher.ratio`, from which on it is
weighed: "clubs" and "clothes" have 0.5."""
_MOST_WEIGHED = 12
"""So many texts are weighed, those that are written most alike: each costs a step of the decoder for all tokens."""
_WORDS_MORE = 2
"""A phrase may stand for so many words more than it has."""
_MOST_REPLACED = 3

_MARKS = ".,?!:;"


def respelled(
    text: str,
    phrases: Sequence[str],
    weigh: Callable[[str], float],
    keep_going: Callable[[], bool] = lambda: True,
) -> str | None:
    """The text with the phrases in it that were probably said; `weigh` gives the log probability of a text. None if it
    was not to keep going, which is asked for each text that is weighed."""
    for _ in range(_MOST_REPLACED):
        others = likely(text, phrases)
        best, least = text, -1.0
        for at, one in enumerate((text, *others) if others else ()):
            if not keep_going():
                return None
            weight = weigh(one)
            if at == 0:
                least = weight - (DUE if len(text.split()) > 1 else DUE_ALONE)
            elif weight >= least:
                best, least = one, weight
        if best == text:
            break
        text = best
    return as_given(text, phrases)


def likely(text: str, phrases: Sequence[str]) -> list[str]:
    """Texts with a phrase in place of some words that are written like it, the most alike first."""
    words = text.split()
    free = [not said for said in _said(words, phrases)]
    found = [
        (ratio, " ".join((*words[:start], phrase + _marks_behind(words[end - 1]), *words[end:])))
        for phrase in phrases
        for start, end, ratio in _alike(words, free, phrase)
    ]
    found.sort(key=lambda one: -one[0])
    return list(dict.fromkeys(one for _, one in found))[:_MOST_WEIGHED]


def _said(words: Sequence[str], phrases: Sequence[str]) -> list[bool]:
    """Of each word whether it is part of a phrase that stands there already."""
    text, spans, at = " ".join(words), list[tuple[int, int]](), 0
    for word in words:
        spans.append((at, at + len(word)))
        at += len(word) + 1
    taken = [match.span() for phrase in phrases for match in written(phrase).finditer(text)]
    return [any(start < last and first < end for first, last in taken) for start, end in spans]


def _alike(words: Sequence[str], free: Sequence[bool], phrase: str) -> Iterator[tuple[int, int, float]]:
    """Stretches of words that are written like a phrase, from one up to another, and how much they are."""
    count = len(phrase.split())
    matcher = SequenceMatcher(None, "", _letters(phrase), False)
    for start in range(len(words)):
        for end in range(start + max(1, count - 1), min(len(words), start + count + _WORDS_MORE) + 1):
            if not all(free[start:end]):
                break
            matcher.set_seq1(_letters(" ".join(words[start:end])))
            if matcher.real_quick_ratio() >= _ALIKE <= matcher.quick_ratio():
                ratio = matcher.ratio()
                if ratio >= _ALIKE:
                    yield start, end, ratio


def _letters(text: str) -> str:
    return bare(text.replace(" ", ""))


def _marks_behind(word: str) -> str:
    return word[len(word.rstrip(_MARKS)) :]


def as_given(text: str, phrases: Iterable[str]) -> str:
    """The text with its phrases as they were given, capitals and all; what has none stays as it was written."""
    for phrase in phrases:
        if phrase != phrase.lower():
            text = written(phrase).sub(lambda _, phrase=phrase: phrase, text)  # type: ignore[misc]
    return text.strip()


@lru_cache(1_000)
def written(phrase: str) -> re.Pattern[str]:
    """Where a phrase stands in a text, whatever its capitals."""
    return re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)", re.IGNORECASE)
