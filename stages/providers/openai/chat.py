"""Any chat model behind an OpenAI-compatible HTTP interface: the company's own, or a local server such as
Ollama's.

A server that refuses an optional field, or an order of messages that its model's template does not know, is asked
again without it, at once, and never again with it.
"""

import itertools
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
from pydantic import Field

from stageflow.context import Message
from stageflow.tools import Tool
from stages.errors import ErrorKind, ProviderError
from stages.ports import ModelCapabilities, ModelEvent, OneTool, ToolChoice
from stages.providers.openai.answer import Answer
from stages.providers.openai.bodies import DONE, events_of, is_framed
from stages.providers.openai.fitting import LIMIT_NAMES, Fit, LimitName
from stages.providers.openai.http import SILENCE_S, Refusal, Server, ServerSettings
from stages.providers.sockets.faults import fault

if TYPE_CHECKING:
    import httpx2

_ADJUSTMENTS = 3
"""How often one question is put differently."""

_AFTER_FINISH_S = 1.0
"""How long after the reason for the end more may come."""

_log = logging.getLogger(__name__)


class ChatSettings(ServerSettings):
    """Where the chat model is, and which."""

    model: str = Field(
        min_length=1,
        description="the model's name, as its server calls it",
        json_schema_extra={"env": "OPENAI_MODEL"},
    )
    max_tokens_name: LimitName | None = Field(None, description="what the server calls its limit of tokens")
    thinks_first: bool = Field(
        False, description="the model begins with thoughts and closes them by a tag that it has not opened"
    )


class OpenAIChatModel:
    """Chat completions over HTTP: OpenAI's, or any server that speaks them, by `base_url`.

    Implements `stages.ports.LanguageModel`. One pool of connections, shared by all sessions.
    """

    interface = 1
    title = "{model} (chat model)"
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
        thinks_first: bool = False,
    ) -> None:
        """`base_url` ends in `/v1`; None means OpenAI's.

        `max_tokens_name` is what the server calls its limit: by default the newer name at OpenAI, whose
        newer models refuse the older one, and the older name, which every server knows, elsewhere.
        """
        self._server = Server(model, base_url=base_url, api_key=api_key, silence_s=silence_s)
        self._model = model
        limit_name = max_tokens_name or ("max_tokens" if base_url else "max_completion_tokens")
        self._fit = Fit((limit_name, *(name for name in LIMIT_NAMES if name != limit_name)))
        self._thinks_first = thinks_first
        self._ids = itertools.count()

    @classmethod
    def from_settings(cls, settings: ChatSettings) -> Self:
        """Make the client; nothing connects yet."""
        return cls(
            settings.model,
            api_key=settings.key,
            base_url=settings.base_url,
            silence_s=settings.silence_s,
            max_tokens_name=settings.max_tokens_name,
            thinks_first=settings.thinks_first,
        )

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Self, None]:
        """The same for one session, with a connection that opens meanwhile."""
        async with self._server.warmed():
            yield self

    async def close(self) -> None:
        """Close the connections. Answers that are under way fail."""
        await self._server.close()

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer as it comes; tool calls when they are complete; thoughts as signs of life.

        Raises ProviderRejected when the server refuses the request, ProviderBusy when it has too many,
        ProviderTimeout when it falls silent, ProviderError when anything else fails. Cancel-safe: closing the
        generator closes the HTTP response.
        """
        request = self._request(messages, tools, tool_choice, max_tokens)
        answer = Answer([tool.name for tool in tools], self._new_id, thinks_first=self._thinks_first)
        is_complete = False
        try:
            async with self._asked(request) as response, aclosing(events_of(response)) as chunks:
                is_complete = is_framed(response)
                while (data := await self._next(chunks, answer)) is not None:
                    is_complete = is_complete or data == DONE
                    for event in answer.push(self._chunk(data)):
                        yield event
        except ProviderError:
            if not answer.is_finished:  # otherwise all that is missing is how much it cost
                raise
        for event in answer.end(is_complete=is_complete):
            yield event
        self._thinks_first = self._thinks_first or answer.left_tag_out

    async def _next(self, chunks: AsyncGenerator[str, None], answer: Answer) -> str | None:
        """The next event's data; None at the end, which some servers leave open once the answer is finished."""
        if not answer.is_finished:
            return await anext(chunks, None)
        with anyio.move_on_after(_AFTER_FINISH_S):
            return await anext(chunks, None)
        return None

    def _chunk(self, data: str) -> object:
        """Raises ProviderError where it is no JSON, or says that the server failed."""
        if data == DONE:
            return None
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise fault(self._model, ErrorKind.PROTOCOL, f"no JSON: {error}") from error
        if (said := self._server.fault_in(chunk)) is not None:
            raise said
        return chunk

    @asynccontextmanager
    async def _asked(self, request: dict[str, Any]) -> AsyncGenerator["httpx2.Response", None]:
        """The response to the request, put so that the server takes it."""
        fit = self._fit
        for attempt in range(_ADJUSTMENTS + 1):
            body = fit.fitted(request)
            async with AsyncExitStack() as stack:
                try:
                    response = await stack.enter_async_context(self._server.post("chat/completions", body))
                except Refusal as refusal:
                    better = fit.adjusted(refusal.status, refusal.words, body)
                    if better is None or attempt == _ADJUSTMENTS:
                        raise self._server.meaning_of(refusal) from None
                    # Not in the server's words: they may repeat the person's.
                    what = better.changed_from(fit)
                    _log.warning("%s: HTTP %d: asked again, %s", self._model, refusal.status, what)
                    fit = better
                    continue
                self._fit = fit
                yield response
                return

    def _new_id(self) -> str:
        return f"c{next(self._ids):08d}"  # nine letters and digits, as the strictest template wants them

    def _request(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        tool_choice: ToolChoice,
        max_tokens: int | None,
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(message) for message in messages if _says_anything(message)],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = [_tool(tool) for tool in tools]
            if tool_choice != "auto":  # every server's default, and some know no other
                request["tool_choice"] = _choice(tool_choice)
        if max_tokens is not None:
            request["max_tokens"] = max_tokens
        return request


def _says_anything(message: Message) -> bool:
    # Every call must have its result, though it be empty; other messages must not be.
    return bool(message.content or message.tool_calls) or message.role == "tool"


def _message(message: Message) -> dict[str, Any]:
    role = "system" if message.role == "developer" else message.role  # a name that only OpenAI knows
    said: dict[str, Any] = {"role": role, "content": message.content}
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
