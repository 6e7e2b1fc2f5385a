"""Plain requests as probes, proxies and backends really send them: each gets its answer, and the log no traceback."""

import json
import logging
import ssl
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from server.gateway.sockets.request_body import MAX_BODY_BYTES
from tests.support.certificate import self_signed
from tests.support.live_server import LiveServer, live_server
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
BAD_FRAME = b"\xff\xff\xff\xff"


async def answer(
    server: LiveServer, *pieces: bytes, ends: bool = False, tls: ssl.SSLContext | None = None
) -> bytes:
    """All that the server says to these bytes; `ends`: the client closes its half at once."""
    connecting = (
        anyio.connect_tcp("127.0.0.1", server.port)
        if tls is None
        else anyio.connect_tcp("127.0.0.1", server.port, tls_hostname="localhost", ssl_context=tls)
    )
    async with await connecting as stream:
        said = b""
        with anyio.fail_after(PATIENCE_S), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            for piece in pieces:
                await stream.send(piece)
            if ends:
                await stream.send_eof()
            while True:
                said += await stream.receive()
        return said


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((HEALTH + b"\r\n", HEALTH + b"\r\n"), b"200"),
        (((HEALTH + b"\r\n") * 5,), b"200"),
        ((HEALTH + b"\r\n" + BAD_FRAME * 50,), b"200"),
        ((HEALTH + b"Content-Length: 2\r\n\r\n{}",), b"200"),
        ((HEALTH + b"Content-Length: 2\r\n\r\n",), b"200"),
        ((HEALTH + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",), b"200"),
        ((HEALTH.replace(b"GET", b"PUT") + b"Content-Length: 2\r\n\r\n{}",), b"405"),
        ((UPGRADE + b"Authorization: Bearer wrong\r\n\r\n" + BAD_FRAME * 3,), b"401"),
        ((b"\x16\x03\x01\x02\x00\x01\x00" + bytes(190),), None),
    ],
)
async def test_what_comes_with_a_request_or_after_it_costs_no_answer(
    pieces: tuple[bytes, ...], status: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(api_keys="key-0123456789abcdef") as server:
        said = await answer(server, *pieces)
        assert said.count(b"HTTP/1.1 ") == (0 if status is None else 1)
        assert said.split(b" ")[1:2] == ([] if status is None else [status])
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("request_head", [HEALTH, UPGRADE + b"Authorization: Bearer wrong\r\n"])
async def test_a_client_that_has_closed_its_own_half_is_answered(
    request_head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(api_keys="key-0123456789abcdef") as server:
        for _ in range(5):
            assert (await answer(server, request_head + b"\r\n", ends=True)).startswith(b"HTTP/1.1 ")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_websocket_whose_client_ends_at_once_is_a_session_that_is_over() -> None:
    async with live_server() as server:
        assert b"101 Switching" in await answer(server, UPGRADE + b"\r\n", ends=True)
        await server.until_sessions(0)


async def test_frames_that_come_with_the_request_are_heard() -> None:
    text = b'{"type": "conversation.item.retrieve", "item_id": "nowhere"}'
    frame = bytes([0x81, 0x80 | len(text)]) + bytes(4) + text
    async with live_server() as server, await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        await stream.send(UPGRADE + b"\r\n" + frame)
        said = b""
        with anyio.fail_after(PATIENCE_S):
            while b"item_retrieve_invalid_item_id" not in said:
                said += await stream.receive()
    assert said.count(b"item_retrieve_invalid_item_id") == 1


@pytest.mark.parametrize(
    ("size", "is_secure"),
    [(MAX_BODY_BYTES + 1, False), (200_000, False), (5_000_000, False), (MAX_BODY_BYTES + 1, True)],
)
async def test_a_body_that_is_too_long_is_told_so(size: int, is_secure: bool, tmp_path: Path) -> None:
    settings: dict[str, object] = {}
    tls = None
    if is_secure:
        made = await anyio.to_thread.run_sync(self_signed, tmp_path)
        settings, tls = made.settings(), await anyio.to_thread.run_sync(made.client_context)
    head = f"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    async with live_server(**settings) as server:
        said = await answer(server, head.encode() + bytes(size), tls=tls)
        status, _, body = said.partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 413")
        assert json.loads(body)["error"]["code"] == "body_too_long"
