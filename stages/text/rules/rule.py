"""One rule of what is said for what is written: a pattern, and the words for what it matches."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

Said: TypeAlias = str | Callable[[re.Match[str]], str]
"""What is said instead of a match: a template of `re`, or a function of the match."""

DIGIT = "0"
"""In `needs`: any digit."""


class Rule(NamedTuple):
    """`needs` are characters of which a text has at least one wherever the pattern can match; none says nothing."""

    search: Callable[..., re.Match[str] | None]
    said: Said
    needs: frozenset[str]
    again: bool = False
    """Whether what is said is text that other rules have words for."""


def rule(pattern: str, said: Said, needs: str = "", *, again: bool = False) -> Rule:
    """`pattern` may use ^ and $ for lines."""
    return Rule(re.compile(pattern, re.MULTILINE).search, said, frozenset(needs), again)


def alternatives(words: Iterable[str]) -> str:
    """A pattern that matches the longest of `words`."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def before(match: re.Match[str]) -> str:
    """The word in front of a match on its line, "" if there is none; with its marks."""
    head = match.string[: match.start()].rsplit("\n", 1)[-1].rstrip(" \t")
    return head.rsplit(maxsplit=1)[-1] if head else ""


def following(match: re.Match[str]) -> str:
    """The word behind a match on its line, "" if there is none; with its marks."""
    tail = match.string[match.end() : match.end() + 60].split("\n", 1)[0].split(maxsplit=1)
    return tail[0] if tail else ""
