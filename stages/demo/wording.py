"""The scripted agent's sentences: filling them in, and recognising them again in what a person has heard.
Pure.

The agent keeps no state, so all it knows of its own last words is the text in the conversation. That text
may be cut short, because the history holds what was heard; the beginning of a sentence is recognised, too.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_PLACE = re.compile(r"\{(\w+)\}")
_MARK = re.compile(r"\s*\[[^\]]*\]\s*$")

_STARTS = re.compile(r"^\s*|(?<=[.?!;])\s+")
_ENOUGH_CHARS = 6
"""Shorter beginnings are taken for nothing."""


def without_mark(text: str) -> str:
    """An answer without the note in brackets that the server may put behind one that was interrupted."""
    return _MARK.sub("", text)


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of the agent's: the occasion, and what was filled in."""

    occasion: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sentence:
    occasion: str
    pattern: re.Pattern[str]
    beginning: str


class Wording:
    """For each occasion one or more sentences with {places} to fill in."""

    def __init__(self, says: Mapping[str, Sequence[str]]) -> None:
        self._says = says
        self._sentences = tuple(_sentences(says))

    def word(self, said: Said, turn: int) -> str:
        """The sentence for an occasion; which of several depends on the `turn` of the conversation."""
        choices = self._says[said.occasion]
        return choices[turn % len(choices)].format_map(said.values)

    def recognise(self, text: str, among: Container[str]) -> Said | None:
        """The last sentence in `text` that is of one of the occasions, whole or begun, if there is one.

        A beginning that could be of several occasions is of none.
        """
        known = [sentence for sentence in self._sentences if sentence.occasion in among]
        found = [
            (match.end(), -match.start(), Said(sentence.occasion, match.groupdict()))
            for sentence in known
            for match in sentence.pattern.finditer(text)
        ]
        end, _, said = max(found, key=lambda entry: entry[:2], default=(0, 0, None))
        for start in _STARTS.finditer(text, end):
            tail = text[start.end() :]
            begun = {sentence.occasion for sentence in known if _is_begun(sentence, tail)}
            if begun:
                return Said(begun.pop()) if len(begun) == 1 else said
        return said


def _sentences(says: Mapping[str, Sequence[str]]) -> Iterator[_Sentence]:
    for occasion, sentences in says.items():
        for sentence in sentences:
            literals = _PLACE.split(sentence)  # literal, place, literal, …
            pattern = "".join(
                f"(?P<{part}>.+?)" if index % 2 else re.escape(part) for index, part in enumerate(literals)
            )
            yield _Sentence(occasion, re.compile(pattern), literals[0].strip())


def _is_begun(sentence: _Sentence, tail: str) -> bool:
    """Whether `tail` begins the sentence: with all of its fixed beginning, or with a part that tells."""
    if len(tail) < _ENOUGH_CHARS or len(sentence.beginning) < _ENOUGH_CHARS:
        return False
    return sentence.beginning.startswith(tail) or tail.startswith(sentence.beginning)
