"""A chat model through the `openai` package: any server that speaks its chat completions, ours or theirs."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Finished, ModelEvent, TextDelta, Usage


class OpenAIChatModel:
    """`stages.ports.LanguageModel` over `/chat/completions`. One HTTP pool, shared by all sessions."""

    def __init__(
        self, model: str, *, api_key: str | None, base_url: str | None = None, timeout_s: float = 30.0
    ) -> None:
        import openai  # a second of import that only chat models pay

        self._openai = openai
        self._model = model
        # Local servers need no key, the package does.
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none", base_url=base_url, timeout=timeout_s, max_retries=1
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncGenerator[ModelEvent, None]:
        """The model's answer as it comes. Raises ProviderError. Closing the generator closes the request."""
        openai = self._openai
        request: dict[str, Any] = {"model": self._model, "messages": [_plain(m) for m in messages]}
        if tools:
            request["tools"] = [_declared(tool) for tool in tools]
        if max_tokens is not None:
            request["max_tokens"] = max_tokens
        answer = _Answer()
        try:
            async with await self._client.chat.completions.create(
                **request, stream=True, stream_options={"include_usage": True}
            ) as chunks:
                async for chunk in chunks:
                    if text := answer.take(chunk):
                        yield TextDelta(text)
        except openai.APITimeoutError as error:
            raise ProviderTimeout("the chat model did not answer in time") from error
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.BadRequestError) as error:
            raise ProviderRejected(f"the chat model refused the request: {error}") from error
        except openai.OpenAIError as error:
            raise ProviderError(f"the chat model failed: {error}") from error
        for call in answer.calls():
            yield call
        yield answer.finished()


class _Answer:
    """What an answer's chunks add up to."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, str]] = {}
        self._reason = "stop"
        self._usage = Usage()

    def take(self, chunk: Any) -> str:
        """Take a chunk and give its text; servers differ in what they leave out."""
        if chunk.usage is not None:
            self._usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._reason = choice.finish_reason or self._reason
        if choice.delta is None:
            return ""
        for part in choice.delta.tool_calls or ():
            index = part.index if part.index is not None else len(self._calls)
            call = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
            call["id"] = part.id or call["id"]
            if part.function is not None:
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
        return choice.delta.content or ""

    def calls(self) -> list[ToolCall]:
        """The tool calls, whole."""
        return [
            ToolCall(call["id"] or f"call_{index}", call["name"], call["arguments"] or "{}")
            for index, call in sorted(self._calls.items())
        ]

    def finished(self) -> Finished:
        """How it ended."""
        if self._calls:
            return Finished("tool_calls", self._usage)
        if self._reason == "length":
            return Finished("length", self._usage)
        return Finished("content_filter" if self._reason == "content_filter" else "stop", self._usage)


def _plain(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        plain["tool_calls"] = [_called(call) for call in message.tool_calls]
    return plain


def _called(call: ToolCall) -> dict[str, Any]:
    import json

    text = call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments))
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}


def _declared(tool: Tool) -> dict[str, Any]:
    declared = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": declared}
