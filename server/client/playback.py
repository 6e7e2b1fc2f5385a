"""What has been heard of each answer: its captions, and the reports that the protocol wants.

Pure: time goes in, and captions and reports come out (docs/protocol.md, "What was heard").
"""

import math
from typing import Any

from server.client.answers import Fate, PlayedAnswer, PlayedAnswers
from server.client.captions import Captions
from server.client.play_ring import PlayRing

REPORT_S = 0.15
"""While something is played; the protocol asks for 100 to 200 ms."""


class Playback:
    """Follows the loudspeaker through the answers."""

    def __init__(self, ring: PlayRing, answers: PlayedAnswers, captions: Captions) -> None:
        self._ring = ring
        self._answers = answers
        self._captions = captions
        self._reported_s = -math.inf

    def move(self, now_s: float) -> dict[str, Any] | None:
        """Time has passed: show the words that were heard since, and give the report that is due, if one is."""
        heard = self._ring.heard(now_s)
        self._answers.note_cut()
        for answer in self._answers:
            if answer.fate is Fate.CUT:
                report = self._told_cut(answer, heard)
                if report is not None:
                    return report
            elif answer.fate is Fate.PLAYING and answer.began_at is not None and heard > answer.began_at:
                return self._follow(answer, heard, now_s)
        return None

    def complete(self, answer: PlayedAnswer) -> None:
        """All of it has come. Without a sound of its own, it is over."""
        if answer.fate is not Fate.PLAYING:
            return
        answer.is_whole = True
        self._ring.end()
        if answer.began_at is None:
            self._finish(answer, answer.text)

    def _told_cut(self, answer: PlayedAnswer, heard: int) -> dict[str, Any] | None:
        """The last report of an answer that was flushed, once the loudspeaker has come to where it was cut."""
        if answer.cut_at is None or heard < answer.cut_at:
            return None
        played = answer.played(answer.cut_at)
        words = answer.heard(played)
        self._finish(answer, f"{words} –" if words else "")
        return self._report(answer, played)

    def _follow(self, answer: PlayedAnswer, heard: int, now_s: float) -> dict[str, Any] | None:
        played = answer.played(heard)
        if answer.is_whole and played >= answer.received:
            self._finish(answer, answer.text)
            return self._report(answer, played)
        words = answer.begun(played)
        if words != answer.shown:
            answer.shown = words
            self._captions.changes("agent", words)
        if now_s - self._reported_s < REPORT_S:
            return None
        self._reported_s = now_s
        return self._report(answer, played)

    def _finish(self, answer: PlayedAnswer, words: str) -> None:
        answer.fate = Fate.OVER
        if words:
            self._captions.stays("agent", words.strip())

    def _report(self, answer: PlayedAnswer, played: int) -> dict[str, Any]:
        return {
            "type": "x_playback",
            "item_id": answer.id,
            "played_samples": played,
            "underruns": self._ring.underruns,
        }
