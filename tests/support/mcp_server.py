"""A real MCP server on a free port of this machine, with the SDK's own server behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from tests.support.patience import PATIENCE_S

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
READ_ONLY = ToolAnnotations(read_only_hint=True)


@dataclass
class McpServer:
    """What a test asks, and may break."""

    port: int = 0
    stop: anyio.Event = field(default_factory=anyio.Event)
    """Set by a test that wants the server to be gone."""
    stopped: anyio.Event = field(default_factory=anyio.Event)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of the requests so far."""

    @property
    def url(self) -> str:
        """Where its tools are; what is at `/away` is somewhere else, and at `/packed` compressed."""
        return f"http://127.0.0.1:{self.port}/mcp"


def _tools() -> MCPServer:
    server = MCPServer("shop", log_level="CRITICAL")

    @server.tool(annotations=READ_ONLY)
    async def stock(what: str) -> str:
        """How many there are."""
        if what == "hats":
            raise ToolError("we have no hats")
        if what == "everything":
            return "x" * (2 << 20)
        if what == "nothing":
            await anyio.sleep(30)
        return f"7 {what}"

    @server.tool()
    async def buy(what: str) -> str:
        """Buy one."""
        return f"bought {what}"

    return server


def _redirect(path: str) -> str | None:
    """Where a path leads, if it is not here; under `/moved` to what is written behind it."""
    if path.startswith("/moved/"):
        return path.removeprefix("/moved")
    return {"/away": "http://localhost:9/mcp", "/mcp/slash": "/mcp/slash/"}.get(path)


@asynccontextmanager
async def mcp_server(*, json_response: bool = False) -> AsyncIterator[McpServer]:
    """The server, until the block ends."""
    state = McpServer()
    app: Any = _tools().streamable_http_app(json_response=json_response)

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            if target := _redirect(scope["path"]):
                await _answer(send, 307, (b"location", target.encode()))
                return
            if scope["path"] == "/mcp/slash/":
                scope = {**scope, "path": "/mcp", "raw_path": b"/mcp"}
            if scope["path"] == "/packed":
                await _answer(send, 200, (b"content-encoding", b"gzip"))
                return
        await app(scope, receive, send)

    config = uvicorn.Config(front, "127.0.0.1", 0, log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)

    async def serve() -> None:
        with anyio.CancelScope(shield=True):
            await server.serve()
        state.stopped.set()

    async def watch() -> None:
        await state.stop.wait()
        server.should_exit = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        tasks.start_soon(watch)
        with anyio.fail_after(PATIENCE_S):
            while not server.started:  # noqa: ASYNC110  # it has nothing to wait for
                await anyio.sleep(0.01)
        state.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield state
        finally:  # it does not like to be cancelled
            server.should_exit = True
            with anyio.move_on_after(10, shield=True):
                await state.stopped.wait()
            tasks.cancel_scope.cancel()


async def _answer(send: Send, status: int, header: tuple[bytes, bytes]) -> None:
    headers = [header, (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
