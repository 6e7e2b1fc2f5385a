"""Two servers in this process that share a real store, as two nodes do, and a client that changes nodes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread

from server.app import App
from server.client.client import RealtimeClient
from server.cluster.opening import open_store
from server.config.agents import Crew
from server.config.environment import load_settings
from server.config.providers import Providers
from stages.ports import LanguageModel
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice
from tests.support.store_server import StoreServer, store_server


class Caller(RealtimeClient):
    """A client of `voice.v1` that can be led to another address."""

    def __init__(self, url: str, *, voice: bool = True) -> None:
        super().__init__(url, voice=voice)

    def find_at(self, url: str) -> None:
        """Find the server there the next time."""
        self._url = url

    def lead_to(self, url: str) -> None:
        """Lose the line, and find the server there."""
        self.find_at(url)
        self.vanish()


@dataclass(frozen=True, slots=True)
class TwoNodes:
    """Where they are."""

    ports: tuple[int, int]
    apps: tuple[App, App]
    model: LanguageModel
    store: StoreServer

    @property
    def urls(self) -> tuple[str, str]:
        """Where sessions are."""
        one, other = (f"ws://127.0.0.1:{port}/v1/realtime" for port in self.ports)
        return one, other


@asynccontextmanager
async def two_nodes(model: LanguageModel | None = None, **settings: object) -> AsyncIterator[TwoNodes]:
    """Two nodes on free ports that hear "hello there" in whatever is said."""
    model = model or EchoModel()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(store_server())
        chosen = await anyio.to_thread.run_sync(
            lambda: load_settings({"port": 0, "resume_grace_s": 30.0, **settings}, env_file=None)
        )
        ports: list[int] = []
        apps: list[App] = []
        for _ in range(2):
            shared = await stack.enter_async_context(open_store(store.url))
            providers = Providers(ScriptedRecogniser("hello there"), model, ScriptedVoice(), ("a", "b", "c"))
            app = App(chosen, providers, Crew(), store=shared)
            server = await stack.enter_async_context(app.listening())
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(app.watch)
            apps.append(app)
            ports.append(server.sockets[0].getsockname()[1])
        yield TwoNodes((ports[0], ports[1]), (apps[0], apps[1]), model, store)
