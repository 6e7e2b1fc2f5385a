"""When which samples leave the loudspeaker: the reader of a play ring notes it, the writer looks it up. Pure."""

from array import array

_NOTES = 1024
"""Blocks of 64 samples at 48 kHz in more than a second, which is later than any loudspeaker."""

_ROUNDING = 1e-3
"""Of a sample, added before rounding down: a block that has just been heard to its end is, floats or not."""


class PlayLog:
    """The newest blocks that were read. One thread notes, another may look up: a note counts once it is whole."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._noted = 0
        self._starts_s = array("d", bytes(8 * _NOTES))
        self._places = array("q", bytes(8 * _NOTES))
        self._counts = array("q", bytes(8 * _NOTES))

    def note(self, starts_s: float, place: int, count: int) -> None:
        """So many samples from this place on will be heard from `starts_s` on."""
        at = self._noted % _NOTES
        self._starts_s[at] = starts_s
        self._places[at] = place
        self._counts[at] = count
        self._noted += 1

    def heard(self, now_s: float) -> int:
        """The place behind the last sample that has been heard at `now_s`, on the clock of the notes."""
        for back in range(1, min(self._noted, _NOTES) + 1):
            at = (self._noted - back) % _NOTES
            since_s = now_s - self._starts_s[at]
            if since_s >= 0:
                return self._places[at] + min(self._counts[at], int(since_s * self._rate_hz + _ROUNDING))
        return 0
