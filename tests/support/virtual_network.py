"""A network in virtual time: servers and their callers on one loop. What is sent arrives in the same moment.

    @on_virtual_network
    async def test_a_server_answers() -> None:
        async with serve(answer, "127.0.0.1", 0) as server, connect(...) as connection:

Only what `create_server` and `create_connection` of the loop make, by address and without TLS; nothing leaves it.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from stages.testing.virtual_time import VirtualTimeLoop, run_virtual

P = ParamSpec("P")
T = TypeVar("T")

Factory = Callable[[], asyncio.BaseProtocol]
_HOST, _FIRST_PORT = "127.0.0.1", 50_000


class _End(asyncio.Transport):
    """One end of a connection. It holds whatever the other end sends, as long as it is not read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, port: int) -> None:
        super().__init__({"sockname": (_HOST, port), "peername": (_HOST, port)})
        self._loop = loop
        self._protocol = protocol
        self._come: deque[bytes | None] = deque()
        """What has come and was not read; None: nothing more comes."""
        self._is_reading = True
        self._is_closing = False
        self.other: _End

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self._loop.call_soon(self.other.take, bytes(data))

    def write_eof(self) -> None:
        self._loop.call_soon(self.other.take, None)

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no limit."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._loop.call_soon(self._read)

    def close(self) -> None:
        if not self._is_closing:
            self.write_eof()
            self._lose(None)

    def abort(self) -> None:
        if not self._is_closing:
            self._loop.call_soon(self.other._lose, ConnectionResetError())  # noqa: SLF001  # it is one of us
            self._lose(None)

    def take(self, data: bytes | None) -> None:
        """The other end has sent this."""
        self._come.append(data)
        self._read()

    def _read(self) -> None:
        while self._come and self._is_reading and not self._is_closing:
            data = self._come.popleft()
            if data is not None:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()

    def _lose(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, error)


class _Listening(NamedTuple):
    """Stands for a socket."""

    port: int
    family: int = socket.AF_INET

    def getsockname(self) -> tuple[str, int]:
        return _HOST, self.port


class _Server:
    """What `create_server` gives."""

    def __init__(self, loop: "VirtualNetworkLoop", port: int) -> None:
        self._loop = loop
        self.sockets = (_Listening(port),)

    def is_serving(self) -> bool:
        return self.sockets[0].port in self._loop.servers

    def close(self) -> None:
        self._loop.servers.pop(self.sockets[0].port, None)

    async def wait_closed(self) -> None:
        """It is."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop


class VirtualNetworkLoop(VirtualTimeLoop):
    """A loop in virtual time, with a network of its own. Each server has a port that none had before."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[int, Factory] = {}
        """Those that there are, by port."""
        self._next_port = _FIRST_PORT

    async def create_server(self, protocol_factory: Factory, *_: Any, **__: Any) -> Any:
        """Listen at the next port."""
        port, self._next_port = self._next_port, self._next_port + 1
        self.servers[port] = protocol_factory
        return _Server(self, port)

    async def create_connection(  # type: ignore[override]  # only by address
        self, protocol_factory: Factory, host: str, port: int, **_: Any
    ) -> tuple[asyncio.Transport, Any]:
        """Reach the server at this port. Raises ConnectionRefusedError."""
        if port not in self.servers:
            raise ConnectionRefusedError(f"nobody listens at {host}:{port}")
        ends = []
        for factory in (self.servers[port], protocol_factory):
            protocol = factory()
            assert isinstance(protocol, asyncio.Protocol)
            ends.append((_End(self, protocol, port), protocol))
        (far, served), (near, ours) = ends
        far.other, near.other = near, far
        served.connection_made(far)
        ours.connection_made(near)
        return near, ours


def on_virtual_network(
    function: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, T]:
    """Make an async test run in virtual time, with servers and connections."""

    @wraps(function)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(lambda: function(*args, **kwargs), make_loop=VirtualNetworkLoop)

    return in_virtual_time
