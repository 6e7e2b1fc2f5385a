"""The connection of a session, whatever carries it: a socket, or two queues in a test."""

from typing import Protocol


class WireClosed(Exception):
    """The connection is over; nothing can be sent."""


class Wire(Protocol):
    """One connection, whatever carries it. Frames are whole messages."""

    @property
    def latency_s(self) -> float:
        """The last measured round trip, 0 when it is not known."""

    async def receive(self) -> str | bytes | None:
        """The next frame, or None when the client is gone."""

    async def send(self, frame: str | bytes) -> None:
        """Hand one frame to the connection; waits while the client does not read. Raises WireClosed."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a WebSocket close code; never raises."""
