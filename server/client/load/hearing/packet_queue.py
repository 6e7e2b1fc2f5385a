"""What is to be played, as it came: packets in a queue, in place of the ring of a player that has a sound card. Pure.

Nothing is copied until it is played, and a caller holds no more than what waits: a ring of a minute would be 3 MB
for each of a thousand callers, and cold in the cache whenever one of them is served.
"""

from collections import deque

from audio.formats import Samples


class PacketQueue:
    """The packets of one voice. Samples have consecutive places, as in a `SampleRing`; one task writes and reads."""

    __slots__ = ("_capacity", "_packets", "_used", "taken", "written")

    def __init__(self, capacity_samples: int) -> None:
        self._capacity = capacity_samples
        self._packets: deque[Samples] = deque()
        self._used = 0
        """How much of the first packet has been taken."""
        self.written = 0
        """The place behind the newest sample."""
        self.taken = 0
        """The place of the next one to be taken."""

    @property
    def waiting(self) -> int:
        """How many samples there are."""
        return self.written - self.taken

    def put(self, samples: Samples) -> bool:
        """Append `int16[n]`, which nobody changes any more; all of them or, when they do not fit, none."""
        count = len(samples)
        if self.written - self.taken + count > self._capacity:
            return False
        if count:
            self._packets.append(samples)
            self.written += count
        return True

    def take(self, out: Samples) -> int:
        """Move as many samples into `out` as there are and fit, and tell how many."""
        done, most, packets, used = 0, len(out), self._packets, self._used
        while packets and done < most:
            piece = packets[0]
            ends = done + len(piece) - used
            if ends > most:
                out[done:] = piece[used : used + most - done]
                used, done = used + most - done, most
                break
            out[done:ends] = piece[used:] if used else piece
            packets.popleft()
            used, done = 0, ends
        self._used = used
        self.taken += done
        return done

    def skip_to(self, place: int) -> None:
        """Throw away what lies before `place`, which is no further than `written`."""
        packets = self._packets
        while packets and self.taken < place:
            skipped = min(place - self.taken, len(packets[0]) - self._used)
            self.taken, self._used = self.taken + skipped, self._used + skipped
            if self._used == len(packets[0]):
                packets.popleft()
                self._used = 0
