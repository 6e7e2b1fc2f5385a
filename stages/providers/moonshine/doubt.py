"""Which readings of Moonshine's are doubtful, and which of several to believe. Pure."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.ports import Expects
from stages.providers.moonshine.decode import Hypothesis
from stages.providers.moonshine.short_answers import as_expected, asks_back, is_expected
from stages.providers.whisper.text import Reading, bare, says_one_thing
from stages.text.plain import plain

DOUBTFUL = -0.7
"""Mean log probability of a token. Chosen, not measured."""

UNSURE = -0.25
"""The same for a word or two by themselves, where no sentence helps."""
_WORD_S = 1.0
"""No more voice than this is a word or two."""
_NOISY_WORD_S = 2.0
_WORD_TOKENS = 4
"""Nor is this, if so few tokens were heard in it: in noise all of a short recording is as loud as a voice."""

_LEAST_WHOLE = -2.5
"""Log probability of a word as a whole from which on it is believed although nothing is likelier. Of single letters of
three speakers a third is likeliest nothing, and most of what is second is right."""
_LESS_IF_ASKED_FOR = 3.0
"""So much less probable may be what the agent has asked for."""

_LETTERS_PER_S = 3.0
"""Fewer for each second of voice: something is missing. Chosen, not measured."""
VOICE_S = 0.2
"""So much voice may be a word."""
_MOST_LETTERS_PER_S = 15.0
"""More for each second of voice were not said. Chosen, not measured."""
_DIGIT_LETTERS = 4
"""What a digit counts: "seven" has five, "two" three."""
_NAME_LETTERS = 3
"""What a letter by itself counts: "B" is spoken as "bee"."""


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
        most_s = _WORD_S if len(hypothesis.tokens) > _WORD_TOKENS else _NOISY_WORD_S
        return cls(
            reading,
            voice_s < VOICE_S or letters >= _LETTERS_PER_S * voice_s,
            letters <= _MOST_LETTERS_PER_S * voice_s,
            VOICE_S <= voice_s <= most_s,
        )

    def is_unsure_word(self, expects: Expects = Expects.FREE) -> bool:
        """Whether other readings are worth their time if the word is over: it is a little improbable, or nothing, or
        neither what the agent has asked for nor a question."""
        text = self.reading.text
        if not self.is_word or self.reading.ran_away:
            return False
        is_other = expects is not Expects.FREE and not is_expected(text, expects) and not asks_back(text)
        return not text or is_other or self.reading.log_probability < UNSURE

    def as_expected(self, expects: Expects) -> "Opinion":
        """The same, spelled as what the agent has asked for is, if it may be that by its sound."""
        text = as_expected(self.reading.text, expects)
        return self if text == self.reading.text else replace(self, reading=replace(self.reading, text=text))

    @property
    def is_doubtful(self) -> bool:
        """Whether another reading is worth its time."""
        return self.reading.ran_away or not self.is_complete or self.reading.log_probability < DOUBTFUL


def best_of(opinions: Sequence[Opinion]) -> Opinion:
    """The one to believe: complete and out of no loop if there is such a one, then some words that are sure rather than
    none, then the most probable.

    What is read twice as one thing said again and again, and may have been by the length of the voice, is no loop:
    people say "no, no, no".
    """
    times = Counter(bare(it.reading.text) for it in opinions)

    def is_loop(it: Opinion) -> bool:
        return it.reading.ran_away and not (
            times[bare(it.reading.text)] > 1 and it.is_possible and says_one_thing(it.reading.text)
        )

    def rank(it: Opinion) -> tuple[bool, bool, bool, float]:
        says_surely = bool(it.reading.text) and it.reading.log_probability >= UNSURE
        return not is_loop(it), it.is_complete, says_surely, it.reading.log_probability

    return max(opinions, key=rank)


def likeliest_word(
    first: Opinion,
    readings: Sequence[Sequence[Opinion]],
    expects: Expects = Expects.FREE,
    prior: Callable[[str], float] = lambda text: 0.0,
) -> Opinion:
    """The one to believe of a word by itself: the most probable as a whole, where `prior`, a log probability, tells
    what people say alone. `readings` has what was read in each of several ways; several spellings of a word in one of
    them add up.

    Where the first is nothing, what is improbable is nothing too.
    """
    words = dict[str, _Word]()
    for opinions in ([first], *readings):
        for word in _words_of(it.as_expected(expects) for it in opinions if it.reading.text):
            key = plain(word.opinion.reading.text)
            words[key] = max(words.get(key, word), word, key=lambda it: it.whole)
    least = -math.inf if first.reading.text else _LEAST_WHOLE

    def is_heard(word: _Word) -> bool:
        text = word.opinion.reading.text
        return word.whole >= least - _LESS_IF_ASKED_FOR * is_expected(text, expects)

    def rank(word: _Word) -> tuple[bool, float]:
        it = word.opinion
        is_good = it.is_complete and not it.reading.ran_away
        return is_good, word.whole + prior(it.reading.text)

    nothing = [] if first.reading.text else [_Word(first, _whole(first))]
    return max([*nothing, *filter(is_heard, words.values())], key=rank).opinion


@dataclass(frozen=True, slots=True)
class _Word:
    """What may have been said: its likeliest spelling, and the log probability of all of them."""

    opinion: Opinion
    whole: float


def _words_of(opinions: Iterable[Opinion]) -> Iterator[_Word]:
    """Those of one reading."""
    spelled = dict[str, list[Opinion]]()
    for it in opinions:
        spelled.setdefault(plain(it.reading.text), []).append(it)
    for same in spelled.values():
        whole = float(np.logaddexp.reduce([_whole(it) for it in same]))  # the probabilities alone may be 0
        yield _Word(max(same, key=_whole), whole)


def _whole(it: Opinion) -> float:
    return it.reading.log_probability * (it.reading.tokens + 1)


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
    named = re.sub(r"\b[^\W\d_]\b", "_" * _NAME_LETTERS, text)
    return sum(_DIGIT_LETTERS if letter.isdigit() else 1 for letter in re.findall(r"\w", named))
