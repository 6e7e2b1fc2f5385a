"""How much of an answer, in seconds, has been handed to the connection and not been taken by the socket. Pure."""

from collections import deque


class UnreadPlayout:
    """The account of one connection. Only what is in the connection's buffer is remembered."""

    __slots__ = ("_audio",)

    def __init__(self) -> None:
        self._audio: deque[tuple[int, float]] = deque()
        """Where each piece of audio ends in the stream of all bytes, and how long it lasts."""

    def sent(self, end_bytes: int, audio_s: float) -> None:
        """Audio was handed over; with it, so many bytes in all."""
        self._audio.append((end_bytes, audio_s))

    def seconds(self, taken_bytes: int) -> float:
        """What is unread when the socket has taken so many bytes in all; a piece counts until it is taken whole."""
        while self._audio and self._audio[0][0] <= taken_bytes:
            self._audio.popleft()
        return sum(audio_s for _, audio_s in self._audio)
