"""Keeps the audio that a service has not turned into final text, and says where its seconds lie in the stream.

Services count from the start of a connection. After a reconnect the count begins at zero, with the first sample that is
sent again.
"""

from collections import deque

from audio.formats import Samples


class Replay:
    """A stream's un-finalised audio, at most the newest `max_s`. Positions are samples from the stream's start."""

    def __init__(self, rate_hz: int, max_s: float = 30.0) -> None:
        self.rate_hz = rate_hz
        self.end_sample = 0
        """How much has been pushed."""
        self.settled_sample = 0
        """Up to where it is final; nothing before it is sent again."""
        self.lost_samples = 0
        """Audio that was dropped although it was not final, because there was too much."""
        self._max_samples = int(max_s * rate_hz)
        self._pieces: deque[tuple[int, Samples]] = deque()
        self._base = 0

    def push(self, samples: Samples) -> None:
        """Append `int16[n]`, which nobody may write to afterwards."""
        if not len(samples):
            return
        self._pieces.append((self.end_sample, samples))
        self.end_sample += len(samples)
        while self.end_sample - self._pieces[0][0] > self._max_samples + len(self._pieces[0][1]):
            start, piece = self._pieces.popleft()
            self.lost_samples += max(0, start + len(piece) - max(start, self.settled_sample))

    def settle(self, sample: int) -> None:
        """Everything before `sample` is final."""
        self.settled_sample = max(self.settled_sample, min(sample, self.end_sample))
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= self.settled_sample:
            self._pieces.popleft()

    def again(self) -> list[Samples]:
        """What a new connection must be sent. From here on its seconds count from the first sample of it."""
        first = self._pieces[0][0] if self._pieces else self.end_sample
        self._base = max(first, self.settled_sample)
        return [piece[max(0, self._base - start) :] for start, piece in self._pieces]

    def sample_at(self, seconds: float) -> int:
        """The position of a time on the present connection's clock."""
        return self._base + round(seconds * self.rate_hz)
