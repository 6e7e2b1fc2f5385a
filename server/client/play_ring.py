"""What is about to be played: a ring of samples that can be lowered, held and flushed, and knows what has been heard.

Theory of operation
-------------------
The writer gets audio from a server; the reader is the thread of a sound card, which asks for the next samples and says
when the first of them will be heard. Neither waits for the other (`SampleRing`): the writer leaves what it wants in
`_level` and `_flush_to`, and the reader finds it there with its next block.

A flush is a place: nothing that lies before it is played any more, but for the 8 ms in which a voice that can be heard
fades out. What is written afterwards lies behind it. The voice never stops on a step: it is ramped up and down
(`Fader`).

The reader notes when which samples are heard, and `heard` looks that up (`PlayLog`): to the sample, and as late as the
loudspeaker.
"""

from typing import Protocol

from audio.formats import Samples
from server.client.fader import LONGEST_BLOCK, Fader, Level
from server.client.play_log import PlayLog
from server.client.sample_ring import SampleRing


class SampleStore(Protocol):
    """Where samples wait: a `SampleRing`, or what does as it does."""

    written: int
    taken: int

    def __init__(self, capacity_samples: int) -> None: ...

    @property
    def waiting(self) -> int: ...

    def put(self, samples: Samples) -> bool: ...

    def take(self, out: Samples) -> int: ...

    def skip_to(self, place: int) -> None: ...


class PlayRing:
    """The play ring of one voice. `read` is the reader's; all the rest is the writer's."""

    def __init__(self, rate_hz: int, capacity_s: float = 10.0, store: type[SampleStore] = SampleRing) -> None:
        self._rate_hz = rate_hz
        self._ring: SampleStore = store(int(rate_hz * capacity_s))
        self._fader = Fader(rate_hz)
        self._log = PlayLog(rate_hz)
        self._level = Level.FULL
        self._flush_to = 0
        self._cut_at = 0
        self._played_to = 0
        self._ends_at = -1
        self._is_running = False
        self.underruns = 0
        """How often the voice ran dry although more was to come."""

    # --- the writer -------------------------------------------------------------------------------------------

    @property
    def written(self) -> int:
        """The place at which the next sample that is written will lie."""
        return self._ring.written

    @property
    def waiting(self) -> int:
        """How many samples are still to be played."""
        ring, flush_to = self._ring, self._flush_to
        taken = ring.taken
        return ring.written - (taken if taken > flush_to else flush_to)

    @property
    def cut_at(self) -> int | None:
        """The place behind the last sample that was played before the last flush; None while the reader is at it."""
        return self._cut_at if self._ring.taken >= self._flush_to else None

    def write(self, samples: Samples) -> bool:
        """Play `int16[n]` after what there is already; False when there is no room for all of it."""
        return self._ring.put(samples)

    def end(self) -> None:
        """All that was to come has come: running dry now is no underrun."""
        self._ends_at = self._ring.written

    @property
    def has_ended(self) -> bool:
        """Whether nothing has been written since all had come."""
        return self._ring.written == self._ends_at

    def duck(self) -> None:
        """Lower the voice."""
        self._level = Level.LOW

    def pause(self) -> None:
        """Hold the voice where it is."""
        self._level = Level.HELD

    def resume(self) -> None:
        """Go on as loud as ever."""
        self._level = Level.FULL

    def flush(self) -> None:
        """Throw away what has not been played, and go on with what is written from now on."""
        if self._ring.waiting == 0:
            self._cut_at = self._played_to
        self._flush_to = self._ring.written
        self._level = Level.FULL

    def heard(self, now_s: float) -> int:
        """The place up to which everything that was not flushed has left the loudspeaker, on the clock of `read`."""
        return self._log.heard(now_s)

    # --- the reader -------------------------------------------------------------------------------------------

    def read(self, out: Samples, starts_s: float) -> None:
        """Fill `int16[n]`, of which the first sample will be heard at `starts_s`."""
        for start in range(0, len(out), LONGEST_BLOCK):
            self._read_block(out[start : start + LONGEST_BLOCK], starts_s + start / self._rate_hz)

    def _read_block(self, out: Samples, starts_s: float) -> None:
        done, ring, flush_to = 0, self._ring, self._flush_to
        if ring.taken < flush_to:
            done = self._play(out, flush_to, Level.FLUSHED, starts_s) if self._is_running else 0
            if done == len(out) and self._fader.gain > 0 and ring.taken < flush_to:
                return  # it fades on in the next block
            self._cut_at = self._played_to
            ring.skip_to(flush_to)
            self._fader.gain = 1.0
            self._is_running = False
        level = self._level
        done += self._play(out[done:], ring.written, level, starts_s + done / self._rate_hz)
        out[done:] = 0
        if done < len(out) and level is not Level.HELD:
            self.underruns += self._is_running and ring.taken != self._ends_at
            self._is_running = False

    def _play(self, out: Samples, limit: int, level: Level, starts_s: float) -> int:
        """Samples before the place `limit`, as loud as they are to be; fewer than fit when the voice falls silent."""
        count = self._fader.audible(level, min(len(out), limit - self._ring.taken))
        if count <= 0:
            return 0
        out = out[:count]
        self._log.note(starts_s, self._ring.taken, count)
        self._ring.take(out)
        self._played_to = self._ring.taken
        self._is_running = True
        self._fader.fade(out, level)
        return count
