"""The tier as one process without Ray: every engine once, behind one port."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from stages.providers.remote.wire import MAX_MESSAGE_BYTES
from stages.runtime.worker import worker_statistics
from stages.tier.door import BUSY_CODE, answer, is_let_in
from stages.tier.engine import TierEngine

_PING_S = 10.0

log = logging.getLogger(__name__)


class _Channel:
    """A WebSocket connection as a `TierConnection`."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes | None:
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            return None

    async def send(self, message: str | bytes) -> None:
        with suppress(ConnectionClosed):  # the reader finds out
            await self._connection.send(message)


@asynccontextmanager
async def serving(
    engines: Mapping[str, TierEngine], *, host: str = "127.0.0.1", port: int = 0, key: str | None = None
) -> AsyncIterator[int]:
    """Serve engines by their kinds, for as long as the block lasts; gives the port. Leaving closes the engines."""
    async with AsyncExitStack() as stack:
        for engine in engines.values():
            stack.push_async_callback(engine.close)
        server = await stack.enter_async_context(
            serve(
                partial(_converse, engines),
                host,
                port,
                process_request=partial(_admit, engines, key),
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                ping_interval=_PING_S,
                ping_timeout=_PING_S,
                close_timeout=1,
                server_header=None,
            )
        )
        yield next(iter(server.sockets)).getsockname()[1]


def _admit(
    engines: Mapping[str, TierEngine], key: str | None, connection: ServerConnection, request: Request
) -> Response | None:
    path = request.path.partition("?")[0]
    kind = path.removeprefix("/v1/")
    if kind in engines and path.startswith("/v1/"):
        is_known = is_let_in(request.headers.get("Authorization"), key)
        return None if is_known else connection.respond(HTTPStatus.UNAUTHORIZED, "the key is wrong\n")
    told = answer(path, engines, worker_statistics())
    body = told.body.encode()
    headers = Headers({"Content-Type": told.content_type, "Content-Length": str(len(body))})
    return Response(told.status, HTTPStatus(told.status).phrase, headers, body)


async def _converse(engines: Mapping[str, TierEngine], connection: ServerConnection) -> None:
    assert connection.request is not None
    engine = engines[connection.request.path.partition("?")[0].removeprefix("/v1/")]
    if engine.is_full:
        engine.figures.refused += 1
        await connection.close(BUSY_CODE, "full")
        return
    try:
        await engine.serve(_Channel(connection))
    except Exception:  # one stream's fault, whatever a provider raises, ends that stream and no other
        log.exception("a stream of %s failed", engine.choice.use)
        await connection.close(1011, "failed")
