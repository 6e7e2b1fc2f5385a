"""Chat models behind the Responses interface, which OpenAI and a few other servers speak.

Nothing is kept on the server (`store: false`): every request has the whole conversation.
"""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self

from pydantic import Field

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ErrorKind
from stages.ports import (
    Finished,
    ModelCapabilities,
    ModelEvent,
    OneTool,
    TextDelta,
    Thought,
    ToolChoice,
    Usage,
)
from stages.providers.openai.bodies import DONE, events_of
from stages.providers.openai.http import Refusal, Server, ServerSettings
from stages.providers.sockets.faults import fault


class ResponsesSettings(ServerSettings):
    """Where the model is, and which."""

    model: str = Field(
        min_length=1,
        description="the model's name, as its server calls it",
        json_schema_extra={"env": "OPENAI_MODEL"},
    )
    reasoning_effort: str | None = Field(None, description="such as low, for models that think")


class OpenAIResponsesModel:
    """The Responses interface over HTTP: OpenAI's, or a server that speaks it, by `base_url`.

    Implements `stages.ports.LanguageModel`.
    """

    interface = 1
    capabilities = ModelCapabilities()
    Settings = ResponsesSettings

    def __init__(self, settings: ResponsesSettings) -> None:
        self._settings = settings
        self._server = Server(
            settings.model, base_url=settings.base_url, api_key=settings.key, silence_s=settings.silence_s
        )

    @classmethod
    def from_settings(cls, settings: ResponsesSettings) -> Self:
        """Make the client; nothing connects yet."""
        return cls(settings)

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

        Raises ProviderError, as `OpenAIChatModel.stream` does. Cancel-safe: closing the generator closes the response.
        """
        answer = ResponseEvents(self._settings.model)
        body = self._request(messages, tools, tool_choice, max_tokens)
        try:
            async with self._server.post("responses", body) as response:
                async with aclosing(events_of(response)) as events:
                    async for data in events:
                        for event in answer.push(self._event(data)):
                            yield event
                        if answer.is_over:
                            return
        except Refusal as refusal:
            raise self._server.meaning_of(refusal) from None
        raise fault(self._settings.model, ErrorKind.NETWORK, "the answer broke off")

    def _event(self, data: str) -> Mapping[str, Any]:
        if data == DONE:
            return {}
        try:
            event: object = json.loads(data)
        except ValueError as error:
            raise fault(self._settings.model, ErrorKind.PROTOCOL, f"no JSON: {error}") from error
        if not isinstance(event, Mapping):
            return {}
        if event.get("type") == "error":
            event = {"error": event.get("error") or event}
        failed = event.get("response") if event.get("type") == "response.failed" else event
        if (said := self._server.fault_in(failed)) is not None:
            raise said
        return event

    def _request(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        tool_choice: ToolChoice,
        max_tokens: int | None,
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._settings.model,
            "input": [item for message in messages for item in _items(message)],
            "stream": True,
            "store": False,
        }
        if tools:
            request["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                    "strict": False,
                }
                for tool in tools
            ]
            if tool_choice != "auto":
                request["tool_choice"] = _choice(tool_choice)
        if max_tokens is not None:
            request["max_output_tokens"] = max(16, max_tokens)  # less is refused
        if self._settings.reasoning_effort:
            request["reasoning"] = {"effort": self._settings.reasoning_effort}
        return request


def _choice(choice: ToolChoice) -> object:
    return {"type": "function", "name": choice.name} if isinstance(choice, OneTool) else choice


def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message.tool_call_id or "",
            "output": message.content,
        }
        return
    if message.content:
        yield {"role": message.role, "content": message.content}
    for call in message.tool_calls:
        arguments = call.arguments
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": written}


class ResponseEvents:
    """One answer, event by event. Pure."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: list[ToolCall] = []
        self.is_over = False

    def push(self, event: Mapping[str, Any]) -> Iterator[ModelEvent]:
        """What an event brings; types that are unknown say nothing to us. Raises ProviderError."""
        kind = str(event.get("type") or "")
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                if delta := str(event.get("delta") or ""):
                    yield TextDelta(delta)
            case "response.function_call_arguments.delta":
                yield Thought()
            case "response.output_item.done":
                self._item(event.get("item") or {})
            case "response.completed" | "response.incomplete":
                self.is_over = True
                yield from self._calls
                yield self._finished(event.get("response") or {}, is_whole=kind == "response.completed")
            case "response.failed":
                raise fault(self._name, ErrorKind.SERVER, "the response failed")
            case _ if kind.startswith("response.reasoning") and kind.endswith(".delta"):
                yield Thought(str(event.get("delta") or ""))
            case _:
                pass

    def _item(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "function_call" and item.get("name"):
            call_id = str(item.get("call_id") or item.get("id") or f"call_{len(self._calls)}")
            self._calls.append(ToolCall(call_id, str(item["name"]), item.get("arguments") or "{}"))

    def _finished(self, response: Mapping[str, Any], *, is_whole: bool) -> Finished:
        spent = response.get("usage") or {}
        usage = Usage(spent.get("input_tokens") or 0, spent.get("output_tokens") or 0)
        if self._calls:
            return Finished("tool_calls", usage)
        if is_whole:
            return Finished("stop", usage)
        why = (response.get("incomplete_details") or {}).get("reason")
        return Finished("content_filter" if why == "content_filter" else "length", usage)
