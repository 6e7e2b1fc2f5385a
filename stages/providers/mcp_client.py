"""Servers that speak the Model Context Protocol over streamable HTTP, through the official SDK (the extra `mcp`).

What a server sends is a stranger's: `mcp_http` has the limits of it.
"""

import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from stages.errors import ProviderError, ProviderRejected, ToolServerError
from stages.ports import ServerTool, ToolConnection, ToolOutput

if TYPE_CHECKING:
    from mcp import types
    from mcp.client.client import Client

MISSING = "hosted tools need the MCP SDK: `scripts/setup mcp`, or pip install 'stageflow-voice[mcp]'"

MAX_TOOLS = 128
"""Of one server; those beyond are not offered."""


class McpServers:
    """MCP servers by URL; implements `stages.ports.ToolServers`."""

    def __init__(self) -> None:
        """Raises ProviderRejected with the remedy when the SDK is not installed. Imports it: slow, so not on a loop."""
        try:
            import httpx2
            import mcp.client.client
            import mcp.client.streamable_http  # noqa: F401 - so that `connect` finds both imported

            import stages.providers.mcp_http  # noqa: F401 - the same
        except ImportError as error:
            raise ProviderRejected(f"{MISSING} ({error})") from error
        # They print addresses, arguments and answers. Whoever asks hears of every error all the same.
        for name in ("mcp", "httpx2"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._tls = ssl.create_default_context()  # reads files, so once and not on a loop
        httpx2.AsyncHTTPTransport(verify=self._tls)  # the first one imports what it needs

    @asynccontextmanager
    async def connect(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[ToolConnection]:
        """A connection to the server at `url`, which every request brings the headers."""
        from mcp.client.client import Client
        from mcp.client.streamable_http import streamable_http_client

        from stages.providers.mcp_http import MAX_ANSWER_BYTES, http_client

        try:
            async with http_client(url, headers, self._tls) as http:
                transport = streamable_http_client(url, http_client=http, max_sse_event_size=MAX_ANSWER_BYTES)
                async with Client(transport, cache=None) as client:
                    # A stranger's schema of its own results: checking it runs the patterns in it on our loop.
                    setattr(client.session, "validate_tool_result", _unchecked)  # noqa: B010 - a method of theirs
                    yield _McpConnection(client)
        except Exception as error:
            raise _explained(error) from error


class _McpConnection:
    def __init__(self, client: "Client") -> None:
        self._client = client

    async def tools(self) -> tuple[ServerTool, ...]:
        found: list[ServerTool] = []
        cursor: str | None = None
        while True:
            page = await _asked(self._client.list_tools(cursor=cursor))
            found += map(_tool, page.tools)
            cursor = page.next_cursor
            if cursor is None or len(found) >= MAX_TOOLS:
                return tuple(found[:MAX_TOOLS])

    async def call(self, name: str, arguments: Mapping[str, object]) -> ToolOutput:
        result = await _asked(self._client.call_tool(name, dict(arguments)))
        return ToolOutput(_text(result), failed=result.is_error)


async def _asked(answer: Any) -> Any:
    """An answer of the SDK's, with its errors as ours."""
    try:
        return await answer
    except Exception as error:
        raise _explained(error) from error


async def _unchecked(name: str, result: "types.CallToolResult") -> None:
    """A model reads whatever came."""


def _tool(tool: "types.Tool") -> ServerTool:
    hints = tool.annotations
    annotations = {} if hints is None else hints.model_dump(by_alias=True, exclude_none=True, mode="json")
    read_only = hints is not None and bool(hints.read_only_hint)
    return ServerTool(tool.name, tool.description or "", tool.input_schema, annotations, read_only)


def _text(result: "types.CallToolResult") -> str:
    """What a model can read of a result; of pictures and sounds only that they are there."""
    pieces = []
    for block in result.content:
        if block.type == "text":
            pieces.append(block.text)
        elif block.type == "resource" and isinstance(text := getattr(block.resource, "text", None), str):
            pieces.append(text)
        elif block.type == "resource_link":
            pieces.append(f"{block.name}: {block.uri}")
        else:
            pieces.append(f"[{block.type}]")
    if not pieces and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(pieces)


def _explained(error: BaseException) -> ProviderError:
    """The first thing that went wrong; task groups wrap it, several deep."""
    import httpx2
    from mcp.shared.exceptions import MCPError

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case ProviderError():
            return error
        case httpx2.HTTPStatusError():
            status = error.response.status_code
            return ToolServerError(f"the server answered {status}", code=status, is_http=True)
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return ToolServerError("the server cannot be reached")
        case MCPError():
            return ToolServerError(error.message, code=error.code)
        case anyio.ClosedResourceError() | anyio.BrokenResourceError():
            return ToolServerError("the connection is lost")
        case _:
            return ToolServerError(f"the server could not be asked: {type(error).__name__}")
