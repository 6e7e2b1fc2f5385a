"""What a voice should say for what a model writes: words and marks of breath, nothing else.

No markup and no emoji, and numbers, money, measures, dates, signs and abbreviations in words, so that every voice says
the same whatever it makes of digits. The rules are a table (`stages.text.rules`); the first that matches at a place
wins. A rule maps a short stretch of the text, so `pieces` keeps what is shown and what is said side by side.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stages.text.rules import table
from stages.text.rules.rule import Rule, Table

_BLANKS = re.compile(r"[^\S\n]+")
_ELISION = re.compile(r"\bun' (?=[aeiouh])")
"""Italian, in front of a word that was left as it is written."""
_LINES = re.compile(r"\s*\n\s*")
_ORPHANED_STOP = re.compile(r" +(?=[.,;:!?](?!\w))")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text as it is `shown` and as it is `spoken`; either may be empty, or both the same."""

    shown: str
    spoken: str


def pieces(text: str, language: str = "en", any_script: bool = False) -> tuple[Piece, ...]:
    """`text` cut where a rule applies: all `shown` joined are `text`, all `spoken` what a voice says.

    Of words in another script than the language's it says that they are that, unless the voice reads `any_script`.
    """
    cut: list[Piece] = []
    done = 0
    for match, rule in _matches(text, table(language, any_script)):
        if match.start() > done:
            cut.append(Piece(text[done : match.start()], text[done : match.start()]))
        spoken = match.expand(rule.said) if isinstance(rule.said, str) else rule.said(match)
        cut.append(Piece(match[0], speakable(spoken, language, any_script) if rule.again else spoken))
        done = match.end()
    if done < len(text):
        cut.append(Piece(text[done:], text[done:]))
    return tuple(cut)


def _matches(text: str, rules: Table) -> Iterator[tuple[re.Match[str], Rule]]:
    """Where rules apply, from left to right without overlap; of two at one place the one higher up."""
    ahead = [(match, rule) for rule in rules.matching(text) if (match := rule.search(text)) and match[0]]
    while ahead:
        first, rule = min(ahead, key=lambda entry: entry[0].start())
        yield first, rule
        done = first.end()
        ahead = [
            (match, rule)
            for earlier, rule in ahead
            if (match := earlier if earlier.start() >= done else rule.search(text, done)) and match[0]
        ]


def speakable(text: str, language: str = "en", any_script: bool = False) -> str:
    """What a voice should say for `text`, lines kept apart; empty if that is nothing. Never raises."""
    return spoken_of(pieces(text, language, any_script))


def spoken_of(cut: Iterable[Piece]) -> str:
    """The same for a text that is cut already."""
    words = _BLANKS.sub(" ", "".join(piece.spoken for piece in cut))
    words = _ELISION.sub("un'", words) if "un' " in words else words
    words = _ORPHANED_STOP.sub("", _LINES.sub("\n", words)).strip()
    return words if any(char.isalnum() for char in words) else ""
