"""After which close codes a client comes back to its session, and what a person is told after the others."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.client.farewell import farewell
from server.client.resuming import ResumingConnection
from tests.support.virtual_network import on_virtual_network

LOST = 1006
"""No close code comes: the line is cut."""


@asynccontextmanager
async def closing_server(codes: list[int]) -> AsyncIterator[tuple[str, list[str]]]:
    """Greets each connection and closes it with the next code. Gives its address, and the protocols that were offered
    last with each."""
    offered: list[str] = []
    resume = {"token": "t", "grace_ms": 60_000}

    async def hold(socket: ServerConnection) -> None:
        assert socket.request is not None
        offered.append(socket.request.headers["Sec-WebSocket-Protocol"].split(", ")[-1])
        if len(offered) == 1:
            await socket.send(json.dumps({"type": "session.created", "x_resume": resume}))
        elif codes[0] == 1000:
            greeting = {"type": "x_resumed", "resume": resume, "received_events": 0, "microphone_offset": 0}
            await socket.send(json.dumps(greeting))
        code = codes.pop(0)
        if code == LOST:
            socket.transport.abort()
        else:
            await socket.close(code, "reason")

    async with serve(hold, "127.0.0.1", 0, subprotocols=[Subprotocol("voice.v1")]) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", offered


async def called(url: str, greeting_s: float = 5.0) -> tuple[int | None, list[float | None]]:
    """The close code with which a call ends, and how the line was."""
    line: list[float | None] = []

    async def reach(offers: object) -> ClientConnection:
        assert isinstance(offers, list)
        spoken = [Subprotocol(offer) for offer in ("voice.v1", *offers)]
        return await connect(url, subprotocols=spoken, ping_interval=None)

    connection = ResumingConnection(
        await reach([]), reach, line.append, greeting_s=greeting_s, chance=lambda: 0.0
    )
    async for _ in connection:
        pass
    return connection.socket.close_code, line


@pytest.mark.parametrize("code", [LOST, 1011, 1012, 1014, 4408])
async def test_a_lost_line_and_a_server_that_stops_are_come_back_from(code: int) -> None:
    async with closing_server([code, 1012, 1000]) as (url, offered):
        assert (await called(url))[0] == 1000
    assert offered == ["voice.v1", "x-resume.1.t", "x-resume.1.t"], "also where it is refused for a moment"


async def test_a_line_that_is_lost_and_not_greeted_on_again_has_been_lost() -> None:
    """As long as the session is kept, the server takes connections, and says nothing."""
    greeting = {"type": "session.created", "x_resume": {"token": "t", "grace_ms": 200}}
    sockets: list[ServerConnection] = []

    async def hold(socket: ServerConnection) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            await socket.send(json.dumps(greeting))
            socket.transport.abort()
        await socket.wait_closed()

    async with serve(hold, "127.0.0.1", 0, subprotocols=[Subprotocol("voice.v1")]) as server:
        address = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        assert await called(address) == (LOST, [None])


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1013, 4404, 4409, 4410])
async def test_what_is_an_answer_is_not_asked_again(code: int) -> None:
    async with closing_server([code]) as (url, offered):
        assert await called(url) == (code, [])
    async with closing_server([LOST, code, 1000]) as (url, offered):
        assert (await called(url))[0] == code
    assert len(offered) == 2


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (1000, "the server has closed: 1000 reason"),
        (1001, "the server has closed: 1001 reason"),
        (1006, "the line was lost, and the server could not be reached again in time"),
        (1012, "the server has closed: 1012 reason; it stops or starts anew: call again in a moment"),
        (1013, "the server has closed: 1013 reason; it has no place free: call again in a while"),
        (
            4404,
            "the server has closed: 4404 reason; the conversation cannot go on: call again to begin another",
        ),
        (
            4410,
            "the server has closed: 4410 reason; the conversation cannot go on: call again to begin another",
        ),
    ],
)
def test_a_person_is_told_what_happened_and_what_to_do(code: int, says: str) -> None:
    assert farewell(code, "reason") == says


@on_virtual_network
async def test_a_server_that_takes_longer_to_greet_than_was_expected_is_come_back_to_all_the_same() -> None:
    connections = 0

    async def hold(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        resume = {"token": "t", "grace_ms": 60_000}
        if connections == 1:
            await socket.send(json.dumps({"type": "session.created", "x_resume": resume}))
            socket.transport.abort()
            return
        await anyio.sleep(3.0)
        greeting = {"type": "x_resumed", "resume": resume, "received_events": 0, "microphone_offset": 0}
        with suppress(ConnectionClosed):  # who has not waited for so long
            await socket.send(json.dumps(greeting))
            await socket.close(1000)

    spoken = [Subprotocol("voice.v1")]
    async with serve(hold, "127.0.0.1", 0, subprotocols=spoken, ping_interval=None) as server:
        code, line = await called(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", 1.0)
    assert (code, connections) == (1000, 4), "it waited for 1 s, for 2 s, and then for long enough"
    assert line == [None, pytest.approx(3.0)]
