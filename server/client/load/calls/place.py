"""Where a server is and in what to talk to it: one connection of one call."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from server.client.address import unreachable
from server.client.load.calls.caller_connection import CallerConnection
from server.client.load.targets import VOICE, Realtime, Voice
from server.client.load.wire import Target
from server.domain.errors import ServerError

CONNECT_S = 10.0
CLOSE_S = 1.0
_MOST_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, and in what to talk to it."""

    url: str
    target: type[Target]
    api_key: str | None = None

    async def connect(self, also: Sequence[str] = ()) -> ClientConnection:
        """A connection; offers `also` these subprotocols. Raises OSError, TimeoutError, WebSocketException."""
        return await self._connect(ClientConnection, also)

    async def call(self) -> CallerConnection:
        """A connection that gives its messages on as they come. Raises as `connect`."""
        connection = await self._connect(CallerConnection)
        assert isinstance(connection, CallerConnection)
        return connection

    async def _connect(self, kind: type[ClientConnection], also: Sequence[str] = ()) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else None
        names = [Subprotocol(name) for name in (*self.target.subprotocols, *also)]
        return await connect(
            self.url,
            additional_headers=headers,
            subprotocols=names or None,
            compression=None,
            create_connection=kind,
            max_size=_MOST_BYTES,
            open_timeout=CONNECT_S,
            close_timeout=CLOSE_S,
            ping_interval=None,
        )


class _Either(Realtime):
    """Offers both, to see which the server takes."""

    subprotocols = (VOICE, "realtime")


async def probe(place: Place | None, url: str, api_key: str | None) -> Place:
    """Open and close one connection; without a place, find out the protocol. Raises ServerError: nobody is there."""
    asked = place or Place(url, _Either, api_key)
    try:
        connection = await asked.connect()
    except (OSError, WebSocketException) as error:
        raise unreachable(url, error) from error
    chosen = connection.subprotocol
    with anyio.move_on_after(CLOSE_S):
        await connection.close()
    connection.transport.abort()  # a server that says much at once is not read here, nor its good-bye behind that
    if place is None:
        return Place(url, Voice if chosen == VOICE else Realtime, api_key)
    if place.target.subprotocols and VOICE in place.target.subprotocols and chosen != VOICE:
        raise ServerError(f"the server at {url} does not speak {VOICE}; try --protocol realtime")
    return place
