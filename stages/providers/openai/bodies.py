"""Bodies of answers: the data of server-sent events, out of bytes that are cut anywhere."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

import anyio

from stages.errors import ProviderError

if TYPE_CHECKING:
    import httpx2

_DRAIN_S = 0.05
_LINE_BYTES = 4_000_000

DONE = "[DONE]"


class EventLines:
    """The data of server-sent events, out of bytes that are cut anywhere. Pure.

    Each `data:` line counts as one event, and so does a bare line of JSON: some servers forget the empty line
    between two, some the prefix. Comments and names of events are passed over.
    """

    def __init__(self) -> None:
        self._rest = b""

    def push(self, piece: bytes) -> list[str]:
        """The data that is complete by now. Raises ProviderError at a line that has no end."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _LINE_BYTES:
            raise ProviderError(f"the server sent a line of more than {_LINE_BYTES} bytes")
        return [data for line in lines if (data := _data_of(line))]

    def flush(self) -> list[str]:
        """What a last line without an end holds."""
        data, self._rest = _data_of(self._rest), b""
        return [data] if data else []


def _data_of(line: bytes) -> str:
    text = line.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text.startswith("data:"):
        return text.removeprefix("data:").strip()
    return text if text.startswith("{") else ""


async def events_of(response: "httpx2.Response") -> AsyncGenerator[str, None]:
    """The data of each event, `[DONE]` included, after which nothing counts. A plain JSON answer is one event."""
    if (
        "json" in response.headers.get("content-type", "")
        and "stream" not in response.headers["content-type"]
    ):
        whole = (await response.aread()).decode("utf-8", "replace")
        yield " ".join(whole.split("\n"))
        return
    lines = EventLines()
    pieces = response.aiter_bytes()
    async for piece in pieces:
        for data in lines.push(piece):
            if data == DONE:
                await drained(pieces)
                yield data
                return
            yield data
    for data in lines.flush():
        yield data


async def drained(rest: AsyncIterator[object]) -> None:
    """To the end of a body, if it is there: then the connection can be used again."""
    with anyio.move_on_after(_DRAIN_S):
        async for _ in rest:
            pass


def is_framed(response: "httpx2.Response") -> bool:
    """Whether the end of a response's body is told apart from a connection that was lost."""
    headers = response.headers
    return (
        "chunked" in headers.get("transfer-encoding", "")
        or "content-length" in headers
        or response.http_version not in ("HTTP/1.0", "HTTP/1.1")
    )
