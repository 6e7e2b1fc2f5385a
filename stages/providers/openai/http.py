"""Requests to an OpenAI-compatible server: one pool of connections, and every failure in our own words.

The requests are the `openai` package's; the answers are read here, since many servers write them a little otherwise
than its types say. What a server says of a failure is passed on, whatever shape it has, but never a key.
"""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from stages.errors import ErrorKind, ProviderError
from stages.providers.sockets.faults import fault
from stages.text.whole import whole_values

if TYPE_CHECKING:
    import httpx2
    import openai

SILENCE_S = 30.0
"""How long a server may send nothing at all, while connecting or in the middle of an answer."""

OPENAI_URL = "https://api.openai.com/v1"

_CONNECT_S = 10.0
_KEEP_CONNECTION_S = 60.0
_MOST_BYTES_OF_FAULT = 65_536
_MOST_CHARS_OF_FAULT = 500
_MOST_BYTES_OF_WARMING = 1_000_000
_NO_KEY = "no-key"
_DRAIN_S = 0.05
_LINE_BYTES = 4_000_000
_BY_STATUS: Mapping[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTH,
    408: ErrorKind.SERVER,
    409: ErrorKind.SERVER,
    425: ErrorKind.SERVER,
}
_BY_NAME: Mapping[str, ErrorKind] = {
    "insufficient_quota": ErrorKind.QUOTA,
    "invalid_api_key": ErrorKind.AUTH,
    "model_not_found": ErrorKind.BAD_REQUEST,
    "context_length_exceeded": ErrorKind.BAD_REQUEST,
}
"""Codes in the middle of a stream; any other may be mended by another try."""


_UNSENDABLE = "the key has characters that cannot be sent in a header"


def is_sendable(key: str) -> bool:
    """Whether a header can hold it."""
    return key.isascii() and key.isprintable()


class ServerSettings(BaseModel):
    """Where an OpenAI-compatible server is, and how long to wait for it."""

    model_config = ConfigDict(extra="forbid")

    base_url: str | None = Field(
        None,
        pattern="^https?://",
        description="ends in /v1; without it, OpenAI's",
        json_schema_extra={"env": "OPENAI_BASE_URL"},
    )
    api_key: SecretStr | None = Field(None, json_schema_extra={"env": "OPENAI_API_KEY"})
    silence_s: float = Field(
        SILENCE_S, gt=0, le=600, description="how long the server may send nothing at all"
    )

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not is_sendable(key.get_secret_value()):
            raise ValueError(_UNSENDABLE)
        return key

    @property
    def key(self) -> str | None:
        """The key, in the clear."""
        return self.api_key.get_secret_value() if self.api_key else None


FileOfForm: TypeAlias = tuple[str, bytes, str]
"""Name, content and type of a file in a form."""


