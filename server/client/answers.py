"""The answers that a client knows of, and where in the play ring each of them lies.

Pure: audio frames and flushes go in, and samples go to the ring.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from server.client.play_ring import PlayRing
from server.dialects.voice.frames import WRAP, Stream, unpack_frame
from stages.ports import WordTime

_KEPT = 8
"""Answers whose end has not been heard, at most, and then some."""


class Fate(StrEnum):
    """What becomes of an answer."""

    PLAYING = "playing"
    CUT = "cut"
    """It was flushed, and the server is still to be told how much of it was heard."""
    OVER = "over"


@dataclass(slots=True)
class PlayedAnswer:
    """One message of the agent's, with its text and the place of its samples in the play ring."""

    id: str
    text: str = ""
    fate: Fate = Fate.PLAYING
    received: int = 0
    """Samples, as far as the frames have come."""
    is_whole: bool = False
    began_at: int | None = None
    """The place in the ring where its first sample lies."""
    cut_at: int | None = None
    """The place at which a flush has cut it, once the loudspeaker knows."""
    words: list[WordTime] = field(default_factory=list)
    shown: str = ""
    """What the person has read of it."""

    def played(self, heard: int) -> int:
        """How many of its samples lie before this place in the ring."""
        return 0 if self.began_at is None else min(max(0, heard - self.began_at), self.received)

    def begun(self, played: int) -> str:
        """The words of which something has been heard."""
        return "".join(word.text for word in self.words if word.start_sample < played).strip()

    def heard(self, played: int) -> str:
        """The words that have been heard to their end."""
        return "".join(word.text for word in self.words if word.end_sample <= played).strip()


class PlayedAnswers:
    """The newest answers of a session, in the order in which they came."""

    def __init__(self, ring: PlayRing) -> None:
        self._ring = ring
        self._answers: deque[PlayedAnswer] = deque(maxlen=_KEPT)
        self._epoch = 0

    def __iter__(self) -> Iterator[PlayedAnswer]:
        return iter(self._answers)

    def find(self, item_id: str) -> PlayedAnswer | None:
        """The answer of this id; None when it is not known, or no more."""
        return next((answer for answer in self._answers if answer.id == item_id), None)

    def begin(self, item_id: str) -> None:
        """The audio that comes from now on belongs to this answer."""
        self._answers.append(PlayedAnswer(item_id))

    def play(self, frame: bytes) -> None:
        """Write one audio frame of the server to the ring, unless it was flushed or has no room."""
        audio = unpack_frame(frame)
        if audio.stream is not Stream.ANSWER or self._is_stale(audio.epoch) or not self._answers:
            return
        answer, samples = self._answers[-1], np.frombuffer(audio.data, "<i2")
        place = self._ring.written
        if answer.fate is not Fate.PLAYING or not self._ring.write(samples):
            return
        answer.began_at = place - audio.offset_samples
        answer.received = audio.offset_samples + len(samples)

    def flush(self, epoch: int) -> None:
        """Cut what is being played, and pass over all frames of an older epoch."""
        self._epoch = epoch
        self.note_cut()  # of an earlier flush, whose place is forgotten with this one
        self._ring.flush()
        for answer in self._answers:
            if answer.fate is Fate.PLAYING:
                answer.fate = Fate.CUT

    def note_cut(self) -> None:
        """Keep the place at which the loudspeaker has cut what was flushed, once it has."""
        for answer in self._answers:
            if answer.fate is Fate.CUT and answer.cut_at is None:
                answer.cut_at = self._ring.cut_at

    def _is_stale(self, epoch: int) -> bool:
        return 0 < (self._epoch - epoch) % WRAP < WRAP // 2
