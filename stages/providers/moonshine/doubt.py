"""Which readings of Moonshine's are doubtful, and which of several to believe. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.providers.moonshine.decode import Hypothesis
from stages.providers.whisper.text import Reading, bare, says_one_thing

DOUBTFUL = -0.7
"""Mean log probability of a token. Chosen, not measured."""

UNSURE = -0.25
"""The same for a word or two by themselves, where no sentence helps."""
_WORD_S = 1.0
"""No more voice than this is a word or two."""

_LETTERS_PER_S = 3.0
"""Fewer for each second of voice: something is missing. Chosen, not measured."""
_VOICE_S = 0.2
"""So much voice may be a word."""
_MOST_LETTERS_PER_S = 15.0
"""More for each second of voice were not said. Chosen, not measured."""
_DIGIT_LETTERS = 4
"""What a digit counts: "seven" has five, "two" three."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One reading of a stretch, and how far to trust it."""

    reading: Reading
    is_complete: bool
    """Its words are as many as there is voice for."""
    is_possible: bool = True
    """Its words are no more than there is voice for."""
    is_word: bool = False
    """There is voice for a word or two only."""

    @classmethod
    def of(cls, hypothesis: Hypothesis, text: str, voice_s: float) -> "Opinion":
        """What is to be thought of a hypothesis about a stretch with so much voice."""
        reading = Reading(
            text,
            no_speech=0.0 if text else 1.0,
            log_probability=hypothesis.log_probability,
            tokens=len(hypothesis.tokens),
            written=hypothesis.tokens,
            ran_away=not hypothesis.is_ended or says_one_thing(text),
        )
        letters = spoken_letters(text)
        return cls(
            reading,
            voice_s < _VOICE_S or letters >= _LETTERS_PER_S * voice_s,
            letters <= _MOST_LETTERS_PER_S * voice_s,
            _VOICE_S <= voice_s <= _WORD_S,
        )

    @property
    def is_unsure_word(self) -> bool:
        """Whether a second reading is worth its time if the word is over."""
        return self.is_word and self.reading.log_probability < UNSURE

    @property
    def is_doubtful(self) -> bool:
        """Whether another reading is worth its time."""
        return self.reading.ran_away or not self.is_complete or self.reading.log_probability < DOUBTFUL


def best_of(opinions: Sequence[Opinion]) -> Opinion:
    """The one to believe: complete and out of no loop if there is such a one, then the most probable.

    What is read twice as one thing said again and again, and may have been by the length of the voice, is no loop:
    people say "no, no, no".
    """
    times = Counter(bare(it.reading.text) for it in opinions)

    def is_loop(it: Opinion) -> bool:
        return it.reading.ran_away and not (
            times[bare(it.reading.text)] > 1 and it.is_possible and says_one_thing(it.reading.text)
        )

    return max(opinions, key=lambda it: (not is_loop(it), it.is_complete, it.reading.log_probability))


def joined(parts: Sequence[Opinion]) -> Opinion:
    """One opinion of those about the parts of a stretch."""
    readings = [part.reading for part in parts]
    said = [reading for reading in readings if reading.text]
    return Opinion(
        Reading(
            " ".join(reading.text for reading in said),
            no_speech=min(reading.no_speech for reading in readings),
            log_probability=min((reading.log_probability for reading in said), default=-9.0),
            tokens=sum(reading.tokens for reading in readings),
            ran_away=any(reading.ran_away for reading in readings),
        ),
        all(part.is_complete for part in parts),
    )


def spoken_letters(text: str) -> int:
    """Letters of a text as it is spoken, about."""
    return sum(_DIGIT_LETTERS if letter.isdigit() else 1 for letter in re.findall(r"\w", text))
