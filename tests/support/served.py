"""A server in a process of its own, as an operator starts it."""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
import anyio.to_thread
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.support.patience import PATIENCE_S

SCRIPTED = {"STT": "scripted", "AGENT": "scripted", "TTS": "scripted", "VAD": "webrtc", "END_OF_TURN": "none"}


class Served:
    """A server in a process of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = 0
        self._output = TextReceiveStream(process.stdout)
        self._said = ""

    async def until_said(self, words: str) -> str:
        """All that it has said, once these words are among it."""
        with anyio.fail_after(PATIENCE_S):
            while words not in self._said:
                self._said += await self._output.receive()
        return self._said

    @property
    def url(self) -> str:
        """Where sessions are."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def status(self, path: str, method: str = "GET") -> tuple[int, dict[str, object], str | None]:
        """What it answers to a plain request: the status, the body, and `Retry-After`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, data=b"{}" if method == "POST" else None
        )

        def fetch() -> tuple[int, dict[str, object], str | None]:
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                    return answer.status, json.load(answer), answer.headers["Retry-After"]
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, json.load(refused), refused.headers["Retry-After"]

        return await anyio.to_thread.run_sync(fetch)

    async def ended(self) -> int:
        """Its exit code, when it has ended."""
        with anyio.fail_after(PATIENCE_S):
            return await self.process.wait()


@asynccontextmanager
async def served(**settings: str) -> AsyncIterator[Served]:
    """A server with these settings (names of variables, without their prefix) beside the scripted ones."""
    settings = SCRIPTED | {"PORT": "0"} | settings
    environment = os.environ | {f"STAGEFLOW_VOICE_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "server", "serve"]
    async with await anyio.open_process(command, env=environment, stdout=PIPE, stderr=None) as process:
        try:
            server = Served(process)
            said = await server.until_said("open http")
            server.port = int(said.partition("listening on http://127.0.0.1:")[2].partition("/")[0])
            yield server
        finally:
            if process.returncode is None:
                process.kill()
