"""Where the text of an utterance is in its audio, by what a service tells of it. Pure.

Some services tell the times of words, some of characters, some that a piece of text is complete, some nothing. All of
it ends here as the values of `stages.ports.Speech`: words as they were written, and how far the text has been spoken.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stages.ports import WordTime
from stages.text.word_times import is_word

CHAR_S = 0.065
"""How long a character takes at an ordinary pace, where the voice tells nothing of its place."""

_WORD = re.compile(r"\S+")
_NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class SaidWord:
    """A word, in seconds on the utterance's clock."""

    text: str
    start_s: float
    end_s: float


class UtteranceText:
    """The text of one utterance on its way through a voice. Samples count from the utterance's start."""

    def __init__(self, rate_hz: int, speed: float = 1.0) -> None:
        self._rate_hz = rate_hz
        self._char_samples = CHAR_S * rate_hz / speed
        self._text = ""
        self._timed: deque[tuple[WordTime, int]] = deque()
        self._found_to: int | None = 0
        """Up to where the words of the text have been told; None once the service told others."""
        self._spoken: int | None = None
        """How many characters have been spoken, once the service has told anything."""

    @property
    def chars(self) -> int:
        """How much text there is."""
        return len(self._text)

    def push(self, text: str) -> None:
        """The next piece, as it is given to the voice."""
        self._text += text

    def said(self, words: Iterable[SaidWord]) -> None:
        """The service has told its next words. From one that is not the next in the text on, none is known."""
        for word in words:
            if self._found_to is None or not is_word(word.text):
                continue
            written = self._next_written(self._found_to)
            if written is None or _letters(written[0]) != _letters(word.text):
                self._found_to = None
                continue
            self._found_to = written.end()
            time = WordTime(
                written[0], round(word.start_s * self._rate_hz), round(word.end_s * self._rate_hz)
            )
            self._timed.append((time, written.end()))

    def take(self, to_sample: int) -> tuple[WordTime, ...]:
        """The words that are complete with the audio before this sample, and were not taken before."""
        taken: list[WordTime] = []
        while self._timed and self._timed[0][0].end_sample <= to_sample:
            word, end = self._timed.popleft()
            taken.append(word)
            self.complete_to(end)
        return tuple(taken)

    def complete_to(self, chars: int) -> None:
        """All text before this place has been spoken."""
        self._spoken = max(self._spoken or 0, min(chars, len(self._text)))

    def waiting(self, samples: int) -> int:
        """How many characters have not come back in the first so many samples."""
        spoken = round(samples / self._char_samples) if self._spoken is None else self._spoken
        return max(0, len(self._text) - spoken)

    def _next_written(self, at: int) -> re.Match[str] | None:
        return next((match for match in _WORD.finditer(self._text, at) if is_word(match[0])), None)


def _letters(word: str) -> str:
    return _NO_LETTER.sub("", word).casefold()


class SpelledWords:
    """Words out of characters with times, of which one item may hold several, and which are cut anywhere."""

    def __init__(self) -> None:
        self._word = ""
        self._start_s = self._end_s = 0.0

    def push(
        self, items: Sequence[str], starts_s: Sequence[float], lengths_s: Sequence[float]
    ) -> Iterator[SaidWord]:
        """The words that end within these characters."""
        for item, start_s, length_s in zip(items, starts_s, lengths_s, strict=True):
            share_s = length_s / max(1, len(item))
            for number, char in enumerate(item):
                if char.isspace():
                    yield from self.flush()
                    continue
                self._start_s = self._start_s if self._word else start_s + number * share_s
                self._word += char
                self._end_s = start_s + (number + 1) * share_s

    def flush(self) -> Iterator[SaidWord]:
        """The word that no space has ended."""
        if self._word:
            yield SaidWord(self._word, self._start_s, self._end_s)
        self._word = ""
