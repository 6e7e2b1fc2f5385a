"""Serves a fake service on a free port, records every message, and does wrong what `Faults` say.

A service is a class with the methods of `Service`. It tells the client what to do through a `Line`, which applies the
faults; what the client does that the real service would not stand, it reports with `Line.complain`. Complaints fail the
test when the server is left.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import anyio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.line import FakeServer, Line, Opening, Refusal


class Service(Protocol):
    """What a fake knows of one hosted service. One instance serves all connections."""

    def judge(self, opening: Opening) -> Refusal | None:
        """Refuse a wrong path, key or setting as the service would."""

    async def refuse(self, line: Line) -> None:
        """Say in the service's own way, on an accepted connection, that the key is refused."""

    async def converse(self, line: Line) -> None:
        """Serve one connection until the client leaves or the service closes it."""


@asynccontextmanager
async def serving(service: Service, faults: Faults = NONE) -> AsyncIterator[FakeServer]:
    """Serve on a free port of this machine. Leaving raises AssertionError with all complaints about the client."""
    fake = FakeServer(faults=faults)
    numbers: dict[ServerConnection, int] = {}

    def judge(connection: ServerConnection, request: HttpRequest) -> Response | None:
        number = numbers[connection] = len(fake.openings)
        opening = _opening(request)
        fake.openings.append(opening)
        fake.tell_change()
        wrong = fake.faults_of(number)
        if wrong.refuse_status is not None:
            response = connection.respond(HTTPStatus(wrong.refuse_status), "refused\n")
            if wrong.retry_after_s is not None:
                response.headers["Retry-After"] = str(wrong.retry_after_s)
            return response
        refusal = service.judge(opening)
        return None if refusal is None else connection.respond(HTTPStatus(refusal.status), refusal.text)

    async def converse(connection: ServerConnection) -> None:
        number = numbers[connection]
        fake.open_connections += 1
        try:
            async with anyio.create_task_group() as tasks:
                line = Line(fake, number, connection, fake.openings[number], tasks)
                await (service.refuse(line) if line.faults.refuse_in_band else service.converse(line))
                tasks.cancel_scope.cancel()
        finally:
            fake.open_connections -= 1
            fake.tell_change()

    async with _listening(judge, converse) as server:
        fake.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield fake
    if fake.complaints:
        raise AssertionError("the client does not speak the protocol:\n" + "\n".join(fake.complaints))


@asynccontextmanager
async def _listening(judge: Any, converse: Any) -> AsyncIterator[Server]:
    async with serve(
        converse,
        "127.0.0.1",
        0,
        process_request=judge,
        compression=None,
        close_timeout=0.2,
        ping_interval=None,
    ) as server:
        yield server


def _opening(request: HttpRequest) -> Opening:
    split = urlsplit(request.path)
    headers = {name.lower(): value for name, value in request.headers.raw_items()}
    return Opening(split.path, parse_qs(split.query, keep_blank_values=True), headers)
