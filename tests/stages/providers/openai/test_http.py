"""What every request to an OpenAI-compatible server has in common: who sends it, its headers, and its refusals."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest

from stages.providers.openai.http import Refusal, Server
from tests.support.sse_server import Reply, SseServer, sse_server


async def headers_of(server: SseServer, api_key: str | None) -> dict[str, str]:
    client = Server("test", base_url=server.url, api_key=api_key)
    try:
        async with client.post("chat/completions", {"model": "m"}):
            pass
    finally:
        await client.close()
    return server.headers[-1]


async def test_requests_are_sent_by_the_openai_package() -> None:
    async with sse_server(Reply()) as server:
        headers = await headers_of(server, "secret")
    assert headers["user-agent"].startswith("asyncopenai/python")
    assert headers["x-stainless-retry-count"] == "0"
    assert headers["authorization"] == "bearer secret"
    assert server.requests == [{"model": "m"}]


async def test_a_local_server_gets_nothing_that_the_environment_has_for_openai(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "for-openai")
    async with sse_server(Reply()) as server:
        headers = await headers_of(server, None)
    assert "authorization" not in headers
    assert "for-openai" not in headers.values()


@asynccontextmanager
async def refusing_without_end() -> AsyncIterator[str]:
    """A server whose words about a refusal never end."""

    async def refuse(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Type: text/plain\r\n\r\n")
            try:
                while True:
                    await stream.send(b"busy " * 4096)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, refuse)
            yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/v1"
            tasks.cancel_scope.cancel()


async def test_a_refusal_whose_words_do_not_end_is_told_all_the_same() -> None:
    async with refusing_without_end() as url:
        client = Server("test", base_url=url)
        with pytest.raises(Refusal) as raised:
            async with client.post("responses", {}):
                pass
        await client.close()
    assert raised.value.status == 503
    assert raised.value.retry_after_s == 7
    assert raised.value.words.startswith("busy busy")


def test_the_package_is_not_loaded_before_a_server_is_chosen() -> None:
    program = """
import sys
import server.app, stages.providers.openai.chat, stages.providers.openai.responses
import stages.providers.openai.speech, stages.providers.openai.transcriptions
print(*{"openai", "httpx2"} & set(sys.modules))
"""
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert loaded.stdout.split() == []
