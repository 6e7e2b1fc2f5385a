"""How much of a spoken answer was heard: text aligned with samples, cut at the last whole word.

An answer is spoken in pieces; each piece knows its text and where its audio lies. Where the voice gives
word times they decide; otherwise a word's end is estimated by its share of the piece's characters. A word
counts as heard when its end has been played.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stages.ports import WordTime

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A stretch of displayed text and where its audio lies, in samples of the answer's audio.

    `words` count from the start of the piece; `samples` grows until the piece's audio is complete.
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
        return replace(self, samples=self.samples + samples, words=self.words + words)


def heard_text(pieces: Sequence[SpokenPiece], played_samples: int) -> str:
    """The text of `pieces` whose audio lies within the first `played_samples`, cut at the last whole word."""
    heard = []
    for piece in pieces:
        if played_samples >= piece.end_sample:
            heard.append(piece.text)
            continue
        heard.append(_heard_words(piece, played_samples - piece.start_sample))
        break
    return "".join(heard).rstrip()


def _heard_words(piece: SpokenPiece, played_samples: int) -> str:
    end = 0
    for word_end, end_sample in _word_ends(piece):
        if end_sample > played_samples:
            break
        end = word_end
    return piece.text[:end]


def _word_ends(piece: SpokenPiece) -> Iterator[tuple[int, int]]:
    """For each word of the text: the index behind it, and the sample by which it has been spoken."""
    found = list(_WORD.finditer(piece.text))
    if len(piece.words) == len(found):
        for match, word in zip(found, piece.words, strict=True):
            yield match.end(), word.end_sample
        return
    length = len(piece.text.rstrip()) or 1
    for match in found:
        yield match.end(), match.end() * piece.samples // length
