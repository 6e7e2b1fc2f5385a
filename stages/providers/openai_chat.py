"""Any chat model behind an OpenAI-compatible HTTP interface: the company's own, or a local server such as
Ollama's.

The interface is spoken by many servers, each a little differently, so everything in a chunk is taken to be
optional: no choices, null content, thoughts in the text or beside it, tool calls in pieces or in one,
without id or index. What a server says is read here and nowhere else.
"""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Finished, ModelCapabilities, ModelEvent, OneTool, TextDelta, ToolChoice, Usage
from stages.text.thoughts import SpokenPart

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAIError

Reason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]

SILENCE_S = 30.0
"""How long a server may send nothing at all, while connecting or in the middle of an answer."""

_REASONS: Mapping[str, Reason] = {
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_TAIL_BYTES = 64
_NO_KEY = "no-key"
"""Local servers want none, but the client must be given something."""


class ChatSettings(BaseModel):
    """Where the chat model is, and which."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(description="the model's name, as its server calls it")
    base_url: str | None = Field(
        None, description="ends in /v1; without it, OpenAI's", json_schema_extra={"env": "OPENAI_BASE_URL"}
    )
    api_key: SecretStr | None = Field(None, json_schema_extra={"env": "OPENAI_API_KEY"})
    silence_s: float = Field(
        SILENCE_S, gt=0, le=600, description="how long the server may send nothing at all"
    )
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        None, description="what the server calls its limit of tokens"
    )


class OpenAIChatModel:
    """Chat completions over HTTP: OpenAI's, or any server that speaks them, by `base_url`.

    Implements `stages.ports.LanguageModel`. One pool of connections, shared by all sessions.
    """

    interface = 1
    capabilities = ModelCapabilities()
    Settings = ChatSettings

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        silence_s: float = SILENCE_S,
        max_tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = None,
    ) -> None:
        """`base_url` ends in `/v1`; None means OpenAI's.

        `max_tokens_name` is what the server calls its limit: by default the newer name at OpenAI, whose
        newer models refuse the older one, and the older name, which every server knows, elsewhere.
        """
        from openai import AsyncOpenAI  # takes a second, and is not needed without a chat model

        # Retrying is for whoever knows how long the person has been waiting.
        self._client = AsyncOpenAI(
            api_key=api_key or _NO_KEY, base_url=base_url, timeout=silence_s, max_retries=0
        )
        self._model = model
        self._silence_s = silence_s
        self._max_tokens_name = max_tokens_name or ("max_tokens" if base_url else "max_completion_tokens")

    @classmethod
    def from_settings(cls, settings: ChatSettings) -> Self:
        """Make the client; nothing connects yet."""
        key = settings.api_key
        return cls(
            settings.model,
            api_key=key.get_secret_value() if key else None,
            base_url=settings.base_url,
            silence_s=settings.silence_s,
            max_tokens_name=settings.max_tokens_name,
        )

    async def close(self) -> None:
        """Close the connections. Answers that are under way fail."""
        await self._client.close()

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer as it comes; tool calls when they are complete.

        Raises ProviderRejected when the server refuses the request, ProviderBusy when it has too many,
        ProviderTimeout when it falls silent, ProviderError when anything else fails. Cancel-safe: closing the
        generator closes the HTTP response.
        """
        from openai import OpenAIError

        answer = _Answer()
        try:
            response = await self._client.chat.completions.create(
                **self._request(messages, tools, tool_choice, max_tokens), stream=True
            )
            async with response:
                tail = _tail_of(response.response)
                async for chunk in response:
                    if text := answer.push(chunk):
                        yield TextDelta(text)
        except OpenAIError as error:
            raise self._translated(error) from error
        except ValueError as error:
            raise ProviderError(f"{self._model}: the server sent what is no JSON: {error}") from error
        for event in answer.end(is_done=_says_done(tail)):
            yield event

    def _request(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        tool_choice: ToolChoice,
        max_tokens: int | None,
    ) -> Any:
        """The body of the request; `Any` because the client's types know only OpenAI's own values."""
        request: dict[str, object] = {
            "model": self._model,
            "messages": [_message(message) for message in messages if _says_anything(message)],
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = [_tool(tool) for tool in tools]
            if tool_choice != "auto":  # every server's default, and some know no other
                request["tool_choice"] = _choice(tool_choice)
        if max_tokens is not None:
            request[self._max_tokens_name] = max_tokens
        return request

    def _translated(self, error: "OpenAIError") -> ProviderError:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        if isinstance(error, APITimeoutError):
            return ProviderTimeout(f"{self._model}: the server sent nothing for {self._silence_s:g} s")
        if isinstance(error, APIStatusError):
            return _kind_of(error)(f"{self._model}: HTTP {error.status_code}: {error.message}")
        if isinstance(error, APIConnectionError):
            url, why = self._client.base_url, error.__cause__ or error
            place = f"{url.scheme}://{url.netloc.decode()}{url.path}".rstrip("/")  # whatever key is in it
            return ProviderError(f"{self._model}: the connection to {place} failed: {why}")
        return ProviderError(f"{self._model}: {error}")


def _kind_of(error: "APIStatusError") -> type[ProviderError]:
    """Rejected is what would be refused again: a request that is wrong, or a quota that is used up."""
    if error.status_code == 429 and error.code != "insufficient_quota":
        return ProviderBusy
    is_our_fault = 400 <= error.status_code < 500 and error.status_code not in (408, 409, 425)
    return ProviderRejected if is_our_fault else ProviderError


# --- what is asked --------------------------------------------------------------------------------------


def _says_anything(message: Message) -> bool:
    # Every call must have its result, though it be empty; other messages must not be.
    return bool(message.content or message.tool_calls) or message.role == "tool"


def _message(message: Message) -> dict[str, object]:
    role = "system" if message.role == "developer" else message.role  # a name that only OpenAI knows
    said: dict[str, object] = {"role": role, "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _json(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.role == "tool":
        said["tool_call_id"] = message.tool_call_id or ""
    return said


def _tool(tool: Tool) -> dict[str, object]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> object:
    return {"type": "function", "function": {"name": choice.name}} if isinstance(choice, OneTool) else choice


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


# --- what is answered -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _PartialCall:
    index: int | None
    id: str | None
    name: str
    arguments: str = ""


class _Answer:
    """One answer, chunk by chunk."""

    def __init__(self) -> None:
        self._spoken = SpokenPart()
        self._calls: list[_PartialCall] = []
        self._said_chars = 0
        self._reason: str | None = None
        self._usage = Usage()

    def push(self, chunk: object) -> str:
        """Take in a chunk; gives the text in it that can be said."""
        if usage := getattr(chunk, "usage", None):
            read, written = getattr(usage, "prompt_tokens", 0), getattr(usage, "completion_tokens", 0)
            self._usage = Usage(read or 0, written or 0)
        said = ""
        for choice in getattr(chunk, "choices", None) or ():
            self._reason = getattr(choice, "finish_reason", None) or self._reason
            delta = getattr(choice, "delta", None)
            said += self._spoken.push(_text(getattr(delta, "content", None)))
            for piece in getattr(delta, "tool_calls", None) or ():
                self._push_call(piece)
        self._said_chars += len(said)
        return said

    def end(self, *, is_done: bool) -> Iterator[ModelEvent]:
        """What is left once the server has sent everything, and whether it said that this was all.

        Raises ProviderError if the answer broke off.
        """
        # Some servers never give a reason. Of nothing at all it would have to be a good one.
        if self._reason is None and not (is_done and (self._said_chars or self._calls)):
            raise ProviderError("the answer broke off: the server closed the stream without finishing it")
        if text := self._spoken.flush():
            yield TextDelta(text)
        calls = [call for call in self._calls if call.name]
        for number, call in enumerate(calls):
            yield ToolCall(call.id or f"call_{number}", call.name, call.arguments or "{}")
        # Some servers finish tool calls with "stop", and some "tool_calls" without a call.
        reason = "tool_calls" if calls else _REASONS.get(self._reason or "stop", "stop")
        yield Finished("stop" if reason == "tool_calls" and not calls else reason, self._usage)

    def _push_call(self, piece: object) -> None:
        index, call_id = getattr(piece, "index", None), getattr(piece, "id", None) or None
        function = getattr(piece, "function", None)
        name = getattr(function, "name", None) or ""
        arguments = getattr(function, "arguments", None)
        call = self._call_of(index, call_id, name)
        if call is None:
            call = _PartialCall(index, call_id, name)
            self._calls.append(call)
        call.id, call.name = call.id or call_id, call.name or name
        call.arguments += "" if arguments is None else _json(arguments)

    def _call_of(self, index: int | None, call_id: str | None, name: str) -> _PartialCall | None:
        """The call that a piece goes on with, if it begins none.

        It begins one with a new index, a new id (some servers give every call the index 0), or, where there
        is neither, a name.
        """
        if not self._calls or (index is None and call_id is None and name):
            return None
        same = [call for call in self._calls if index is None or call.index == index]
        call = same[-1] if same else None
        return call if call is None or call_id in (None, call.id) or call.id is None else None


def _tail_of(response: Any) -> bytearray:
    """The last bytes of what an HTTP response has brought so far.

    The client's stream ends alike whether the server said that it was done or just stopped sending.
    """
    tail, read = bytearray(), response.aiter_bytes

    async def reading(chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        async with aclosing(read(chunk_size)) as pieces:
            async for piece in pieces:
                tail.extend(piece)
                del tail[:-_TAIL_BYTES]
                yield piece

    response.aiter_bytes = reading
    return tail


def _says_done(tail: bytearray) -> bool:
    return any(line.removeprefix(b"data:").strip() == b"[DONE]" for line in tail.splitlines())


def _text(content: object) -> str:
    """A delta's content, which some servers send as a list of parts."""
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else None for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
