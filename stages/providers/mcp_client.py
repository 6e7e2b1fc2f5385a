"""Servers that speak the Model Context Protocol over streamable HTTP, through the official SDK (the extra `mcp`).

What a server sends is a stranger's: an answer is read up to a limit, and never unpacked, because what comes out of an
archive has no limit. Redirects are followed to addresses under the server's own only: whoever may be asked at one
address need not be allowed at all others of its host.
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
    import httpx2
    from mcp import types
    from mcp.client.client import Client

MISSING = "hosted tools need the MCP SDK: `scripts/setup mcp`, or pip install 'stageflow-voice[mcp]'"

MAX_ANSWER_BYTES = 1 << 20
"""Of one answer of a server's."""

MAX_TOOLS = 128
"""Of one server; those beyond are not offered."""

HTTP_S = 60.0
"""Between two signs of life of a request. Whoever asks has a deadline that is shorter."""


class McpServers:
    """MCP servers by URL; implements `stages.ports.ToolServers`."""

    def __init__(self) -> None:
        """Raises ProviderRejected with the remedy when the SDK is not installed. Imports it: slow, so not on a loop."""
        try:
            import httpx2
            import mcp.client.client
            import mcp.client.streamable_http  # noqa: F401 - so that `connect` finds both imported
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

        try:
            async with _http_client(url, headers, self._tls) as http:
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


def _is_under(own: str, path: str) -> bool:
    """Whether `path` is the address of a server or below it, and plain; both without what was encoded in them."""
    folder = own.rstrip("/")
    is_plain = not any(part in (".", "..") for part in path.split("/")) and not set(";\\%") & set(path)
    return path == own or ((path == folder or path.startswith(f"{folder}/")) and is_plain)


# --- HTTP with limits -------------------------------------------------------------------------------------


def _http_client(url: str, headers: Mapping[str, str], tls: ssl.SSLContext) -> "httpx2.AsyncClient":
    import httpx2

    own = httpx2.URL(url)

    class TooLong(httpx2.StreamError):
        """The one kind of error that costs the SDK the answer and not the connection."""

    class Bounded(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if not _is_under(own.path, request.url.path):
                raise httpx2.RemoteProtocolError(
                    "a redirect to where this server is not, which is not followed"
                )
            response = await super().handle_async_request(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise httpx2.RemoteProtocolError("the answer is packed, which was not asked for")  # for good
            if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                assert isinstance(response.stream, httpx2.AsyncByteStream)
                response.stream = BoundedStream(response.stream)
            return response

    class BoundedStream(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = MAX_ANSWER_BYTES
            async for piece in self._stream:
                left -= len(piece)
                if left < 0:
                    raise TooLong(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    return httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=HTTP_S,
        transport=Bounded(verify=tls),
        trust_env=False,  # no proxy or password file of the operator's for an address that a client names
    )
