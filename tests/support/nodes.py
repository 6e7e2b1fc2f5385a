"""Three nodes behind a real HAProxy, with the configuration that is shipped, and one real store that they share."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.support.patience import PATIENCE_S
from tests.support.served import Served, served
from tests.support.store_server import StoreServer, free_port, store_server

DEPLOY = Path(__file__).parents[2] / "deploy"
KEY = "a-key-of-the-tests-0123456789"


def haproxy() -> str:
    """The balancer of this machine. Skips the test, and says so, where there is none."""
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("NO LOAD BALANCER WAS TESTED: haproxy is not installed")
    return found


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where they are."""

    port: int
    """Of the balancer."""
    each: tuple[Served, ...]
    store: StoreServer

    @property
    def url(self) -> str:
        """Where sessions are, by the balancer."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def until_balanced(self, ready: int) -> None:
        """Return when the balancer has noticed that so many nodes take sessions."""
        with anyio.fail_after(PATIENCE_S):
            while await self._ready() != ready:  # noqa: ASYNC110 - the balancer tells nobody
                await anyio.sleep(0.1)

    async def _ready(self) -> int:
        ready = 0
        for node in self.each:
            if node.process.returncode is None:
                ready += (await node.status("/readyz"))[0] == 200
        return ready


@asynccontextmanager
async def balanced(*ports: int) -> AsyncIterator[int]:
    """The port of a HAProxy before the nodes at these ports."""
    port = free_port()
    environment = {"LISTEN": f"127.0.0.1:{port}"} | {
        f"NODE{n}": f"127.0.0.1:{node}" for n, node in enumerate(ports, start=1)
    }
    command = [haproxy(), "-db", "-f", str(DEPLOY / "haproxy.cfg")]
    async with await anyio.open_process(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield port
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def three_nodes(**settings: str) -> AsyncIterator[Nodes]:
    """Three nodes, each with these settings beside the shared ones."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(store_server())
        shared = {
            "STORE": store.url,
            "API_KEYS": KEY,
            "TRUSTED_PROXIES": "127.0.0.1",
            "DRAIN_S": "600",
        } | settings
        nodes: list[Served] = []
        for _ in range(3):
            nodes.append(await stack.enter_async_context(served(**shared)))
        port = await stack.enter_async_context(balanced(*(node.port for node in nodes)))
        cluster = Nodes(port, tuple(nodes), store)
        await until_open(port)
        yield cluster


async def until_open(port: int) -> None:
    """Return when somebody listens there."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            except OSError:
                await anyio.sleep(0.05)
