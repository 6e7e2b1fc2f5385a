"""What a caller hears, and when: a player with a loudspeaker of no delay, and a look at every sample that leaves it.

Pure. `take` and `advance` get the time. The loudspeaker has no blocks: whenever something happens, it first plays what
was due until then. So an answer is heard from the moment its first sample could have been, to the sample.
"""

from enum import Enum, auto
from math import inf

import numpy as np

from server.client.fader import LONGEST_BLOCK
from server.client.load.hearing.answers import HeardAnswer, HeardAnswers, Keeps
from server.client.load.hearing.heard_reports import REPORT_S, HeardReport, HeardReports
from server.client.load.hearing.packet_queue import PacketQueue
from server.client.load.wire import Audio, Order
from server.client.play_ring import PlayRing

RING_S = 60.0
"""Many servers send a whole answer at once."""

PLENTY_S = 30.0
"""With more than that in the ring, it is looked at closely whether there is room."""

LATER_S = REPORT_S
"""Until then an answer that is played may be looked at later: many samples at once cost hardly more than few."""

UNTOLD_END_S = 1.0
"""A protocol that tells no ends has ended an answer when nothing has come for so long."""

_ROUNDING = 1e-3


class _Flow(Enum):
    """Whether the ring is being emptied."""

    IDLE = auto()
    """Nothing is to be played, or not enough yet."""
    PLAYING = auto()
    HELD = auto()


