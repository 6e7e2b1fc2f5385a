"""How much of a spoken answer was heard: its words aligned with its samples, cut at the last whole word.

An answer is spoken in pieces; each piece knows its text and where its audio lies. Where the voice gives
word times they decide; the words of a piece for which it gives none share its audio by their characters. A
word counts as heard when its end has been played.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.ports import WordTime
from stages.text.word_times import by_length


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A stretch of displayed text and where its audio lies, in samples of the answer's audio.

    `samples` grows until the piece's audio is complete. `words` are the text's beginning, as far as it is known
    where that lies; they count from the start of the piece.
    """

    text: str
    start_sample: int
    samples: int
    words: tuple[WordTime, ...] = ()

    @property
    def end_sample(self) -> int:
        """Where the piece's audio ends, as far as it is known."""
        return self.start_sample + self.samples

    def longer(self, samples: int, words: tuple[WordTime, ...] = ()) -> "SpokenPiece":
        """The same piece with so much more audio, and the times of more of its words."""
        known = self.words
        if words and self.text.startswith("".join(word.text for word in words), _chars(known)):
            known += words
        return SpokenPiece(self.text, self.start_sample, self.samples + samples, known)

    def whole(self) -> "SpokenPiece":
        """The same piece, all of whose audio is there: words without a time share what is left."""
        known = _chars(self.words)
        at = self.words[-1].end_sample if self.words else 0
        rest = by_length(self.text[known:], at, max(0, self.samples - at))
        return SpokenPiece(self.text, self.start_sample, self.samples, (*self.words, *rest))


def grow(
    pieces: list[SpokenPiece],
    samples: int,
    *,
    text: str = "",
    words: tuple[WordTime, ...] = (),
    is_final: bool = False,
) -> tuple[WordTime, ...]:
    """Add audio to an answer; with `text` a new piece of it begins, with `is_final` the answer is complete.

    Returns the words whose place is known now and was not before, counted from the start of the answer. All
    that are ever returned, joined, are the answer.
    """
    found: tuple[WordTime, ...] = ()
    if text:
        found = _complete(pieces)
        pieces.append(SpokenPiece(text, pieces[-1].end_sample if pieces else 0, 0))
    if pieces:
        before = pieces[-1]
        pieces[-1] = before.longer(samples, words)
        found += _news(before, pieces[-1])
    return found + _complete(pieces) if is_final else found


def heard_text(pieces: Sequence[SpokenPiece], played_samples: int) -> str:
    """The text of `pieces` whose audio lies within the first `played_samples`, cut at the last whole word."""
    heard = ""
    for piece in pieces:
        played = played_samples - piece.start_sample
        words = [word.text for word in (piece.words or piece.whole().words) if word.end_sample <= played]
        heard += "".join(words)
        if sum(map(len, words)) < len(piece.text):
            break
    return heard.rstrip()


def said_between(pieces: Sequence[SpokenPiece], start_sample: int, end_sample: int) -> str:
    """The words of which some audio lies between the two places."""
    found = ""
    for piece in pieces:
        for word in piece.words or piece.whole().words:
            starts, ends = (piece.start_sample + at for at in (word.start_sample, word.end_sample))
            if starts < end_sample and ends > start_sample:
                found += word.text
    return found


def _chars(words: Sequence[WordTime]) -> int:
    return sum([len(word.text) for word in words])


def _complete(pieces: list[SpokenPiece]) -> tuple[WordTime, ...]:
    if not pieces:
        return ()
    before = pieces[-1]
    pieces[-1] = before.whole()
    return _news(before, pieces[-1])


def _news(before: SpokenPiece, now: SpokenPiece) -> tuple[WordTime, ...]:
    return tuple(word.later(now.start_sample) for word in now.words[len(before.words) :])