class Refusal(ProviderError):
    """The server answered with an HTTP status that is no success. `words` are what it says about it."""

    def __init__(self, status: int, words: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {words}", retry_after_s=retry_after_s)
        self.status = status
        self.words = words


class Server:
    """One OpenAI-compatible server, shared by all sessions. `name` is what its errors begin with."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        import httpx2  # takes a moment, and is not needed without such a server
        import openai

        if api_key and not is_sendable(api_key):
            raise fault(name, ErrorKind.AUTH, _UNSENDABLE)
        url = httpx2.URL((base_url or OPENAI_URL).rstrip("/") + "/")
        self.place = f"{url.scheme}://{url.netloc.decode()}{url.path}".rstrip("/")  # whatever key is in it
        self.name = name
        self._silence_s = silence_s
        self._secrets = [secret for secret in (api_key, url.password) if secret]
        self._headers: dict[str, str | openai.Omit] = {"Accept": "*/*"}
        if not api_key:
            self._headers["Authorization"] = openai.Omit()  # local servers want none
        if base_url:  # the package sends what the environment says of these, which is for OpenAI's eyes
            self._headers |= dict.fromkeys(("OpenAI-Organization", "OpenAI-Project"), openai.Omit())
        timeout = openai.Timeout(silence_s, connect=min(_CONNECT_S, silence_s))
        self._client = openai.AsyncOpenAI(
            base_url=url,
            api_key=api_key or _NO_KEY,  # without one it would take OPENAI_API_KEY, whatever the server
            timeout=timeout,
            max_retries=0,  # whoever asks decides that
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=timeout,
                limits=httpx2.Limits(max_keepalive_connections=64, keepalive_expiry=_KEEP_CONNECTION_S),
                follow_redirects=False,
                event_hooks={"response": [self._check]},
            ),
        )

    async def close(self) -> None:
        """Close the connections. Answers that are under way fail."""
        await self._client.close()

    @asynccontextmanager
    async def warmed(self) -> AsyncGenerator[None, None]:
        """Opens a connection meanwhile, for the first request to find. Leaving the block ends that, if need be."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._warm)
                yield
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as several:  # the block's error, and nobody else's
            raise several.exceptions[0] from None

    async def _warm(self) -> None:
        """Any answer will do. What is wrong with the server, the first request tells."""
        with suppress(ProviderError):
            async with self._response("GET", "models") as response:
                received = 0
                async for piece in response.aiter_bytes():
                    received += len(piece)
                    if received > _MOST_BYTES_OF_WARMING:
                        return

    @asynccontextmanager
    async def post(
        self, path: str, body: Mapping[str, Any], *, files: Mapping[str, FileOfForm] | None = None
    ) -> AsyncGenerator["httpx2.Response", None]:
        """The response to a request, with its body still to come; leaving the block closes it.

        Raises Refusal, or what `told` raises. With `files`, `body` is the rest of a form, else JSON.
        """
        async with self._response("POST", path, body, files) as response:
            yield response

    @asynccontextmanager
    async def _response(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: Mapping[str, Any] | None = None,
        files: Mapping[str, FileOfForm] | None = None,
    ) -> AsyncGenerator["httpx2.Response", None]:
        import httpx2

        form = {"Content-Type": "multipart/form-data"} if files else {}
        is_stream: bool = True  # of bytes: the package leaves an httpx2.Response to its caller
        options: openai.RequestOptions = {"headers": {**self._headers, **form}}
        with self.told():
            if method == "GET":
                response = await self._client.get(
                    path, cast_to=httpx2.Response, options=options, stream=is_stream
                )
            else:
                try:
                    response = await self._client.post(
                        path,
                        cast_to=httpx2.Response,
                        body=body,
                        files=files,
                        options=options,
                        stream=is_stream,
                    )
                except UnicodeEncodeError:  # half a character, which some server has sent us
                    body = whole_values(body)
                    response = await self._client.post(
                        path,
                        cast_to=httpx2.Response,
                        body=body,
                        files=files,
                        options=options,
                        stream=is_stream,
                    )
            assert isinstance(response, httpx2.Response)
            async with aclosing(response):
                yield response

    async def _check(self, response: "httpx2.Response") -> None:
        """Raises Refusal. It comes before the package reads what is refused, which it would do without a limit."""
        if not response.is_success:
            words = self._safe(await _fault_of(response))
            raise Refusal(response.status_code, words, _wait_of(response))

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raises the ProviderError that says what an error of the connection or a refusal is."""
        import httpx2
        import openai

        try:
            yield
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            words = f"the server sent nothing for {self._silence_s:g} s"
            raise fault(self.name, ErrorKind.TIMEOUT, words) from error
        except (
            openai.APIConnectionError,
            httpx2.TransportError,
            httpx2.InvalidURL,
            httpx2.DecodingError,
        ) as error:
            cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
            why = self._safe(str(cause) or type(cause).__name__)
            raise fault(self.name, ErrorKind.NETWORK, f"{self.place}: {why}") from error

    def meaning_of(self, refusal: Refusal) -> ProviderError:
        """What a refusal means to whoever asked: Rejected is what would be refused again."""
        kind = _kind_of(refusal.status, refusal.words)
        return fault(self.name, kind, str(refusal), retry_after_s=refusal.retry_after_s)

    def fault_in(self, chunk: object) -> ProviderError | None:
        """The error that a piece of a stream is, if it is one."""
        if not isinstance(chunk, Mapping):
            return None
        said = chunk.get("error") or (chunk if chunk.get("object") == "error" else None)
        if said is None and "detail" in chunk and "choices" not in chunk:
            said = chunk
        if not said:
            return None
        codes = [said.get(key) for key in ("code", "status", "type")] if isinstance(said, Mapping) else []
        code = next(filter(None, codes), None)
        words = self._safe(words_of(said))
        kind = _kind_of(code, words) if isinstance(code, int) else _kind_by_name(str(code))
        return fault(self.name, kind, words)

    def _safe(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words


def _kind_of(status: int, words: str) -> ErrorKind:
    """The kind of error that an HTTP status is; a quota that is used up is no rush that passes."""
    if status == 429:
        return ErrorKind.QUOTA if "insufficient_quota" in words else ErrorKind.RATE
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ErrorKind.BAD_REQUEST if 400 <= status < 500 else ErrorKind.SERVER


def _kind_by_name(code: str) -> ErrorKind:
    if "rate_limit" in code or "overloaded" in code:
        return ErrorKind.RATE
    return _BY_NAME.get(code, ErrorKind.SERVER)


def words_of(fault: object) -> str:
    """What a server says went wrong: `{"error": ...}`, `{"detail": ...}`, `{"message": ...}`, or any text."""
    if isinstance(fault, Mapping):
        for key in ("error", "detail", "message", "msg"):
            if inner := fault.get(key):
                code = fault.get("code")
                words = words_of(inner)
                return f"{words} ({code})" if isinstance(code, str) and code not in words else words
        fault = json.dumps(fault, ensure_ascii=False)
    elif isinstance(fault, list):
        fault = json.dumps(fault, ensure_ascii=False)
    return " ".join(str(fault).split())[:_MOST_CHARS_OF_FAULT]


async def _fault_of(response: "httpx2.Response") -> str:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MOST_BYTES_OF_FAULT:
            break
    text = body.decode("utf-8", "replace")
    try:
        return words_of(json.loads(text))
    except ValueError:
        return words_of(text)


def _wait_of(response: "httpx2.Response") -> float | None:
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):  # a date is as good as none
        return None


# --- bodies -------------------------------------------------------------------------------------------------

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
                # To the end of the body, if it is there: then the connection can be used again.
                with anyio.move_on_after(_DRAIN_S):
                    async for _ in pieces:
                        pass
                yield data
                return
            yield data
    for data in lines.flush():
        yield data


def is_framed(response: "httpx2.Response") -> bool:
    """Whether the end of a response's body is told apart from a connection that was lost."""
    headers = response.headers
    return (
        "chunked" in headers.get("transfer-encoding", "")
        or "content-length" in headers
        or response.http_version not in ("HTTP/1.0", "HTTP/1.1")
    )
