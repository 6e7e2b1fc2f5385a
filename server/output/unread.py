"""How much of an answer, in seconds, has been handed to the connection and not been taken by the network. Pure."""

from collections import deque

PIECE_S = 0.25
"""Audio is counted in pieces of at least so much."""

MAX_PIECES = 400
"""Of which so many are remembered: more than any limit on what may be unread."""


class UnreadPlayout:
    """The seconds of audio that one connection has not taken."""

    __slots__ = ("_ends", "_lasts", "unlooked_s")

    def __init__(self) -> None:
        self._ends: deque[int] = deque(maxlen=MAX_PIECES)
        """Where each piece of audio ends in the stream of all bytes."""
        self._lasts: deque[float] = deque(maxlen=MAX_PIECES)
        """How long each lasts."""
        self.unlooked_s = 0.0
        """Audio that was sent since `seconds` was asked for last."""

    def sent(self, end_bytes: int, audio_s: float) -> None:
        """Audio was handed over; with it, so many bytes in all."""
        self.unlooked_s += audio_s
        if self._lasts and self._lasts[-1] < PIECE_S:
            self._ends[-1] = end_bytes
            self._lasts[-1] += audio_s
        else:
            self._ends.append(end_bytes)
            self._lasts.append(audio_s)

    def seconds(self, taken_bytes: int) -> float:
        """What is unread when the network has taken so many bytes in all; a piece counts until it is taken whole."""
        self.unlooked_s = 0.0
        while self._ends and self._ends[0] <= taken_bytes:
            self._ends.popleft()
            self._lasts.popleft()
        return sum(self._lasts)
