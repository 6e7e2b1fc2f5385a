"""Requests to an OpenAI-compatible server: one pool of connections, and every failure in our own words.

The requests are the `openai` package's; the answers are read here, since many servers write them a little otherwise
than its types say. What a server says of a failure is passed on, whatever shape it has, but never a key.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from stages.errors import ErrorKind, ProviderError
from stages.providers.openai.refusals import fault_of, kind_by_name, kind_of, wait_of, words_of
from stages.providers.sockets.faults import fault
from stages.text.whole import whole_values

if TYPE_CHECKING:
    import ssl

    import httpx2
    import openai

SILENCE_S = 30.0
"""How long a server may send nothing at all, while connecting or in the middle of an answer."""

OPENAI_URL = "https://api.openai.com/v1"

_CONNECT_S = 10.0
_KEEP_CONNECTION_S = 60.0
_MOST_BYTES_OF_WARMING = 1_000_000
_NO_KEY = "no-key"

_UNSENDABLE = "the key has characters that cannot be sent in a header"


@cache
def authorities() -> "ssl.SSLContext":
    """Those that HTTP trusts, read once for all clients of the process: that takes 30 ms of a core and more."""
    import httpx2

    return httpx2.create_ssl_context()


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
                verify=authorities(),
                timeout=timeout,
                limits=httpx2.Limits(max_keepalive_connections=64, keepalive_expiry=_KEEP_CONNECTION_S),
                follow_redirects=False,
                event_hooks={"request": [_joined], "response": [self._check]},
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
                send = partial(
                    self._client.post,
                    path,
                    cast_to=httpx2.Response,
                    files=files,
                    options=options,
                    stream=is_stream,
                )
                try:
                    response = await send(body=body)
                except UnicodeEncodeError:  # half a character, which some server has sent us
                    response = await send(body=whole_values(body))
            assert isinstance(response, httpx2.Response)
            async with aclosing(response):
                yield response

    async def _check(self, response: "httpx2.Response") -> None:
        """Raises Refusal. It comes before the package reads what is refused, which it would do without a limit."""
        if not response.is_success:
            words = self._safe(await fault_of(response))
            raise Refusal(response.status_code, words, wait_of(response))

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
        kind = kind_of(refusal.status, refusal.words)
        return fault(self.name, kind, str(refusal), retry_after_s=refusal.retry_after_s)

    def fault_in(self, chunk: object) -> ProviderError | None:
        """The error that a piece of a stream is, if it is one."""
        if not isinstance(chunk, dict):
            return None
        said = chunk.get("error") or (chunk if chunk.get("object") == "error" else None)
        if said is None and "detail" in chunk and "choices" not in chunk:
            said = chunk
        if not said:
            return None
        codes = [said.get(key) for key in ("code", "status", "type")] if isinstance(said, Mapping) else []
        code = next(filter(None, codes), None)
        words = self._safe(words_of(said))
        kind = kind_of(code, words) if isinstance(code, int) else kind_by_name(str(code))
        return fault(self.name, kind, words)

    def _safe(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words


async def _joined(request: "httpx2.Request") -> None:
    """Has a form sent in one piece, and not in one for each line of it."""
    await request.aread()
