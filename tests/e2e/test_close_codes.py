"""What a session ended with is counted as it was, whoever ended it."""

import socket
import struct
from contextlib import suppress

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.test_front_door import fetch
from tests.e2e.test_plain_requests import UPGRADE
from tests.support.live_server import LiveServer, live_server
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e

BAD_FRAME = b"\xff\xff" + bytes(4)
BAD_TEXT = b"\x81\x81" + bytes(4) + b"\xff"
TOO_LARGE = b"\x82\xff" + (1 << 30).to_bytes(8, "big") + bytes(4)


async def check_counted(server: LiveServer, code: str) -> None:
    """Return when one session is counted under the code, and none under another. Raises TimeoutError."""
    name, page = "stageflow_voice_sessions_ended_total{", ""
    with anyio.fail_after(PATIENCE_S):
        while name not in page:
            page = (await fetch(server, "/metrics"))[1]
    lines = [line for line in page.splitlines() if line.startswith(name)]
    assert lines == [f'{name}code="{code}"}} 1.0']


@pytest.mark.parametrize(
    ("frame", "code"), [(BAD_FRAME, "1002"), (BAD_TEXT, "1007"), (TOO_LARGE, "1009"), (None, "1006")]
)
async def test_what_a_client_breaks_is_counted_as_that(frame: bytes | None, code: str) -> None:
    async with live_server() as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await stream.send(UPGRADE + b"\r\n")
            await stream.receive()
            if frame is not None:
                await stream.send(frame)
                with anyio.fail_after(PATIENCE_S):
                    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                        while True:
                            await stream.receive()
            else:  # reset
                linger = struct.pack("ii", 1, 0)
                stream.extra(anyio.abc.SocketAttribute.raw_socket).setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
        await check_counted(server, code)


@pytest.mark.parametrize(("code", "name"), [(1000, "1000"), (1001, "1001"), (4999, "other")])
async def test_what_a_client_says_is_counted_as_that(code: int, name: str) -> None:
    async with live_server() as server:
        async with connect(server.url) as client:
            await client.recv()
            await client.close(code)
        await check_counted(server, name)


async def test_what_the_server_says_is_counted_as_that() -> None:
    async with live_server(limits={"max_session_s": 1}) as server:
        async with connect(server.url) as client:
            with suppress(ConnectionClosed):
                while True:
                    await client.recv()
        await check_counted(server, "1001")
