"""How many words of an answer a caller has heard, while it is still being heard. Pure."""

import numpy as np

from audio.formats import Samples
from audio.marks import MARK_MS, UNIT_MS, read_marks
from server.client.load.hearing.answers import HeardAnswer


class WordCount:
    """Counts the words of one answer, by where the server says that its words lie, or else by the marks in their
    sound."""

    def __init__(self, answer: HeardAnswer, rate_hz: int) -> None:
        """The answer's `played` is to be kept, for the marks."""
        self._answer = answer
        self._rate_hz = rate_hz
        self._tail: Samples = np.zeros(0, np.int16)
        """What was played behind the last mark whose word is over."""
        self._blocks = 0
        self._marked = 0
        self.has_words = False
        """Whether any word has been told or read."""

    def heard(self, played_to: int) -> int:
        """Words that are over when the loudspeaker has come to this place of the ring."""
        answer = self._answer
        self._read()
        if not answer.told_words:
            return self._marked
        self.has_words = True
        ends = [answer.items[item] + end for item, end in answer.told_words if item in answer.items]
        return sum(end <= played_to for end in ends)

    def _read(self) -> None:
        blocks = self._answer.played[self._blocks :]
        if not blocks:
            return
        self._blocks += len(blocks)
        tail = np.concatenate([self._tail, *blocks])
        over = 0
        for one in read_marks(tail, self._rate_hz):
            units = 0 if one.mark is None else one.mark.units
            end = one.at + max(MARK_MS, units * UNIT_MS) * self._rate_hz // 1000
            self.has_words = True
            if end > len(tail):
                break
            self._marked, over = self._marked + 1, end
        else:
            # A mark that is not whole yet begins in here; before it there is none.
            over = max(over, len(tail) - MARK_MS * self._rate_hz // 1000)
        self._tail = tail[over:]
