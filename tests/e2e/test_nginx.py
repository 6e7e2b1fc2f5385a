"""The configuration for nginx that is shipped carries sessions, and leaves a node alone that is gone."""

import urllib.error
import urllib.request
from pathlib import Path

import anyio.to_thread
import pytest

from server.client.client import RealtimeClient
from tests.support.live_server import ask, live_server
from tests.support.patience import PATIENCE_S
from tests.support.proxies import nginx
from tests.support.store_server import free_port

pytestmark = pytest.mark.e2e


async def test_sessions_go_through_nginx_to_the_nodes_that_there_are(tmp_path: Path) -> None:
    async with (
        live_server(trusted_proxies="127.0.0.1", resume_grace_s=300.0) as node,
        nginx(tmp_path, free_port(), node.port, free_port()) as port,
    ):
        for number in range(4):
            url = f"ws://127.0.0.1:{port}/v1/realtime?sid=caller-{number}"
            async with RealtimeClient(url, voice=True) as client:
                await ask(client, "hello", "text")
                await client.receive_until("response.done")
                client.vanish()
                await ask(client, "and again", "text")
                await client.receive_until("response.done")
        assert await status(port, "/metrics") == 404, "figures are for those inside"
        assert await status(port, "/readyz") == 200


async def status(port: int, path: str) -> int:
    def fetch() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    return await anyio.to_thread.run_sync(fetch)
