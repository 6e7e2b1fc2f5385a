"""What a caller tells the server of what it has heard, and when it is time to. Pure."""

from math import inf
from typing import TypeAlias

from server.client.load.hearing.answers import HeardAnswer, HeardAnswers
from server.client.play_ring import PlayRing

REPORT_S = 0.15
"""How often the server is told what has been heard."""


HeardReport: TypeAlias = tuple[str, int, bool]
"""An item, how many of its samples have been heard, and whether it was cut there."""


class HeardReports:
    """The playback reports of one caller."""

    def __init__(self, ring: PlayRing, answers: HeardAnswers) -> None:
        self._ring = ring
        self._answers = answers
        self._told = ("", 0)
        self._told_s = -REPORT_S
        self._untold_cut: HeardAnswer | None = None
        self._is_told = False
        """Whether nothing has been heard since all of it was told."""

    def begin(self) -> None:
        """Something is being played from now on."""
        self._is_told = False

    def cut(self, answer: HeardAnswer) -> None:
        """An answer was flushed: the server is to be told where."""
        self._untold_cut = answer

    @property
    def are_told(self) -> bool:
        """Whether all that was heard, up to where it was cut, has been told."""
        return self._untold_cut is None and (self._is_told or not self._answers)

    @property
    def next_s(self) -> float:
        """From when on it is time for the next while something is played."""
        return self._told_s + REPORT_S if self._untold_cut is None else -inf

    def is_early(self, now_s: float) -> bool:
        """Whether it is not yet time for the next while something is played."""
        return now_s < self.next_s

    def due(self, now_s: float, *, is_playing: bool, is_idle: bool) -> HeardReport | None:
        """What is to be told now, when it is time to."""
        cut, cut_at = self._untold_cut, self._ring.cut_at
        if cut is not None and cut_at is not None:
            self._untold_cut = None
            self._told = (cut.item_id, max(0, cut_at - cut.item_at))
            return *self._told, True
        if (is_playing and self.is_early(now_s)) or self._is_told or cut is not None or not self._answers:
            return None
        self._is_told = is_idle
        place = self._ring.heard(now_s)
        answer = self._answers.at(max(0, place - 1))
        told = (answer.item_id, place - answer.item_at)
        if not answer.item_id:
            self._told_s = now_s  # the protocol has no name for it
        if told == self._told or told[1] <= 0 or not told[0] or answer.flushed_s is not None:
            return None
        self._told, self._told_s = told, now_s
        return *told, False
