"""Qwen2.5-Coder on this machine's CPU as the agent: small, offline, and for one conversation at a time.

A generation is one call on a worker's thread; its pieces come over to the event loop as they are made. Whoever is
cancelled is free at once, and the model stops at the next token; while it still reads a prompt it cannot be stopped.
What calls of tools it writes are read as those of any chat model; one that is asked for is made to fit its schema.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from secrets import token_hex
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from stageflow.context import Message
from stageflow.tools import Tool
from stages.errors import ErrorKind, ProviderRejected
from stages.ports import ModelCapabilities, ModelEvent, OneTool, ToolChoice
from stages.providers.local_model.engine import Engine, Generated, UnirtEngine
from stages.providers.local_model.prompt import CALL, END, prompt_of, schema_of, without_oldest
from stages.providers.openai.answer import Answer
from stages.runtime.models import model_dir
from stages.runtime.worker import Job, Worker

MOST_TOKENS = 512
"""Of an answer: it is spoken."""

_CHARS_A_TOKEN, _MOST_CHARS_A_TOKEN = 3, 4
"""A prompt of more characters than fit by the first, beside an answer, loses its oldest turns; one that then still has
more than would fit by the second is refused before it is read."""


class LocalModelSettings(BaseModel):
    """What may be configured of it."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: Literal["qwen-1.5b", "qwen-0.5b"] = Field("qwen-1.5b", description="which is fetched and asked")
    context_tokens: int = Field(4096, ge=512, le=32_768, description="how much of a conversation it is told")


class LocalModel:
    """Qwen2.5-Coder (1.5B or 0.5B) on this machine's CPU: no server, no key, one conversation at a time."""

    interface = 1
    title = "{model} (local)"
    capabilities = ModelCapabilities()
    Settings = LocalModelSettings

    def __init__(self, engine: Engine, worker: Worker, context_tokens: int = 4096) -> None:
        self._engine = engine
        self._worker = worker
        self._context_tokens = context_tokens
        self._room_chars = (context_tokens - min(MOST_TOKENS, context_tokens // 4)) * _CHARS_A_TOKEN
        """For a prompt beside its answer."""

    @classmethod
    def from_settings(cls, settings: LocalModelSettings) -> Self:
        """Load it from the store; blocks for seconds. Raises ModelFileError."""
        path = model_dir(settings.model) / "model.gguf"
        engine = UnirtEngine(path, settings.context_tokens)
        return cls(engine, Worker("language model"), settings.context_tokens)

    def close(self) -> None:
        """End the thread and let go of the model. Blocks until it has stopped, so call it off the loop."""
        self._worker.close()
        self._engine.close()

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """See `LanguageModel.stream`."""
        offered = () if tool_choice == "none" else tools
        must_call = bool(offered) and (tool_choice == "required" or isinstance(tool_choice, OneTool))
        prompt = self._prompt(messages, offered)
        generate = partial(
            self._engine.generate,
            prompt + CALL if must_call else prompt,
            max_tokens=min(max_tokens or MOST_TOKENS, MOST_TOKENS),
            stop=(END, "</tool_call>") if must_call else (END,),
            schema=schema_of(offered, tool_choice) if must_call else None,
        )
        answer = Answer([tool.name for tool in offered], lambda: f"call_{token_hex(8)}")
        pieces = _Pieces()
        job = self._worker.submit(lambda: generate(pieces.come), pieces.end)
        try:
            if must_call:
                _feed(answer, CALL)
            async for text in pieces:
                for event in _feed(answer, text):
                    yield event
            for event in _end(answer, job.result()):
                yield event
        finally:
            pieces.leave()
            job.cancel()

    def _prompt(self, messages: Sequence[Message], offered: Sequence[Tool]) -> str:
        """The conversation as text, without its oldest part where that leaves no room for an answer."""
        prompt = prompt_of(messages, offered)
        room = self._room_chars
        if len(prompt) > room:
            prompt = prompt_of(without_oldest(messages, len(prompt) - room, room // 4), offered)
        limit = self._context_tokens * _MOST_CHARS_A_TOKEN
        if len(prompt) > limit:
            raise ProviderRejected(
                f"the conversation has {len(prompt)} characters; the local model takes {limit}",
                kind=ErrorKind.BAD_REQUEST,
            )
        return prompt


def _feed(answer: Answer, text: str) -> list[ModelEvent]:
    return list(answer.push({"choices": [{"index": 0, "delta": {"content": text}}]}))


def _end(answer: Answer, how: Generated) -> list[ModelEvent]:
    last: Mapping[str, Any] = {
        "choices": [
            {"index": 0, "delta": {}, "finish_reason": "length" if how.reason == "length" else "stop"}
        ],
        "usage": {"prompt_tokens": how.prompt_tokens, "completion_tokens": how.tokens},
    }
    return [*answer.push(last), *answer.end(is_complete=True)]


class _State(Enum):
    OPEN = auto()
    OVER = auto()
    """All text has come."""
    LEFT = auto()
    """Nobody wants more."""


class _Pieces:
    """The text of one generation on its way to the event loop: at most as many pieces as it may have tokens."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting = deque[str]()
        self._news = asyncio.Event()
        self._state = _State.OPEN

    def come(self, text: str) -> bool:
        """There is more; False if nobody wants it. On the worker's thread."""
        is_wanted = self._state is not _State.LEFT
        if is_wanted:
            self._loop.call_soon_threadsafe(self._put, text)
        return is_wanted

    def end(self, job: Job[Generated]) -> None:
        """End the generation: that was all."""
        self._state = _State.OVER
        self._news.set()

    def leave(self) -> None:
        """Leave the generation: no more is wanted."""
        self._state = _State.LEFT

    def _put(self, text: str) -> None:
        self._waiting.append(text)
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while self._state is _State.OPEN or self._waiting:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                yield self._waiting.popleft()
