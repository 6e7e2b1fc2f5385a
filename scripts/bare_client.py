"""A bare client that exchanges the messages that an adapter was seen to exchange, for what these cost by themselves."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection

Trace = list[tuple[str, str | bytes]]
"""Messages, each `in` or `out` as the client sees it."""
Turn = Callable[[], Awaitable[None]]


def packed(message: str | bytes) -> Any:
    return message if isinstance(message, str) else {"b": base64.b64encode(message).decode()}


def unpacked(message: Any) -> str | bytes:
    return message if isinstance(message, str) else base64.b64decode(message["b"])


async def replay(connection: ServerConnection) -> None:
    """The service's side of a trace, again and again: it comes first."""
    events = [(way, unpacked(what)) for way, what in json.loads(await connection.recv())]
    async for _ in connection:
        for way, what in events:
            if way == "in":
                await connection.send(what)
            else:
                await connection.recv()


@contextmanager
def traced(trace: Trace, requests: list[httpx2.Request]) -> Iterator[None]:
    send, recv, ask = ClientConnection.send, ClientConnection.recv, httpx2.AsyncClient.send

    async def traced_send(self: ClientConnection, message: Any, *given: Any, **more: Any) -> None:
        trace.append(("out", message))
        await send(self, message, *given, **more)

    async def traced_recv(self: ClientConnection, *given: Any, **more: Any) -> Any:
        message = await recv(self, *given, **more)
        trace.append(("in", message))
        return message

    async def traced_ask(self: httpx2.AsyncClient, request: httpx2.Request, **more: Any) -> httpx2.Response:
        await request.aread()
        requests.append(request)
        return await ask(self, request, **more)

    ClientConnection.send, ClientConnection.recv = traced_send, traced_recv  # type: ignore[method-assign,assignment]
    httpx2.AsyncClient.send = traced_ask  # type: ignore[method-assign]
    try:
        yield
    finally:
        ClientConnection.send, ClientConnection.recv = send, recv  # type: ignore[method-assign]
        httpx2.AsyncClient.send = ask  # type: ignore[method-assign]


@asynccontextmanager
async def bare(trace: Trace, requests: list[httpx2.Request], url: str) -> AsyncIterator[Turn | None]:
    """A bare client that exchanges the messages of one turn."""
    if requests:
        async with httpx2.AsyncClient() as client:

            async def ask() -> None:
                for request in requests:
                    again = client.build_request(
                        "POST", request.url, headers=request.headers, content=request.content
                    )
                    response = await client.send(again, stream=True)
                    async for _ in response.aiter_raw():
                        pass
                    await response.aclose()

            yield ask
    elif trace:
        async with connect(url, compression=None, max_size=None) as line:
            await line.send(json.dumps([(way, packed(what)) for way, what in trace]))

            async def exchange() -> None:
                await line.send("go")
                for way, what in trace:
                    if way == "out":
                        await line.send(what)
                        await asyncio.sleep(0)  # at a turn of the loop each, as speech comes
                    else:
                        await line.recv()

            yield exchange
    else:
        yield None
