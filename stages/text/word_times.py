"""Which words of a text lie where in its speech, for the voice that says them and for the eye that reads along.

A *spoken* word is a word of what the voice was given (`stages.text.words`), with a letter or digit in it. A
*shown* word is a stretch of the text as it is displayed, the white space and whatever is not said before it
included, so that the shown words joined are the text. "50%" is one shown word and two spoken ones.
"""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate

from stages.ports import WordTime
from stages.text.speakable import Piece, spoken_of
from stages.text.words import is_unspaced, split_words, spoken_size, stretches

_BEFORE_STOP = re.compile(r"(?<!\s)[^\S\n]+(?=[.,;:!?](?!\w))")
"""White space that `speakable` takes out, which can make one word of two."""


def is_word(text: str) -> bool:
    """Whether a voice has something to say for it, by itself."""
    return any(char.isalnum() for char in text)


def by_length(text: str, start_sample: int, samples: int) -> Iterator[WordTime]:
    """The shown words of `text`, each taking its share of `samples` by its characters."""
    length = spoken_size(text.rstrip()) or 1
    at, said = start_sample, 0
    for word in stretches(text):
        said += spoken_size(word)
        end = start_sample + min(said, length) * samples // length
        yield WordTime(word, at, end)
        at = end


class ShownTimes:
    """Takes the times of one text's spoken words, as they come, and gives those of its shown words."""

    def __init__(self, cut: Sequence[Piece], before: str = "") -> None:
        """`cut` is the text as it was made speakable; `before` is text that is shown with the first word, and has
        nothing to say."""
        self._left = deque(_shown_words(cut))
        if self._left:
            first, spoken = self._left[0]
            self._left[0] = (before + first, spoken)
        self._said: list[WordTime] = []

    def take(self, words: Sequence[WordTime]) -> tuple[WordTime, ...]:
        """The shown words that are complete with `words`, the next that are spoken.

        When those are not the words that the voice was given, none is complete from then on.
        """
        return tuple(shown for word in words for one in _words_in(word) for shown in self._take(one))

    def _take(self, word: WordTime) -> Iterator[WordTime]:
        if not self._left:
            return
        text, spoken = self._left[0]
        if word.text != spoken[len(self._said)]:
            self._left.clear()
            return
        self._said.append(word)
        if len(self._said) == len(spoken):
            yield WordTime(text, self._said[0].start_sample, word.end_sample)
            self._left.popleft()
            self._said.clear()


def _words_in(word: WordTime) -> Iterator[WordTime]:
    """Its words: a voice may tell several characters as one."""
    if not is_unspaced(word.text):
        yield word
        return
    for one in by_length(word.text.strip(), word.start_sample, word.end_sample - word.start_sample):
        if is_word(one.text):
            yield one


def _shown_words(cut: Sequence[Piece]) -> list[tuple[str, tuple[str, ...]]]:
    """The shown words of a text with the spoken words of each; none if there is nothing to say."""
    shown = stretches("".join(piece.shown for piece in cut))
    spoken: list[list[str]] = [[] for _ in shown]
    words = [word for word in split_words(spoken_of(cut)) if is_word(word)]
    owners = _owners(shown, cut)
    if len(words) != len(owners):
        return []
    for word, owner in zip(words, owners, strict=True):
        spoken[owner].append(word)
    told: list[tuple[str, tuple[str, ...]]] = []
    silent = ""
    for stretch, said in zip(shown, spoken, strict=True):
        if said:
            told.append((silent + stretch, tuple(said)))
            silent = ""
        else:
            silent += stretch
    if told:
        last, said_last = told[-1]
        told[-1] = (last + silent, said_last)
    return told


def _owners(shown: Sequence[str], cut: Sequence[Piece]) -> list[int]:
    """For each spoken word, in order, which of `shown` it is: the one that its last character comes from."""
    starts = list(accumulate(map(len, shown), initial=0))
    said, places, at = "", list[int](), 0
    for piece in cut:
        if piece.shown == piece.spoken:
            places += range(at, at + len(piece.shown))
        else:  # however many shown words it was, it has been said when the last of them has
            places += [at + max(len(piece.shown.rstrip()) - 1, 0)] * len(piece.spoken)
        said += piece.spoken
        at += len(piece.shown)
    gone = {at for match in _BEFORE_STOP.finditer(said) for at in range(*match.span())}
    kept = [at for at in range(len(said)) if at not in gone]
    words = stretches("".join(said[at] for at in kept))
    lengths = accumulate(len(word) for word in words)
    ends = [
        kept[end - 1 - len(word) + len(word.rstrip())]
        for word, end in zip(words, lengths, strict=True)
        if is_word(word)
    ]
    return [bisect_right(starts, places[end]) - 1 for end in ends]
