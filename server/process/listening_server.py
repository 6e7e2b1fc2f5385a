"""A server whose port is open, as long as a block lasts: what a configuration names is loaded, and closed again."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from server.cluster.opening import open_store
from server.config.agents import Crew
from server.config.configuration import Configuration
from server.config.providers import Providers, load_providers
from server.config.settings import Settings
from server.tools.operator_servers import OperatorServers
from stageflow.tools import Tool
from stages.runtime.plug_in_loops import plug_ins_apart

if TYPE_CHECKING:
    from server.app import App


@dataclass(frozen=True, slots=True)
class ListeningServer:
    """A server whose port is open."""

    app: "App"
    configuration: Configuration
    providers: Providers
    port: int

    @property
    def settings(self) -> Settings:
        """What it was made with."""
        return self.configuration.settings

    @property
    def url(self) -> str:
        """Where sessions are, from this machine."""
        s = "s" if self.app.certificate else ""
        return f"ws{s}://127.0.0.1:{self.port}/v1/realtime"


@asynccontextmanager
async def serving(configuration: Configuration, report: Any = None) -> AsyncIterator[ListeningServer]:
    """The server of this configuration with its port open. Raises ConfigError and ModelFileError."""
    settings = configuration.settings
    async with AsyncExitStack() as stack:
        if settings.record.dir is None:  # a replay has the loop of the session, and no other
            await stack.enter_async_context(plug_ins_apart())
        loading = load_providers(settings, report or _say_nothing, configuration.choice, configuration.models)
        prepared: Mapping[str, Any] = {}
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            # The rest of the server is imported while the models are read and the voice speaks ahead.
            tasks.start_soon(anyio.to_thread.run_sync, partial(import_module, "server.app"))
            try:
                providers = await stack.enter_async_context(loading)
                prepared = await _spoken_ahead(providers, settings)
            except Exception as error:  # noqa: BLE001  # raised below, and not in a group
                failed = error
        if failed is not None:
            raise failed
        store = await stack.enter_async_context(open_store(settings.store))
        tools = await stack.enter_async_context(_operator_tools(configuration.crew))
        providers = replace(providers, operator_tools=tools)
        app: App = import_module("server.app").App(
            settings, providers, configuration.crew, store=store, prepared=prepared
        )
        server = await stack.enter_async_context(app.listening())
        yield ListeningServer(app, configuration, providers, server.sockets[0].getsockname()[1])


async def _spoken_ahead(providers: Providers, settings: Settings) -> Mapping[str, Any]:
    """What the server says without a model, spoken."""
    from server.config.speaking_ahead import own_words, spoken_ahead

    return await spoken_ahead(providers, own_words(settings))


@asynccontextmanager
async def _operator_tools(crew: Crew) -> AsyncIterator[Callable[[], Sequence[Tool]]]:
    """What gives the tools of the operator's servers as they are now."""
    if not crew.servers:
        yield tuple
        return
    from stages.providers.mcp_client import McpServers

    servers = OperatorServers(await anyio.to_thread.run_sync(McpServers), crew.servers)
    async with servers.kept():
        yield servers.tools


def _say_nothing(text: str) -> None:
    pass
