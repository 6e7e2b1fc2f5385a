"""Phrases that are due, weighed against what was read: "clubs" where "cloves" was read and may have been either. Pure.

Theory of operation. The text that was read is given to the decoder at once, which tells how probable each piece of
its vocabulary is at each place. Where a phrase may begin that is not much less probable than what stands there, the
text is weighed with the phrase in place of a word or some. The likeliest of these texts counts, if it is less probable
than what was read by no more than `DUE`. In sentences a phrase that sounds otherwise is less probable by 25 and more,
and one that was misread by 0.1 to 5.5.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stages.providers.moonshine.decode import END, START, Decoder
from stages.providers.moonshine.vocabulary import bytes_of
from stages.providers.whisper.phrases import as_given, written
from stages.runtime.onnx import Floats

DUE = 6.0
"""So much less probable, as log probability of the whole, may a text with a phrase be that is due."""
DUE_ALONE = 4.5
"""The same where one word was read, which no sentence holds."""
DUE_IN_NOTHING = 2.5
"""The same where nothing was read."""

_MOST_WEIGHED = 12
"""So many places and spellings are weighed, the most probable ones: each costs as much as a step or some."""
_WORDS_MORE = 2
"""A phrase may stand for so many words more than it has: "anchovy" is read as "and should be"."""
_MOST_REPLACED = 3

_SPACE = bytes_of("")
_GAP = _SPACE.decode()
_MARKS = frozenset(b".,?!:;")


Phrase = tuple[int, ...]
"""The tokens of a phrase in one of its spellings."""


class Place(NamedTuple):
    """Where a phrase may begin, and how probable the text is with its first token there."""

    weight: float
    start: int
    phrase: Phrase


def spellings(text: str, pieces: Mapping[bytes, int]) -> Iterator[Phrase]:
    """A phrase as it is written, in small letters and with capitals: the network has its own way to write names."""
    for spelling in dict.fromkeys((text, text.lower(), text.title(), text[:1].upper() + text[1:])):
        if tokens := tokens_of(spelling, pieces):
            yield tokens


def tokens_of(text: str, pieces: Mapping[bytes, int]) -> tuple[int, ...]:
    """A text in the pieces that the network was taught: those that have the smaller numbers are joined first. Without
    any if it is empty, or has a character that there is no piece for."""
    parts = [character.encode() for character in bytes_of(text).decode()] if text else []
    while True:
        joined = [pieces.get(left + right) for left, right in pairwise(parts)]
        known = [(token, at) for at, token in enumerate(joined) if token is not None]
        if not known:
            break
        at = min(known)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return tuple(pieces[part] for part in parts) if all(part in pieces for part in parts) else ()


class Respeller:
    """Weighs phrases against one text at a time."""

    def __init__(self, vocabulary: Sequence[bytes], pieces: Mapping[bytes, int]) -> None:
        self._vocabulary = vocabulary
        self._pieces = pieces
        self._spelled = lru_cache(1_000)(lambda text: tuple(spellings(text, pieces)))

    def respelled(
        self,
        decoder: Decoder,
        text: str,
        phrases: Sequence[str],
        keep_going: Callable[[], bool] = lambda: True,
    ) -> str | None:
        """The text with the phrases in it that were probably said; what the decoder was given before is forgotten.
        None if it was not to keep going, which is asked for each place that is weighed."""
        due = [phrase for one in phrases for phrase in self._spelled(one)]
        tokens = tokens_of(text, self._pieces)
        if text and not tokens:
            return text
        for _ in range(_MOST_REPLACED):
            found = self._likeliest(decoder, tokens, due, self._said(tokens, phrases), keep_going)
            if not keep_going():
                return None
            if found is None:
                break
            tokens = found
        return as_given(self._text(tokens), phrases)

    def _said(self, tokens: Sequence[int], phrases: Sequence[str]) -> set[int]:
        """At which tokens a phrase stands already: nothing is weighed against it."""
        text, edges = "", [0]
        for token in tokens:
            text += self._text([token])
            edges.append(len(text))
        spans = [match.span() for one in phrases for match in written(one).finditer(text)]
        return {at for at, edge in enumerate(edges[1:]) if any(start < edge <= end for start, end in spans)}

    def _likeliest(
        self,
        decoder: Decoder,
        tokens: tuple[int, ...],
        due: Sequence[Phrase],
        said: Set[int],
        keep_going: Callable[[], bool],
    ) -> tuple[int, ...] | None:
        """The tokens with one phrase more in them, if that is probable enough."""
        decoder.keep(0)
        scores = _log_probabilities(decoder.begin([START, *tokens]))
        before = np.concatenate([[0.0], np.cumsum([scores[at, token] for at, token in enumerate(tokens)])])
        starts = self._starts(tokens)
        margin = (DUE_IN_NOTHING, DUE_ALONE, DUE)[min(len(starts), 2)]
        least = float(before[-1] + scores[len(tokens), END]) - margin
        places = [
            Place(float(before[start] + scores[start, phrase[0]]), start, phrase)
            for start in starts or (0,)
            if start not in said
            for phrase in due
        ]
        likeliest = sorted(places, key=lambda one: -one.weight)[:_MOST_WEIGHED]
        best = None
        likeliest.sort(key=lambda one: -one.start)  # so the decoder remembers what stands in front
        for place in likeliest:
            if place.weight < least or not keep_going():
                continue
            decoder.keep(place.start + 1)
            inner = _log_probabilities(decoder.begin(place.phrase))
            weight = place.weight + _sum(inner, place.phrase[1:])
            for end in self._ends(tokens, starts, place) if weight >= least else ():
                if not said.isdisjoint(range(place.start, end)):
                    break
                decoder.keep(place.start + 1 + len(place.phrase))
                rest = (*tokens[end:], END)
                follows = [_log_probabilities(decoder.begin(rest[:-1]))] if rest[:-1] else []
                whole = weight + _sum(np.concatenate([inner[-1:], *follows]), rest)
                if whole >= least:
                    least, best = whole, (*tokens[: place.start], *place.phrase, *tokens[end:])
        return best

    def _starts(self, tokens: Sequence[int]) -> list[int]:
        return [at for at, token in enumerate(tokens) if self._vocabulary[token].startswith(_SPACE)]

    def _ends(self, tokens: Sequence[int], starts: Sequence[int], place: Place) -> Iterator[int]:
        """Where the words may end that a phrase stands for, without the marks behind them."""
        words = self._starts(place.phrase)
        first = starts.index(place.start) if starts else 0
        edges = [*starts, len(tokens)][first + 1 :]
        for end in edges[max(0, len(words) - 2) : len(words) + _WORDS_MORE]:
            while end > place.start + 1 and _MARKS.issuperset(self._vocabulary[tokens[end - 1]]):
                end -= 1
            yield end
        if not tokens:
            yield 0

    def _text(self, tokens: Iterable[int]) -> str:
        return (
            b"".join(self._vocabulary[token] for token in tokens)
            .decode("utf-8", "replace")
            .replace(_GAP, " ")
        )


def _sum(scores: Floats, tokens: Sequence[int]) -> float:
    """How probable these tokens are, one after the other."""
    return float(sum(scores[at, token] for at, token in enumerate(tokens)))


def _log_probabilities(logits: Floats) -> Floats:
    above = logits - logits.max(-1, keepdims=True)
    found: Floats = above - np.log(np.exp(above).sum(-1, keepdims=True))
    return found
