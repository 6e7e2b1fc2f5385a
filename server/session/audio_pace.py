"""How much of a client's audio is heard in one step of the loop, and how soon the next step may be. Pure.

Theory of operation
-------------------
A frame may hold minutes of audio, and a client may send it faster than anybody speaks. To hear it costs time
that all sessions share, so it is measured in seconds of audio, whatever the format: a *slice* is heard in one
step, and whoever has sent more than `ahead_s` beyond real time is heard at `speed` times real time from then on.
The rest waits: the session reads nothing else meanwhile, so that TCP slows the client down. Nothing is lost,
and nobody is closed for it.

A client in real time has a full bucket: for its frames nothing waits, not even for a turn of the loop, and nothing but
an addition is done.
"""

from collections.abc import Iterable

from audio.formats import AudioFormat
from server.domain.token_bucket import TokenBucket

SLICE_S = 0.1
"""Heard in one step: 0.4 ms with Silero's detector on a recent core, 2 ms on one that is five times slower."""

IN_TIME_S = 1.0
"""Who is ahead by less is taken for somebody in real time whose network has hiccups."""

UNDETECTED_SHARE = 0.1
"""What audio costs with turn detection off, compared with what it costs the detector."""


class AudioPace:
    """How fast the audio of one session may be heard. `now` is any clock in seconds that never goes back."""

    __slots__ = ("_ahead_s", "_bucket", "_since_turn_s")

    def __init__(self, ahead_s: float, speed: float, now: float) -> None:
        self._ahead_s = ahead_s
        self._bucket = TokenBucket(speed, ahead_s, now, least=SLICE_S)
        self._since_turn_s = 0.0

    def heard(self, audio_s: float, now: float, *, is_detected: bool) -> float | None:
        """So much was heard: how long to wait before more is. None: go on; 0: after a turn of the loop."""
        cost_s = audio_s if is_detected else audio_s * UNDETECTED_SHARE
        left_s = self._bucket.spend(cost_s, now)
        # It was full: in real time, the loop has its turns between two frames.
        if left_s >= self._ahead_s - cost_s:
            self._since_turn_s = 0.0
        self._since_turn_s += audio_s
        if left_s > 0 and self._since_turn_s < SLICE_S:
            return None
        self._since_turn_s = 0.0
        return self._bucket.wait_s(now)

    def is_free(self, audio_s: float, now: float, *, is_detected: bool) -> bool:
        """Whether so much may be heard now with nothing to wait for, before or after: `heard` will say None."""
        level_s = self._bucket.level(now)
        since_turn_s = 0.0 if level_s >= self._ahead_s else self._since_turn_s
        cost_s = audio_s if is_detected else audio_s * UNDETECTED_SHARE
        return since_turn_s + audio_s < SLICE_S and level_s > cost_s and level_s >= self._ahead_s - IN_TIME_S

    def is_ahead(self, now: float) -> bool:
        """Whether the client is well ahead of real time, so that it can wait for its turn among others like it."""
        return self._bucket.level(now) < self._ahead_s - IN_TIME_S


def bytes_per_s(format: AudioFormat) -> int:
    """What a second of this format weighs."""
    return format.rate_hz * format.bytes_per_sample


def slices(data: bytes, format: AudioFormat) -> Iterable[bytes]:
    """`data` in pieces of `SLICE_S` at most; what is short comes back as it is."""
    size = int(bytes_per_s(format) * SLICE_S)
    if len(data) <= size:
        return (data,)
    return (data[start : start + size] for start in range(0, len(data), size))
