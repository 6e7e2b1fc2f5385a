"""How much silence ends a turn: what is known about the pause in, milliseconds out.

Theory of operation
===================

A pause within a sentence and one after it sound alike to a speech detector, so a fixed silence either cuts
people off or keeps all of them waiting. Three witnesses know more: what has been said so far, how it sounded
(the end-of-turn model), and how long this person has paused before. None is reliable. Recognisers end most of
what they are given with a full stop, be it cut in two (Moonshine 95 % of sentences and 78 % of their parts), and the
model is sure of three in ten sentences that are cut.

So the wait is read from a table: the look of the text chooses the row, the model's probability lies between two
columns, and what lies between the two cells is a share of the way from the least to the longest wait. Only where
both say "finished" is the wait the least; where they differ it is longer than most pauses; where the text
says "more is coming" it is the longest. A comma says no more than a missing full stop: of 13 silences in which
Moonshine wrote one, five were ends. Somebody who pauses longer than most gets more of everything beyond the least,
somebody hasty less.

The shares come from `scripts/bench-turns`; docs/turn-taking.md has what they give.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from server.turntaking.ending_words import (
    ALWAYS_MORE,
    ANNOUNCED,
    ANNOUNCES,
    ANSWERS,
    ANSWERS_YES_OR_NO,
    DIGITS,
    ENDS_OPEN,
)
from stages.errors import StageSettingsError
from stages.ports import Expects
from stages.text.words import UNSPACED, is_unspaced


@dataclass(frozen=True, slots=True)
class PauseLimits:
    """The least and the longest silence that may end a turn. Raises StageSettingsError if there is no wait
    between them."""

    min_ms: int
    max_ms: int

    SHORTEST_MS = 40
    LONGEST_MS = 10_000

    def __post_init__(self) -> None:
        if not self.SHORTEST_MS <= self.min_ms <= self.max_ms <= self.LONGEST_MS:
            raise StageSettingsError(
                "turn ends",
                [
                    f"min_ms is {self.min_ms} and max_ms is {self.max_ms}; "
                    f"allowed is {self.SHORTEST_MS} <= min_ms <= max_ms <= {self.LONGEST_MS}"
                ],
            )


EAGERNESS: Mapping[str, PauseLimits] = {
    "low": PauseLimits(600, 2_400),
    "medium": PauseLimits(320, 1_240),
    "high": PauseLimits(200, 800),
    "auto": PauseLimits(320, 1_240),
}
"""The limits for each eagerness of semantic turn detection."""


@dataclass(frozen=True, slots=True)
class PauseEvidence:
    """What is known about a pause; every field may be missing."""

    text: str | None = None
    """What has been said so far, by the recogniser's latest reading; None if there is none yet."""
    expects: Expects = Expects.FREE
    finished: float | None = None
    """Probability of the end-of-turn model."""
    pause_ms: float | None = None
    """How long this person usually pauses within a turn, see `Pauses`."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """The speaker's own pauses within turns so far, as an exponential average."""

    mean_ms: float | None = None

    WEIGHT = 0.3
    """Of the newest: three pauses make two thirds of the average."""

    def after(self, pause_ms: float) -> "Pauses":
        """With one more pause that was not an end."""
        if self.mean_ms is None:
            return Pauses(pause_ms)
        return Pauses(self.mean_ms + self.WEIGHT * (pause_ms - self.mean_ms))


class Look(Enum):
    """What the text so far looks like."""

    UNKNOWN = auto()
    """There is no reading yet, or it is empty."""
    ANSWERED = auto()
    """Just what was asked for, complete."""
    ENDED = auto()
    """It ends with a full stop, a question mark or an exclamation mark."""
    OPEN = auto()
    """It ends with a word."""
    SPELLING = auto()
    """Digits or letters are under way."""
    COMMA = auto()
    """It ends with a comma."""
    TRAILING = auto()
    """It ends with a dash or dots, or with a word after which there is always more."""


