"""Servers of tools (MCP) that the operator names: their tools are the server's own, in every session.

Each has one connection for the whole process, which comes back when it is lost. A session has the tools that there are
when it begins; a call while the connection is away fails in words that the model can read.
"""

import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio

from server.domain.mcp_tools import model_name
from stageflow.tools import Tool
from stages.errors import ProviderError, ToolServerError
from stages.ports import ServerTool, ToolConnection, ToolServers

log = logging.getLogger(__name__)

LISTING_S = 10.0
"""To connect and to list, together."""
FIRST_S = 5.0
"""How long the start waits for the first answers; what comes later is there for later sessions."""
CALL_S = 20.0
_LEAST_WAIT_S, _MOST_WAIT_S = 1.0, 60.0
"""Between two tries; it doubles."""


@dataclass(frozen=True, slots=True)
class OperatorServer:
    """A server of tools that the operator has named."""

    name: str
    """Stands before the names of its tools: `shop__buy`."""
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tools: frozenset[str] | None = None
    """Those of its tools that are offered; all if not given."""


def prefix_of(name: str) -> str:
    """What the names of a server's tools begin with."""
    return model_name(f"{name}__")


class OperatorServers:
    """All servers that the operator has named, and the tools that they have now."""

    def __init__(self, hosts: ToolServers, servers: Sequence[OperatorServer]) -> None:
        self._hosts = hosts
        self._servers = servers
        self._connections: dict[str, ToolConnection] = {}
        self._offered: dict[str, tuple[Tool, ...]] = {}
        self._settled = {server.name: anyio.Event() for server in servers}

    def tools(self) -> tuple[Tool, ...]:
        """What can be called now."""
        return tuple(tool for offered in self._offered.values() for tool in offered)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """They are connected within the block, which begins when each has answered or failed, or after 5 s."""
        async with anyio.create_task_group() as tasks:
            for server in self._servers:
                tasks.start_soon(self._keep, server)
            with anyio.move_on_after(FIRST_S):
                for settled in self._settled.values():
                    await settled.wait()
            yield
            tasks.cancel_scope.cancel()

    async def _keep(self, server: OperatorServer) -> None:
        wait_s = _LEAST_WAIT_S
        while True:
            try:
                with anyio.fail_after(LISTING_S) as patience:
                    async with self._hosts.connect(server.url, server.headers) as connection:
                        await self._offer(server, connection)
                        patience.deadline, wait_s = math.inf, _LEAST_WAIT_S
                        await anyio.sleep_forever()
            except (ProviderError, TimeoutError) as error:
                why = str(error) or f"no answer within {LISTING_S:g} s"
                log.warning("tools.servers.%s: %s; tried again in %g s", server.name, why, wait_s)
            finally:
                self._connections.pop(server.name, None)
                self._offered.pop(server.name, None)
                self._settled[server.name].set()
            await anyio.sleep(wait_s)
            wait_s = min(2 * wait_s, _MOST_WAIT_S)

    async def _offer(self, server: OperatorServer, connection: ToolConnection) -> None:
        found = [one for one in await connection.tools() if server.tools is None or one.name in server.tools]
        for missing in sorted((server.tools or frozenset()) - {one.name for one in found}):
            log.warning("tools.servers.%s.tools: it has no %r", server.name, missing)
        named = {tool.name: tool for tool in (self._tool(server, one) for one in found)}
        self._connections[server.name], self._offered[server.name] = connection, tuple(named.values())
        self._settled[server.name].set()
        log.info("tools.servers.%s: %d tools", server.name, len(named))

    def _tool(self, server: OperatorServer, one: ServerTool) -> Tool:
        return Tool(
            model_name(prefix_of(server.name) + one.name),
            one.description or one.name,
            one.parameters,
            partial(self._call, server.name, one.name),
            effect="none" if one.read_only else "irreversible",
            timeout_s=CALL_S,
        )

    async def _call(self, server: str, tool: str, /, **arguments: object) -> str:
        connection = self._connections.get(server)
        if connection is None:
            raise ToolServerError(f"{server} cannot be reached at the moment")
        output = await connection.call(tool, arguments)
        if output.failed:
            raise ToolServerError(output.text)
        return output.text
