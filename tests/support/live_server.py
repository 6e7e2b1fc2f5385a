"""A whole server on scripted providers, behind a real socket of this machine, and a neighbour to watch over it."""

import json
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import anyio
import anyio.to_thread

from server.app import App
from server.client.client import RealtimeClient
from server.config.agents import Crew
from server.config.environment import load_settings
from server.config.providers import Providers
from server.dialects.registry import DIALECTS
from stages.ports import LanguageModel, ToolServers
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice
from tests.support.patience import PATIENCE_S
from tests.support.trace_checker import check_trace

_DONE = "response.done"

LONG = "One two three four five six seven eight nine ten. " * 6


@dataclass(frozen=True, slots=True)
class LiveServer:
    """Where it is."""

    port: int
    voice: ScriptedVoice

    @property
    def url(self) -> str:
        """Where sessions are."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def sessions(self) -> int:
        """How many sessions the server says it has."""

        def ask() -> int:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/healthz", timeout=PATIENCE_S
            ) as answer:
                return int(json.load(answer)["sessions"])

        return await anyio.to_thread.run_sync(ask)

    async def metrics(self, key: str) -> str:
        """What `/metrics` tells."""
        url, headers = f"http://127.0.0.1:{self.port}/metrics", {"Authorization": f"Bearer {key}"}

        def ask() -> str:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=headers), timeout=PATIENCE_S
            ) as answer:
                return str(answer.read().decode())

        return await anyio.to_thread.run_sync(ask)

    async def until_sessions(self, count: int) -> None:
        """Return when the server says it has so many. Raises TimeoutError."""
        with anyio.fail_after(PATIENCE_S):
            while await self.sessions() != count:  # noqa: ASYNC110  # it is asked over a socket
                await anyio.sleep(0.02)


@asynccontextmanager
async def live_server(
    model: LanguageModel | None = None,
    voice: ScriptedVoice | None = None,
    tool_servers: ToolServers | None = None,
    /,
    pipeline: Any = None,  # a PipelineHook; any, so that a table of settings may be spread beside it
    db: Any = None,
    dialects: Any = DIALECTS,  # a DialectTable
    crew: Any = None,  # a Crew
    in_store: Any = None,  # a Store
    **settings: object,
) -> AsyncIterator[LiveServer]:
    """A server on a free port that hears "hello there" in whatever is said, and waits for no client that is gone unless
    it is told to."""
    # In a thread, because it reads the files of TLS.
    chosen = await anyio.to_thread.run_sync(
        lambda: load_settings({"port": 0, "resume_grace_s": 0.0, **settings}, env_file=None)
    )
    voice = voice or ScriptedVoice()
    providers = Providers(
        ScriptedRecogniser("hello there"),
        model or EchoModel(),
        voice,
        ("one", "two", "three"),
        tool_servers=tool_servers,
        db=db,
    )
    async with App(chosen, providers, crew or Crew(hook=pipeline), dialects, in_store).listening() as server:
        yield LiveServer(server.sockets[0].getsockname()[1], voice)


async def ask(client: RealtimeClient, text: str = "hello", modality: str = "audio") -> None:
    """Type something and ask for an answer."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await client.send("conversation.item.create", item=item)
    await client.send("response.create", response={"output_modalities": [modality]})


@asynccontextmanager
async def neighbour(url: str) -> AsyncIterator[None]:
    """Somebody who is being answered all the while, and must not notice what the others do."""
    worked_s: list[float] = []
    """By each piece of its audio: how long this thread, the server's, has been computing."""

    async with RealtimeClient(url) as client, anyio.create_task_group() as tasks:

        async def listen() -> None:
            while (await client.receive_until("response.output_audio.delta", "response.done")).type != _DONE:
                worked_s.append(time.thread_time())

        await ask(client, "word " * 12)
        await client.receive_until("response.output_audio.delta")
        tasks.start_soon(listen)
        yield
    check_trace(client.call.events())
    between_s = [later - earlier for earlier, later in pairwise(worked_s)]
    assert len(between_s) > 20, "a neighbour's answer lasts for some seconds"
    # Counted in work and not on the clock, which runs on while the machine does something else.
    assert max(between_s) < 0.4, "nobody keeps the server busy for longer than the lead that clients have"
