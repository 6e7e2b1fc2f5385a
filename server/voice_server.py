"""The server as an object, to be composed in Python: what the command line serves, and what tests listen to.

The command `serve` without an argument serves `VoiceServer()`: all of it from the environment and the file. What is
given here takes the place of that.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from server.cluster.opening import open_store
from server.config.agents import Agent, Composition, Crew, Route
from server.config.configuration import Configuration, Parts, file_path, load_configuration
from server.config.guarding import GuardRule
from server.config.providers import Providers, load_providers
from server.config.settings import Settings
from server.config.tool_servers import ToolServer
from server.tools.operator_servers import OperatorServers
from stageflow.tools import Tool
from stages.providers.built_in import Kind
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


class VoiceServer:
    """A voice agent server. Making one loads nothing and checks nothing; `listening` and `run` do.

    Providers are names, as in the configuration file, classes, or objects that are made already (who made one closes
    it). `pipeline` is a function from the standard `stageflow.Pipeline` to the one that is to run. `settings` are those
    of `server.config.settings`, such as `port=8080`. Agents that are given take the place of the file's, with its
    routes; so do tools.
    """

    def __init__(
        self,
        *,
        stt: Any = None,
        llm: Any = None,
        tts: Any = None,
        vad: Any = None,
        end_of_turn: Any = None,
        agents: Sequence[Agent] = (),
        routes: Sequence[Route] = (),
        tools: Sequence[Any] = (),
        pipeline: Any = None,
        guard: Sequence[GuardRule] = (),
        tool_servers: Sequence[ToolServer] = (),
        config: str | Path | None = None,
        **settings: Any,
    ) -> None:
        chosen: dict[Kind, Any] = {"stt": stt, "llm": llm, "tts": tts, "vad": vad, "end_of_turn": end_of_turn}
        self._parts = Parts(
            {kind: one for kind, one in chosen.items() if one is not None},
            Composition(
                tuple(agents), tuple(routes), tuple(tools), pipeline, tuple(guard), tuple(tool_servers)
            ),
            settings,
        )
        self._config = config

    def replace(self, **providers: Any) -> "VoiceServer":
        """The same server with other providers, by kind (`llm=…`): for tests that bring their own."""
        other, chosen = copy(self), dict[Any, Any](providers)
        other._parts = replace(self._parts, providers={**self._parts.providers, **chosen})  # noqa: SLF001  # of this class
        return other

    def configure(
        self, overrides: Mapping[str, Any] | None = None, env_file: Path | None = Path(".env")
    ) -> Configuration:
        """All that it is made from, with `overrides` on top. Reads files and imports modules.

        Raises ConfigError with every fault, a line each.
        """
        return load_configuration(overrides, file_path(self._config, env_file), self._parts, env_file)

    @asynccontextmanager
    async def listening(
        self, *, env_file: Path | None = None, **overrides: Any
    ) -> AsyncIterator[ListeningServer]:
        """The server with its port open (`port=0` for a free one), as long as the block lasts; for tests.

        A `.env` file is read only if it is named. Raises ConfigError and ModelFileError.
        """
        configuration = await anyio.to_thread.run_sync(self.configure, overrides, env_file)
        async with serving(configuration) as listening:
            yield listening

    def run(self, host: str | None = None, port: int | None = None) -> None:
        """Serve until told to stop, as the command does: with signals, drain and log."""
        from server.cli.serve import serve

        serve(self, {"host": host, "port": port})


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
