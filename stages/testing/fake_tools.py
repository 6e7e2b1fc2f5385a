"""Servers of tools by script: what each offers is a list of typed functions, how it behaves is a `Conduct`."""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio

from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.errors import ToolServerError
from stages.ports import ServerTool, ToolConnection, ToolOutput
from stages.testing.fakes import Conduct


@dataclass(slots=True)
class ScriptedToolServer:
    """One server: its tools (those with the effect `none` are read-only), and how it connects and calls."""

    tools: Sequence[Tool] = ()
    connecting: Conduct = Conduct()
    calling: Conduct = Conduct()
    headers: deque[Mapping[str, str]] = field(default_factory=lambda: deque(maxlen=16))
    """What the newest connections brought along."""
    calls: deque[tuple[str, Mapping[str, object]]] = field(default_factory=lambda: deque(maxlen=16))
    """The newest calls that have begun."""
    connections: int = 0
    """How many are open."""
    is_lost: bool = False
    _blocks: list[anyio.CancelScope] = field(default_factory=list)

    def lose(self) -> None:
        """The server is gone, and all connections with it."""
        self.is_lost = True
        for block in self._blocks:
            block.cancel()

    @contextmanager
    def watched_by(self, block: anyio.CancelScope) -> Iterator[None]:
        """Cancel the block when the server is lost."""
        self._blocks.append(block)
        try:
            yield
        finally:
            self._blocks.remove(block)


class ScriptedToolServers:
    """The servers that there are, by URL."""

    def __init__(self, **servers: ScriptedToolServer) -> None:
        """Each is at `http://<name>/mcp`."""
        self.servers = {f"http://{name}/mcp": server for name, server in servers.items()}

    @asynccontextmanager
    async def connect(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[ToolConnection]:
        """A connection to the server at this URL; there is nothing at any other."""
        server = self.servers.get(url)
        if server is None or server.is_lost:
            raise ToolServerError("there is no server at this address")
        server.headers.append(dict(headers))
        await server.connecting.before(0)
        server.connections += 1
        connection = _ScriptedConnection(server)
        try:
            with anyio.CancelScope() as block, server.watched_by(block):
                yield connection
        finally:
            connection.is_open = False
            server.connections -= 1
        if server.is_lost:
            raise ToolServerError("the server is gone")


class _ScriptedConnection:
    def __init__(self, server: ScriptedToolServer) -> None:
        self._server = server
        self._registry = ToolRegistry(server.tools)
        self.is_open = True

    async def tools(self) -> tuple[ServerTool, ...]:
        await self._server.connecting.at_end()
        return tuple(
            ServerTool(
                tool.name,
                tool.description,
                tool.parameters,
                {"readOnlyHint": True} if tool.effect == "none" else {},
                tool.effect == "none",
            )
            for tool in self._registry.tools
        )

    async def call(self, name: str, arguments: Mapping[str, object]) -> ToolOutput:
        if self._server.is_lost or not self.is_open:
            raise ToolServerError("the server is gone")
        self._server.calls.append((name, dict(arguments)))
        await self._server.calling.before(0)
        await self._server.calling.at_end()
        result = await self._registry.execute(ToolCall("", name, arguments))
        return ToolOutput(result.text, failed=not result.ok)