class Ear:
    """One caller's player. `answers` are the newest, in the order in which they came."""

    def __init__(
        self,
        rate_hz: int,
        *,
        prebuffer_ms: float = 0.0,
        tells_ends: bool = True,
        keeps: Keeps = Keeps.NOTHING,
    ) -> None:
        self.rate_hz = rate_hz
        self._prebuffer = int(prebuffer_ms * rate_hz / 1000)
        self._tells_ends = tells_ends
        self.ring = PlayRing(rate_hz, RING_S, PacketQueue)
        self.answers = HeardAnswers(rate_hz, keeps)
        self._reports = HeardReports(self.ring, self.answers)
        self.overflows = 0
        """Packets that had no room: an answer more than a minute ahead."""
        self._flow = _Flow.IDLE
        self.rests_until_s = 0.0
        """Until then nothing new would be known, and nothing is to be told, unless something comes."""
        self._clock = 0
        """Samples since time zero up to which the loudspeaker has played."""
        self._dry_s: float | None = None
        """Since when an answer that was to go on has not."""
        self._block = np.zeros(LONGEST_BLOCK, np.int16)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing more to hear of what has come."""
        last = self.answers.newest
        ended = last is None or last.is_complete or last.flushed_s is not None
        return ended and self.ring.waiting == 0

    def hear(self, audio: Audio, now_s: float) -> None:
        """Audio has come."""
        waiting = self.ring.waiting
        behind = int(now_s * self.rate_hz + _ROUNDING) - self._clock
        if not (self._flow is _Flow.PLAYING and behind < waiting < self.rate_hz * PLENTY_S):
            self.advance(now_s)
            waiting, behind, self.rests_until_s = self.ring.waiting, 0, 0.0
        # What is appended to what is being played changes nothing of what was heard before: that has time.
        self._write(audio, now_s, waiting - behind)

    def obey(self, order: Order, now_s: float) -> None:
        """An order to the player has come."""
        self.advance(now_s)
        self.rests_until_s = 0.0
        last = self.answers.newest
        match order:
            case Order.ITEM_ENDS | Order.ANSWER_ENDS:
                self._end(is_complete=order is Order.ANSWER_ENDS)
            case Order.FLUSH:
                self._flush(now_s)
            case Order.DUCK | Order.PAUSE:
                if last is not None and last.ducked_s is None and self.ring.waiting:
                    last.ducked_s = now_s
                self._lower(now_s, is_held=order is Order.PAUSE)
            case Order.RESUME:
                self.ring.resume()
                if self._flow is _Flow.HELD:
                    self._flow = _Flow.PLAYING if self.ring.waiting else _Flow.IDLE

    def advance(self, now_s: float) -> None:
        """Play what was due until now."""
        due = int(now_s * self.rate_hz + _ROUNDING)
        while self._clock < due:
            if self._flow is _Flow.IDLE and self.ring.cut_at is not None:
                self._clock = due
                break
            self._clock += self._play(due - self._clock)
        last = self.answers.newest
        dry_s = self._dry_s
        if not self._tells_ends and last is not None and dry_s is not None and now_s - dry_s > UNTOLD_END_S:
            last.is_complete, self._dry_s = True, None

    def follow(self, now_s: float) -> HeardReport | None:
        """As `advance` and `report`, but as long as nothing new would be known of it, not each time."""
        if now_s < self.rests_until_s:
            return None
        self.advance(now_s)
        report = self.report(now_s)
        self.rests_until_s = self._rest_s()
        return report

    def _rest_s(self) -> float:
        last = self.answers.newest
        if self._flow is _Flow.IDLE:
            knows_all = self._reports.are_told and (self._tells_ends or self._dry_s is None)
            return inf if knows_all else 0.0
        if self._flow is _Flow.HELD or last is None or last.heard_s is None:
            return 0.0
        samples = min(self.ring.waiting, LATER_S * self.rate_hz) - _ROUNDING
        played_s = (self._clock + samples) / self.rate_hz
        return min(played_s, self._reports.next_s)

    def report(self, now_s: float) -> HeardReport | None:
        """What the server is to be told now of what has been heard, when it is time to."""
        if self._flow is _Flow.PLAYING:
            if self._reports.is_early(now_s):
                return None
            self.advance(now_s)
        is_playing, is_idle = self._flow is _Flow.PLAYING, self._flow is _Flow.IDLE
        return self._reports.due(now_s, is_playing=is_playing, is_idle=is_idle)

    # --- what comes ---------------------------------------------------------------------------------------------

    def _write(self, audio: Audio, now_s: float, waiting: int) -> None:
        """Play it after what is `waiting`."""
        answer, place = self.answers.newest, self.ring.written
        if answer is None or answer.is_complete or answer.flushed_s is not None:
            answer = self.answers.begin(place, now_s)
            self._dry_s = None
        if not self.ring.write(audio.samples):
            self.overflows += 1
            return
        self.answers.add(answer, audio, place, now_s, waiting + len(audio.samples))
        if self._flow is not _Flow.PLAYING:
            self._begin(now_s, answer)

    def _begin(self, now_s: float, answer: HeardAnswer) -> None:
        """Play, if there is enough to begin with."""
        if self._flow is _Flow.HELD:
            self._reports.begin()
        if self._flow is not _Flow.IDLE or self.ring.waiting < max(1, self._prebuffer):
            return
        self._flow = _Flow.PLAYING
        self._reports.begin()
        answer.was_dry(self._dry_s, now_s)
        self._dry_s = None

    def _end(self, *, is_complete: bool) -> None:
        self.ring.end()
        self._dry_s = None
        if (last := self.answers.newest) is not None:
            last.is_complete = last.is_complete or is_complete
        if self.ring.waiting and self._flow is _Flow.IDLE:
            self._flow = _Flow.PLAYING

    def _flush(self, now_s: float) -> None:
        for answer in self.answers:
            if answer.flushed_s is None and not answer.was_played(self.ring.written - self.ring.waiting):
                answer.flushed_s = now_s
                self._reports.cut(answer)
        self.ring.flush()
        self._dry_s = None
        self._flow = _Flow.IDLE

    def _lower(self, now_s: float, *, is_held: bool) -> None:
        if not is_held:
            self.ring.duck()
            return
        self.ring.pause()
        self._flow = _Flow.HELD
        if (last := self.answers.newest) is not None:
            last.was_dry(self._dry_s, now_s)  # the silence from now on is the server's wish
            self._dry_s = None

    # --- what is heard --------------------------------------------------------------------------------------------

    def _play(self, most: int) -> int:
        """Play at most so many samples, of one answer. Tells how many."""
        waiting, starts_s = self.ring.waiting, self._clock / self.rate_hz
        place = self.ring.written - waiting
        count = min(most, LONGEST_BLOCK)
        for answer in self.answers:
            if place < answer.began_at < place + count:
                count = answer.began_at - place
        block = self._block[:count]
        self.ring.read(block, starts_s)
        # While a flushed voice fades out, the place is already behind it.
        self.answers.hear(block, starts_s, place if waiting else max(0, place - 1))
        if self._flow is _Flow.PLAYING and waiting <= count:
            self._run_dry(starts_s + waiting / self.rate_hz)
        return count

    def _run_dry(self, at_s: float) -> None:
        self._flow = _Flow.IDLE
        last = self.answers.newest
        is_over = last is None or last.is_complete or last.flushed_s is not None
        if not (is_over or self.ring.has_ended):
            self._dry_s = at_s
