"""A WebSocket connection as a session's wire."""

from collections.abc import Callable

from websockets.exceptions import ConnectionClosed
from websockets.protocol import CLOSED

from server.domain.wire import Hear, WireClosed
from server.gateway.sockets.connection import GuardedConnection
from server.gateway.sockets.unsent import unsent_bytes


class SocketWire:
    """Implements `server.domain.wire.Wire` with a connection that the door has let in."""

    def __init__(self, connection: GuardedConnection, on_heard: Callable[[], None] | None = None) -> None:
        """`on_heard` is called with the first frame."""
        self._connection = connection
        self._on_heard = on_heard
        self._hear: Hear | None = None

    @property
    def latency_s(self) -> float:
        return self._connection.latency

    @property
    def close_code(self) -> int | None:
        return self._connection.ended_with

    @property
    def unsent_bytes(self) -> int:
        return unsent_bytes(self._connection.transport)

    @property
    def buffered_bytes(self) -> int:
        return self._connection.transport.get_write_buffer_size()

    async def receive(self) -> str | bytes | None:
        try:
            frame = await self._connection.recv()
        except ConnectionClosed:
            return None
        if self._on_heard is not None:
            self._on_heard()
            self._on_heard = None
            self._connection.coming.hear = self._hear
        return frame

    def hear_by(self, hear: Hear) -> None:
        """See `PromptWire.hear_by`; the first frame is for `receive`."""
        self._hear = hear
        if self._on_heard is None:
            self._connection.coming.hear = hear

    def send_now(self, frame: str | bytes) -> bool:
        """Send it at once if nothing is in its way; if not (False), `send` waits, or says what is wrong."""
        return self._connection.send_now(frame)

    async def send(self, frame: str | bytes) -> None:
        if self._connection.send_now(frame):
            return
        if self._connection.protocol.state is CLOSED:
            raise WireClosed  # as the library finds out at ten times the cost
        try:
            await self._connection.send(frame)
        except ConnectionClosed as closed:
            raise WireClosed from closed

    async def close(self, code: int, reason: str) -> None:
        await self._connection.close(code, reason)
