"""What a caller heard of the words of a voice that marks them: lost, said twice, cut, or another caller's. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np

from audio.formats import Samples
from audio.marks import PLACES, UNIT_MS, HeardMark, Mark, code_of, name_of, read_marks, words_of
from server.client.load.hearing.answers import LOUD

_SLACK_MS = 5.0


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """The words that a caller heard of one answer."""

    heard: int
    lost: int = 0
    doubled: int = 0
    cut: int = 0
    """Ended, or were broken, in their middle."""
    foreign: int = 0
    """Were the name of another caller."""


def hear_words(
    samples: Samples, rate_hz: int, *, was_cut: bool, expected: str | None = None, number: int | None = None
) -> WordsHeard | None:
    """Judge an answer, `int16[n]`; None where it has no marks, and none is expected.

    An answer that `was_cut` may end anywhere. `number` is the caller's, where its name was said.
    """
    heard = read_marks(samples, rate_hz)
    marks = [one.mark for one in heard if one.mark is not None]
    if not marks:
        return None if expected is None else WordsHeard(0, lost=len(words_of(expected)))
    compared = (
        _in_order(marks, was_cut=was_cut) if expected is None else _against(marks, expected, was_cut=was_cut)
    )
    return WordsHeard(
        len(marks), *compared, _cut(heard, samples, rate_hz, was_cut=was_cut), _foreign(marks, number)
    )


def _in_order(marks: Sequence[Mark], *, was_cut: bool) -> tuple[int, int]:
    """How many were lost and doubled, by the places that they have in the pieces that were said at once."""
    lost, doubled = marks[0].place, 0
    for before, mark in pairwise(marks):
        ahead = (mark.place - before.place) % PLACES
        if before.is_last and mark.place == 0:
            continue
        if before.is_last:
            is_again = mark.place <= before.place
            doubled, lost = doubled + is_again, lost + (0 if is_again else mark.place)
        elif mark.place == 0 and ahead != 1:
            is_again = before.place == 0 and (mark.value, mark.is_name) == (before.value, before.is_name)
            doubled, lost = doubled + is_again, lost + (not is_again)
        elif 0 < ahead < PLACES // 2:
            lost += ahead - 1
        else:
            doubled += 1
    return lost + (not was_cut and not marks[-1].is_last), doubled


def _against(marks: Sequence[Mark], expected: str, *, was_cut: bool) -> tuple[int, int]:
    """How many of the words that are expected were lost, and how many came besides."""
    wanted = [code_of(word) for word in words_of(expected)]
    heard = [(mark.is_name, mark.value) for mark in marks]
    lost, more = 0, 0
    for kind, first, last, start, end in SequenceMatcher(None, wanted, heard, autojunk=False).get_opcodes():
        is_rest = was_cut and last == len(wanted)
        if kind != "equal":
            lost += 0 if is_rest else last - first
            more += end - start
    return lost, more


def _cut(heard: Sequence[HeardMark], samples: Samples, rate_hz: int, *, was_cut: bool) -> int:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
    ends = [*(one.at for one in heard[1:]), int(loud[-1]) + 1]
    judged = list(zip(heard, ends, strict=True))[: -1 if was_cut else None]
    return sum(_is_cut(one, end, rate_hz) for one, end in judged)


def _is_cut(one: HeardMark, end: int, rate_hz: int) -> bool:
    if one.mark is None:
        return True
    return (end - one.at) * 1000 / rate_hz < one.mark.units * UNIT_MS - _SLACK_MS


def _foreign(marks: Sequence[Mark], number: int | None) -> int:
    if number is None:
        return 0
    own = code_of(name_of(number))
    return sum(mark.is_name and (mark.is_name, mark.value) != own for mark in marks)
