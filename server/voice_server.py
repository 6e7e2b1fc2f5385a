"""The server as an object, to be composed in Python: what the command line serves, and what tests listen to.

The command `serve` without an argument serves `VoiceServer()`: all of it from the environment and the file. What is
given here takes the place of that.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from server.config.agents import Agent, Composition, Route
from server.config.configuration import Configuration, Parts, file_path, load_configuration
from server.config.guarding import GuardRule
from server.config.tool_servers import ToolServer
from server.process.listening_server import ListeningServer as ListeningServer
from server.process.listening_server import serving
from stages.providers.built_in import Kind


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
        from server.process.serving import serve

        serve(partial(self.configure, {"host": host, "port": port}))
