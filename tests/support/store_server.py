"""A real Valkey or Redis server of this machine, on a free port, which a test can stop and start again."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest
import redis.asyncio

from tests.support.patience import PATIENCE_S

_NAMES = ("valkey-server", "redis-server")
_OTHER_NAME = "redis-check-rdb"
"""Debian's redis-tools holds the server under this name; what it does depends on the name it is called by."""


def _binary(folder: Path) -> str:
    if found := next((path for name in _NAMES if (path := shutil.which(name))), None):
        return found
    found = shutil.which(_OTHER_NAME)
    if found is None:
        pytest.skip("NO SHARED STORE WAS TESTED: neither valkey-server nor redis-server is installed")
    link = folder / "redis-server"
    link.symlink_to(found)
    return str(link)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StoreServer:
    """One server, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._binary = _binary(folder)
        self._folder = folder
        self._process: anyio.abc.Process | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"valkey://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it empty, and return when it answers."""
        arguments = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self._process = await anyio.open_process([self._binary, *arguments], stdout=subprocess.DEVNULL)
        with anyio.fail_after(PATIENCE_S):
            while not await self._answers():  # noqa: ASYNC110 - another process tells us nothing
                await anyio.sleep(0.02)

    async def stop(self) -> None:
        """Kill it, as a machine does that loses its power."""
        if self._process is not None:
            self._process.kill()
            await self._process.aclose()
            self._process = None

    async def until_kept(self, conversations: int) -> None:
        """Return when it has so many: after a new start the nodes tell it again what they have."""
        client = redis.asyncio.Redis.from_url(self.url.replace("valkey", "redis"))
        try:
            with anyio.fail_after(PATIENCE_S):
                while len(await client.keys("*conversation:*")) != conversations:  # noqa: ASYNC110  # it tells nobody
                    await anyio.sleep(0.05)
        finally:
            await client.aclose()

    async def _answers(self) -> bool:
        try:
            stream = await anyio.connect_tcp("127.0.0.1", self.port)
        except OSError:
            return False
        async with stream:
            await stream.send(b"PING\r\n")
            return await stream.receive() == b"+PONG\r\n"


@asynccontextmanager
async def store_server() -> AsyncIterator[StoreServer]:
    """A server that runs. Skips the test, and says so, where none is installed."""
    with tempfile.TemporaryDirectory() as folder:
        server = StoreServer(Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
