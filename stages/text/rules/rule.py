"""One rule of what is said for what is written: a pattern, and the words for what it matches."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

_DIGITS = re.compile(r"\d")
_REMEMBERED = 512
"""How many sets of rules are kept, of those that texts have needed."""
Said: TypeAlias = str | Callable[[re.Match[str]], str]
"""What is said instead of a match: a template of `re`, or a function of the match."""

DIGIT = "0"
"""In `needs`: a digit, and one of the other characters too."""


_SERIES_CHARS = 60
_WITH_DATIVE = frozenset(("in", "auf", "mit", "aus", "von", "zu", "bei", "nach", "seit", "an", "ab", "vor"))


class Rule(NamedTuple):
    """`needs` are characters of which a text has at least one wherever the pattern can match; none says nothing."""

    search: Callable[..., re.Match[str] | None]
    said: Said
    needs: frozenset[str]
    needs_digit: bool
    again: bool = False
    """Whether what is said is text that other rules have words for."""


def rule(pattern: str, said: Said, needs: str = "", *, again: bool = False) -> Rule:
    """`pattern` may use ^ and $ for lines."""
    search = re.compile(pattern, re.MULTILINE).search
    return Rule(search, said, frozenset(needs) - {DIGIT}, DIGIT in needs, again)


class Table:
    """The rules of a language, those that win first."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._always = self._bits(lambda rule: not rule.needs)
        self._with_digits = self._bits(lambda rule: rule.needs_digit)
        self._by_char = {
            char: self._bits(lambda rule, char=char: char in rule.needs)  # type: ignore[misc]
            for char in frozenset[str]().union(*(rule.needs for rule in self._rules))
        }
        self._chosen = lru_cache(_REMEMBERED)(self._choose)

    def matching(self, text: str) -> tuple[Rule, ...]:
        """Those that may match in `text`, by the characters that they need."""
        by_char, chosen = self._by_char, self._always
        for char in {*text}:
            if char in by_char:
                chosen |= by_char[char]
        return self._chosen(chosen if _DIGITS.search(text) else chosen & ~self._with_digits)

    def _bits(self, has: Callable[[Rule], bool]) -> int:
        return sum(1 << at for at, rule in enumerate(self._rules) if has(rule))

    def _choose(self, bits: int) -> tuple[Rule, ...]:
        return tuple(rule for at, rule in enumerate(self._rules) if bits >> at & 1)


def alternatives(words: Iterable[str]) -> str:
    """A pattern that matches the longest of `words`."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def before(match: re.Match[str]) -> str:
    """The word in front of a match on its line, "" if there is none; with its marks."""
    head = match.string[: match.start()].rsplit("\n", 1)[-1].rstrip(" \t")
    return head.rsplit(maxsplit=1)[-1] if head else ""


_FRONTS = (
    "de[rmns]|die|das|[ai][mn]|vom|zu[mr]|beim|auf|mit|aus|von|bei|nach|vor|ab|seit|(?:jed|dies|ein)e?[mnrs]?"
)
"""Words that no series of ordinals goes on over: "Version 1. Am 3. Mai"."""
_SERIES = re.compile(
    rf"(?:\d{{1,2}}\.(?:\d{{1,2}}\.)?(?: (?!(?i:{_FRONTS}) )[A-Za-zäÄ]+)?,? ?(?:[-–]|und|oder|bis(?: zum)?|,)? ?)+\Z"
)


def before_series(match: re.Match[str]) -> str:
    """The word in front of a match, or of the ordinals before it: "am" of the second in "am 3. und 4."."""
    head = match.string[: match.start()].rsplit("\n", 1)[-1]
    words = _SERIES.sub("", head[-_SERIES_CHARS:]).split()
    if len(words) > 1 and words[-1] == "der" and words[-2].casefold() in _WITH_DATIVE:
        return "dem"  # "in der dritten"
    return words[-1] if words else ""


def following(match: re.Match[str]) -> str:
    """The word behind a match on its line, "" if there is none; with its marks."""
    tail = match.string[match.end() : match.end() + 60].split("\n", 1)[0].split(maxsplit=1)
    return tail[0] if tail else ""
