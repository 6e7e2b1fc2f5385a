"""Servers of tools (MCP) for every session, as the operator writes them down."""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from server.tools.mcp_policy import entry_fault
from server.tools.operator_servers import OperatorServer


class ToolServer(BaseModel):
    """A server of tools that all agents, or those that name it, may call."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,32}$", description="stands before the names of its tools: `shop__buy`"
    )
    url: str = Field(description="where it speaks streamable HTTP")
    key: SecretStr | None = Field(None, description="goes with every request, as `Authorization: Bearer`")
    key_file: Path | None = Field(None, description="the file that holds it")
    tools: tuple[str, ...] | None = Field(
        None, description="those of its tools that are offered; all if not given"
    )

    def read(self) -> OperatorServer:
        """The server with its key. Raises OSError and UnicodeError when the key's file cannot be read."""
        key = self.key.get_secret_value() if self.key else None
        key = self.key_file.read_text("utf-8").strip() if self.key_file else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return OperatorServer(
            self.name, self.url, headers, None if self.tools is None else frozenset(self.tools)
        )


def server_faults(servers: Sequence[ToolServer]) -> Iterator[str]:
    """What cannot work, a line each."""
    if servers and find_spec("mcp") is None:
        yield "tools.servers: need the package 'mcp', which is not installed: `scripts/setup mcp`"
    for name, count in Counter(server.name for server in servers).items():
        if count > 1:
            yield f"tools.servers: {count} are called {name!r}; give each a name of its own"
    for server in servers:
        if fault := entry_fault(server.url):
            yield f"tools.servers.{server.name}.url: {fault}"
        if server.key and server.key_file:
            yield f"tools.servers.{server.name}: has a key and a key_file; take one of them away"
        try:
            server.read()
        except (OSError, UnicodeError) as error:
            yield f"tools.servers.{server.name}.key_file: cannot be read ({error})"
