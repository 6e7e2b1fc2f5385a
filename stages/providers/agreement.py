"""What of a growing utterance's text may be shown for good: the words on which two readings in a row agree.

After Liu, Spanakis and Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection" (2020), there called local agreement. The last word of a reading is never agreed
on, because its end may not have been heard yet; nor are numbers at the end of what is agreed on, because
Whisper writes "two nine" and, one word later, 293.
"""

from collections.abc import Sequence

from stages.ports import Partial
from stages.providers.whisper_text import bare


_NUMBERS = frozenset(
    "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand".split()
)


class Agreement:
    """Readings of the same utterance in, partials out, whose stable part only grows."""

    def __init__(self) -> None:
        self._stable: list[str] = []
        self._previous: list[str] = []

    def add(self, text: str) -> Partial:
        """The partial after another reading of the whole utterance so far."""
        words = self._kept(text.split())
        agreed = 0
        for word, previous in zip(words[:-1], self._previous, strict=False):
            if bare(word) != bare(previous):
                break
            agreed += 1
        while agreed and _is_number(words[agreed - 1]):
            agreed -= 1
        self._stable = words[: max(agreed, len(self._stable))]
        self._previous = words
        return Partial(" ".join(words), " ".join(self._stable))

    def settle(self, text: str) -> str:
        """The last reading of all, so that it begins with what has been promised."""
        return " ".join(self._kept(text.split()))

    def _kept(self, words: Sequence[str]) -> list[str]:
        """The stable words, and of `words` what comes after their counterparts."""
        done = _counterpart([bare(word) for word in self._stable], [bare(word) for word in words])
        return [*self._stable, *words[done:]]


def _counterpart(stable: Sequence[str], words: Sequence[str]) -> int:
    """How many of the first `words` say what `stable` says: those at the least edit distance, most if equal."""
    if list(words[: len(stable)]) == list(stable):
        return len(stable)
    distances = list(range(len(words) + 1))
    for removed, expected in enumerate(stable, 1):
        diagonal, distances[0] = distances[0], removed
        for place, word in enumerate(words, 1):
            substituted = diagonal + (word != expected)
            diagonal = distances[place]
            distances[place] = min(substituted, diagonal + 1, distances[place - 1] + 1)
    return max(range(len(distances)), key=lambda place: (-distances[place], place))


def _is_number(word: str) -> bool:
    return bare(word) in _NUMBERS or any(map(str.isdigit, word))
