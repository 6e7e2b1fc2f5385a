"""What a client was lately sent, frame by frame, so that what a lost connection has swallowed can be sent again. Pure.

Frames are numbered from 1, text and binary alike, in the order in which they are sent. The ring keeps the newest of
them: so many seconds, and so many bytes. What is older is forgotten; who asks for it is told that it is gone.
"""

from collections import deque
from dataclasses import dataclass

MAX_RING_BYTES = 2 << 20
"""Forty seconds of 24 kHz PCM."""

MAX_RING_S = 60.0
"""A line over which nothing comes any more, and nothing is refused, is noticed after 40 s."""

LATELY = -1
"""In place of a frame's number: the last that is not kept any more."""

Frame = str | bytes


@dataclass(frozen=True, slots=True)
class SentEvents:
    """The events that a client was lately sent, and those that waited to be; of audio there is none."""

    after: int
    """Frames up to this one are not among them."""
    events: tuple[tuple[int, str], ...]
    """Each with the number of its frame."""

    def beyond(self, seq: int) -> tuple[str, ...] | None:
        """Those that followed frame `seq`; None when some of them are not there."""
        if seq < self.after:
            return None
        return tuple(frame for number, frame in self.events if number > seq)

    def newest(self, max_chars: int) -> "SentEvents":
        """The same without the oldest, in so many characters at most."""
        chars, kept = 0, len(self.events)
        while kept and (chars := chars + len(self.events[kept - 1][1])) <= max_chars:
            kept -= 1
        return SentEvents(self.events[kept - 1][0], self.events[kept:]) if kept else self


class ReplayRing:
    """The frames that the client of one session was lately sent."""

    def __init__(self, max_bytes: int = MAX_RING_BYTES, max_s: float = MAX_RING_S) -> None:
        self._max_bytes = max_bytes
        self._max_s = max_s
        self._frames: deque[tuple[float, Frame]] = deque()
        self._bytes = 0
        self.last_seq = 0
        """Of the newest frame; 0 before the first."""

    def append(self, frame: Frame, now: float) -> None:
        """The next frame was made at `now`; one that is larger than the ring is not kept, nor what was before it."""
        self.last_seq += 1
        self._frames.append((now, frame))
        self._bytes += len(frame)
        while self._frames and (self._bytes > self._max_bytes or now - self._frames[0][0] > self._max_s):
            self._bytes -= len(self._frames.popleft()[1])

    def after(self, seq: int) -> list[Frame] | None:
        """The frames that followed frame `seq`; None when some of them are gone, or it never was."""
        missing = self.last_seq - seq
        if not 0 <= missing <= len(self._frames):
            return None
        return [frame for _, frame in self._frames][len(self._frames) - missing :]

    @property
    def before(self) -> int:
        """The number of the last frame that is not kept any more; 0 where all are."""
        return self.last_seq - len(self._frames)

    def clear(self) -> None:
        """Nobody will ask any more."""
        self._frames.clear()
        self._bytes = 0
