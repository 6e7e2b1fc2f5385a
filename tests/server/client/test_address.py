"""An address is taken as people have it: from the server's first lines, or as the protocol wants it."""

import asyncio
import socket

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from server.client.address import session_url, unreachable
from server.domain.errors import ServerError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8080/v1/realtime", "ws://127.0.0.1:8080/v1/realtime"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/v1/realtime"),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime"),
        ("[::1]:8080", "ws://[::1]:8080/v1/realtime"),
        ("https://voice.example", "wss://voice.example/v1/realtime"),
        ("wss://[::1]:8443?model=default", "wss://[::1]:8443/v1/realtime?model=default"),
        ("http://127.0.0.1/openai/v1/realtime#top", "ws://127.0.0.1/openai/v1/realtime"),
    ],
)
def test_the_address_of_sessions_is_made_of_what_is_given(text: str, url: str) -> None:
    assert session_url(text) == url


@pytest.mark.parametrize("text", ["", "localhost", "ftp://x/", "ws://", "ws://x:99999/", "http://[::1"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ServerError, match="is not the address of a server, such as ws://"):
        session_url(text)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            b"HTTP/1.0 404 File not found\r\n\r\n",
            "opens no WebSocket (unsupported protocol; expected HTTP/1.1",
        ),
        (b"SSH-2.0-OpenSSH_9\r\n", "opens no WebSocket (invalid HTTP status line"),
        (
            b"\x00\xff\x13 of its own\r\n",
            "opens no WebSocket (unsupported protocol; expected HTTP/1.1: \ufffd\\xff\ufffd of",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x46", "does not answer without TLS; try wss://"),
        (b"", "does not answer without TLS; try wss://"),
    ],
    ids=["old HTTP", "SSH", "bytes", "TLS alert", "nothing"],
)
async def test_what_is_no_server_of_sessions_is_told_apart(answer: bytes, said: str) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(InvalidMessage) as refused:
            await connect(url)
    assert said in str(unreachable(url, refused.value))


def test_who_has_no_name_or_does_not_listen_is_said_without_numbers_of_errors() -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert "no server at ws://x/ (Name or service not known)" in str(unreachable("ws://x/", unknown))
    refused = ConnectionRefusedError(111, "Connection refused")
    assert "no server at ws://x/ (Connection refused)" in str(unreachable("ws://x/", refused))
    assert "(timed out during" in str(unreachable("ws://x/", TimeoutError("timed out during the handshake")))