PROBABILITIES = (0.0, 0.5, 0.9, 0.97)
"""The columns of `SHARES`: where the model leans neither way, leans towards an end, and is as sure as it ever is.
Measured 128 ms after the end of 74 sentences and of 48 parts of them: 0.9 and more for 74 % and 38 %, 0.97 and more for
39 % and 12 %. So what lies above 0.9 matters most."""

SURE = 0.965
"""Where a wait does not go down bit by bit between the last two columns but jumps: what lies between the least and the
middle wait is too long to be soon, and too short for most pauses. Of 0.94 to 0.98 this cuts off least on the tuning
half of `scripts/bench-turn-set` with the middle end (p50) within 450 ms."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much silence there must be after a text that looks like this: shares of the way from `PauseLimits.min_ms` to
    `PauseLimits.max_ms`."""

    unheard: float
    """The model has said nothing, or not yet."""
    heard: tuple[float, float, float, float]
    """At each of `PROBABILITIES`."""
    jumps: bool = False
    """Between the last two it jumps, at `SURE`."""

    def at(self, finished: float | None) -> float:
        """The share at this probability, in a straight line between its neighbours."""
        if finished is None:
            return self.unheard
        if self.jumps and finished > PROBABILITIES[-2]:
            return self.heard[-1 if finished >= SURE else -2]
        columns = zip(PROBABILITIES, self.heard, strict=True)
        for (low, share), (high, next_share) in pairwise(columns):
            if finished < high:
                return share + (next_share - share) * (finished - low) / (high - low)
        return self.heard[-1]


SHARES: Mapping[Look, Shares] = {
    Look.ANSWERED: Shares(0.00, (0.10, 0.00, 0.00, 0.00)),
    Look.ENDED: Shares(0.30, (0.40, 0.345, 0.345, 0.00), jumps=True),
    Look.UNKNOWN: Shares(0.40, (0.50, 0.40, 0.30, 0.15)),
    Look.OPEN: Shares(0.45, (0.52, 0.45, 0.37, 0.35)),
    Look.SPELLING: Shares(0.80, (1.00, 0.85, 0.60, 0.50)),
    Look.COMMA: Shares(0.45, (0.52, 0.45, 0.37, 0.35)),
    Look.TRAILING: Shares(0.90, (1.00, 0.90, 0.70, 0.60)),
}

_TYPICAL_PAUSE_MS = 400.0
"""Of a pause within a turn; the shares are for somebody who pauses like this."""

_LEAST_STRETCH, _MOST_STRETCH = 0.75, 1.5


def silence_ms(evidence: PauseEvidence, limits: PauseLimits) -> int:
    """How much silence, counted from the last voiced sample, is to end this turn."""
    share = SHARES[look_of(evidence.text, evidence.expects)].at(evidence.finished)
    pause_ms = _TYPICAL_PAUSE_MS if evidence.pause_ms is None else evidence.pause_ms
    stretch = min(max(pause_ms / _TYPICAL_PAUSE_MS, _LEAST_STRETCH), _MOST_STRETCH)
    beyond_ms = share * stretch * (limits.max_ms - limits.min_ms)
    return min(limits.min_ms + round(beyond_ms), limits.max_ms)


def is_read_out(evidence: PauseEvidence) -> bool:
    """Whether letters or digits are under way or due, single ones of which a detector of speech may miss."""
    look = look_of(evidence.text, evidence.expects)
    is_due = look is Look.UNKNOWN and evidence.expects in (Expects.PHONE, Expects.EMAIL)
    return look is Look.SPELLING or is_due


# --- the look of a text ---------------------------------------------------------------------------------


_WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[\w'@+])+")
_MARKS = str.maketrans("’，、。？！：；", "',,.?!:;")
_TIMES = {"double": 2, "triple": 3}
_PHONE_DIGITS = 10
_SPELT_DIGITS = 4
"""So many in a row are a number that is read out, not one that is said: a code, a card, a telephone."""
_SINGLE_DIGITS = 3
"""So many are, if they are words of their own."""
_ANSWER_WORDS = 4
_ANSWER_CHARACTERS = 8

_EMAIL = re.compile(r"\S+\s?(?:@|\bat\b)\s?\S+?\s?(?:\.|\bdot\b)\s?(?:com|org|net|edu|gov|io|[a-z]{2})[.!]?$")


def look_of(text: str | None, expects: Expects = Expects.FREE) -> Look:
    """What the text so far looks like to somebody who expects this kind of answer."""
    stripped = (text or "").strip().lower().translate(_MARKS)
    words = _WORD.findall(stripped)
    if not words:
        return Look.UNKNOWN
    if stripped.endswith(","):
        return _look_of_comma(words, expects)
    if stripped.endswith(("-", "–", "—", ":", ";", "…", "...")):
        return Look.TRAILING
    is_open = _ends_open(words) and not _is_spelt(words)
    if (is_open or _announces(words)) and not stripped.endswith("?"):
        return Look.TRAILING
    return _look_of_answer(stripped, words, expects) or _look_of_sentence(stripped, words)


def _look_of_comma(words: list[str], expects: Expects) -> Look:
    """Of a text that ends with a comma: a number that is read out, or a name that is spelt, has one between any two."""
    is_read_out = _spelt_digits(words[-1:]) or _is_spelt(words) or expects in (Expects.PHONE, Expects.EMAIL)
    return Look.TRAILING if is_read_out or _ends_open(words) else Look.COMMA


def _look_of_answer(text: str, words: list[str], expects: Expects) -> Look | None:
    """How far the answer has come that was asked for; None if it is none of that kind."""
    match expects:
        case Expects.YES_NO:
            return Look.ANSWERED if _is_yes_or_no(words) else None
        case Expects.PHONE:
            digits = _spelt_digits(words)
            return Look.ANSWERED if digits >= _PHONE_DIGITS else Look.SPELLING if digits else None
        case Expects.EMAIL:
            return Look.ANSWERED if _EMAIL.search(text) else Look.SPELLING
        case Expects.NUMBER:
            return Look.OPEN if _spelt_digits(words[-1:]) else None
        case Expects.FREE:
            return None


def _look_of_sentence(text: str, words: list[str]) -> Look:
    are_single = [_spelt_digits([word]) for word in words[-_SINGLE_DIGITS:]] == [1] * _SINGLE_DIGITS
    if are_single or _spelt_digits(words) >= _SPELT_DIGITS or _is_spelt(words):
        return Look.SPELLING
    return Look.ENDED if text.endswith((".", "?", "!")) else Look.OPEN


def _ends_open(words: list[str]) -> bool:
    """Whether they end with a word after which there is always more."""
    return words[-1] in ALWAYS_MORE or ENDS_OPEN.search("".join(words)) is not None


def _is_yes_or_no(words: list[str]) -> bool:
    if is_unspaced(words[0]):
        return len(words) <= _ANSWER_CHARACTERS and ANSWERS_YES_OR_NO.fullmatch("".join(words)) is not None
    return len(words) <= _ANSWER_WORDS and ANSWERS.issuperset(words)


def _announces(words: list[str]) -> bool:
    """Whether they end with "my number is", and so on."""
    if is_unspaced(words[-1]):
        return ANNOUNCES.search("".join(words)) is not None
    return len(words) > 1 and words[-1] in ("is", "are") and words[-2] in ANNOUNCED


def _spelt_digits(words: list[str]) -> int:
    """How many digits the text ends with, however they are written: 2 9 3, 293, two nine three, double two."""
    digits = 0
    for before, word in zip([*reversed(words[:-1]), ""], reversed(words), strict=True):
        if word in _TIMES:
            continue
        if word.lstrip("+").isdigit():
            digits += len(word)
        elif word in DIGITS:
            digits += _TIMES.get(before, 1)
        else:
            break
    return digits


def _is_spelt(words: list[str]) -> bool:
    """Whether the last two words are single letters; "I" and "a" are words, and a character is no letter."""
    return len(words) >= 2 and all(
        len(word) == 1 and word.isalpha() and not is_unspaced(word) for word in words[-2:]
    )
