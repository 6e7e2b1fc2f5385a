"""Which words of a spoken message the client is told with which of its audio. Pure.

A word is told when its audio is sent, so that a message that is cut short never holds a word that had no voice. Where
the voice gives the times of words they decide; until it has given one, a word is taken to begin when the audio before
it is as long as its text at an ordinary pace, and all words of a piece are told by the time that the next one begins.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from stages.ports import WordTime
from stages.spoken_text import CHAR_S
from stages.text.word_times import by_length
from stages.text.words import spoken_size


@dataclass(slots=True)
class _Shown:
    text: str
    start_sample: int
    told: int = 0
    """Characters."""
    placed: int = 0
    """Characters of the words whose times are known."""
    ends: deque[tuple[int, int]] = field(default_factory=deque)
    """Of these words: where the audio begins, and how many characters there are up to its end."""


class ShownWords:
    """The shown words of one message."""

    def __init__(self, rate_hz: int) -> None:
        self.told = ""
        """What the client has been told by now."""
        self._char_samples = CHAR_S * rate_hz
        self._pieces: deque[_Shown] = deque()
        self._is_timed = False
        self._loose: str | None = None
        """Words of a voice that does not say what its audio holds: they are told with the next audio."""
        self._nothing_before = 0.0
        """No word goes with the audio before this sample, but those that were told; asked for each chunk."""

    @property
    def is_loose(self) -> bool:
        """Whether audio has come without a text of its own."""
        return self._loose is not None

    def begin(self, text: str, start_sample: int) -> None:
        """Audio from there on is of the piece `text`."""
        self._pieces.append(_Shown(text, start_sample))
        self._nothing_before = 0.0

    def place(self, words: Iterable[WordTime], *, is_timed: bool) -> None:
        """Words whose times are known now, counted from the start of the message; `is_timed`: by the voice."""
        self._is_timed = self._is_timed or is_timed
        self._nothing_before = 0.0
        for word in words:
            piece = next((piece for piece in self._pieces if piece.placed < len(piece.text)), None)
            if piece is not None:
                piece.placed += len(word.text)
                piece.ends.append((word.start_sample, piece.placed))

    def loosen(self, text: str) -> None:
        """Words that nothing places."""
        self._loose = (self._loose or "") + text
        self._nothing_before = 0.0

    def due(self, end_sample: int) -> str:
        """The words that go with the audio before `end_sample`, which have not been told; told by that."""
        if end_sample <= self._nothing_before:
            return ""
        found = ""
        while self._pieces and self._pieces[0].start_sample < end_sample:
            piece = self._pieces[0]
            is_over = len(self._pieces) > 1 and self._pieces[1].start_sample < end_sample
            upto = len(piece.text) if is_over else self._upto(piece, end_sample)
            found += piece.text[piece.told : upto]
            piece.told = max(piece.told, upto)
            if not is_over:
                break
            self._pieces.popleft()
        if self._loose:
            found, self._loose = found + self._loose, ""
        self.told += found
        self._nothing_before = self._next_sample(end_sample)
        return found

    def _next_sample(self, end_sample: int) -> float:
        """Where more is due than before `end_sample`, as far as is known by now."""
        starts: list[float] = [piece.start_sample for piece in islice(self._pieces, 2)]
        if self._pieces and starts[0] < end_sample:
            piece = self._pieces[0]
            starts[0] = piece.ends[0][0] if piece.ends else math.inf
            if not self._is_timed:
                starts += [
                    word.start_sample for word in self._guessed(piece) if word.start_sample >= end_sample
                ]
        return min(starts, default=math.inf)

    def _upto(self, piece: _Shown, end_sample: int) -> int:
        upto = piece.told
        while piece.ends and piece.ends[0][0] < end_sample:
            upto = max(upto, piece.ends.popleft()[1])
        if self._is_timed:
            return upto
        begun = sum(len(word.text) for word in self._guessed(piece) if word.start_sample < end_sample)
        return max(upto, begun)

    def _guessed(self, piece: _Shown) -> Iterator[WordTime]:
        size = spoken_size(piece.text)
        return by_length(piece.text, piece.start_sample, round(size * self._char_samples))
