"""HTTP to a server of the Model Context Protocol, with limits: what it sends is a stranger's.

An answer is read up to a limit, and never unpacked, because what comes out of an archive has no limit. Redirects are
followed to addresses under the server's own only: whoever may be asked at one address need not be allowed at all others
of its host. Takes a moment to import: `mcp_client` does it where that holds nobody up.
"""

import ssl
from collections.abc import AsyncIterator, Mapping

import httpx2

MAX_ANSWER_BYTES = 1 << 20
"""Of one answer of a server's."""

HTTP_S = 60.0
"""Between two signs of life of a request. Whoever asks has a deadline that is shorter."""


def http_client(url: str, headers: Mapping[str, str], tls: ssl.SSLContext) -> httpx2.AsyncClient:
    """A client for the server at `url`, which every request brings the headers."""
    return httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=HTTP_S,
        transport=_Bounded(httpx2.URL(url).path, tls),
        trust_env=False,  # no proxy or password file of the operator's for an address that a client names
    )


class _TooLong(httpx2.StreamError):
    """The one kind of error that costs the SDK the answer and not the connection."""


class _Bounded(httpx2.AsyncHTTPTransport):
    def __init__(self, own_path: str, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls)
        self._own_path = own_path

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not _is_under(self._own_path, request.url.path):
            raise httpx2.RemoteProtocolError("a redirect to where this server is not, which is not followed")
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("the answer is packed, which was not asked for")  # for good
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ANSWER_BYTES
        async for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise _TooLong(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_under(own: str, path: str) -> bool:
    """Whether `path` is the address of a server or below it, and plain; both without what was encoded in them."""
    folder = own.rstrip("/")
    is_plain = not any(part in (".", "..") for part in path.split("/")) and not set(";\\%") & set(path)
    return path == own or ((path == folder or path.startswith(f"{folder}/")) and is_plain)
