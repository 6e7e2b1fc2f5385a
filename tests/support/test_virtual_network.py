"""The network in virtual time: what is sent arrives in order and at once, also where it was not read for an hour."""

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from tests.support.virtual_network import on_virtual_network


async def send_numbers(connection: ServerConnection) -> None:
    """Say `0` to `9` when something comes, and good-bye; or break the connection, if that is what comes."""
    if await connection.recv() == "break":
        connection.transport.abort()
        return
    for number in range(10):
        await connection.send(str(number))


@on_virtual_network
async def test_what_was_not_read_for_an_hour_comes_then_and_in_order() -> None:
    async with serve(send_numbers, "127.0.0.1", 0, ping_interval=None, close_timeout=7200) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/", ping_interval=None, proxy=None) as connection:
            connection.transport.pause_reading()
            await connection.send("go")
            with anyio.move_on_after(3600):
                await connection.recv()
            assert anyio.current_time() == 3600
            connection.transport.resume_reading()
            assert [await connection.recv() for _ in range(10)] == list("0123456789")
            with pytest.raises(ConnectionClosedOK):
                await connection.recv()
            assert anyio.current_time() < 3620


@on_virtual_network
async def test_a_connection_breaks_off_and_a_server_that_is_gone_refuses() -> None:
    async with serve(send_numbers, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        async with connect(url, proxy=None) as connection:
            await connection.send("break")
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is None
    with pytest.raises(ConnectionRefusedError):
        await connect(url, proxy=None)
    assert anyio.current_time() == 0
