"""Language models as one: the next answers when the first fails, or is late, before its first word."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio

from stageflow.context import Message
from stageflow.tools import Tool
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.ports import Finished, LanguageModel, ModelCapabilities, ModelEvent, Thought, ToolChoice
from stages.providers.failover.chain import Attempt, Chain, common_languages

LATE_S = 3.0
"""To a model's first sign of life: somebody waits for its words."""


class FailoverModel:
    """Language models in the order in which they are asked. Once there were words, an error is one. An answer without
    a word is the next one's to give."""

    def __init__(self, chain: Chain[LanguageModel], late_s: float = LATE_S) -> None:
        self._chain = chain
        self._late_s = late_s

    @classmethod
    def of(cls, providers: Mapping[str, LanguageModel]) -> "FailoverModel":
        """Models by their names, the first choice first."""
        return cls(Chain.of("llm", providers))

    @staticmethod
    def common(several: Sequence[ModelCapabilities]) -> ModelCapabilities:
        """What all of them can do."""
        return ModelCapabilities(
            all(one.tools for one in several), common_languages([one.languages for one in several])
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FailoverModel"]:
        """The same for one session."""
        async with AsyncExitStack() as stack:
            yield FailoverModel(await self._chain.opened(stack), self._late_s)

    async def close(self) -> None:
        """Close those that can be closed."""
        await self._chain.close()

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer of the first that gives one. Raises the last one's ProviderError."""
        for attempt in self._chain.attempts():
            has_words = False
            call = attempt.begins()
            try:
                events = attempt.provider.stream(
                    messages, tools=tools, tool_choice=tool_choice, max_tokens=max_tokens
                )
                async with aclosing(events):
                    async for event in self._punctual(events, attempt):
                        has_words = has_words or not isinstance(event, Thought)
                        if isinstance(event, Finished):
                            call.tokens(event.usage)
                        yield event
                    return
            except ProviderError as error:
                attempt.failed(error)
                if has_words or attempt.is_last:
                    raise

    async def _punctual(
        self, events: AsyncGenerator[ModelEvent, None], attempt: Attempt[LanguageModel]
    ) -> AsyncGenerator[ModelEvent, None]:
        """The events; thoughts are a sign of life, and what comes after the first word has all the time."""
        late_s = math.inf if attempt.is_last else self._late_s
        while True:
            event: ModelEvent | None = None
            with anyio.move_on_after(late_s) as patience:
                event = await anext(events, None)
            if patience.cancelled_caught:
                raise ProviderTimeout(f"no word within {late_s:g} s", kind=ErrorKind.TIMEOUT)
            if event is None:
                break
            if isinstance(event, Finished) and late_s < math.inf and event.reason == "stop":
                raise ProviderError("the answer has no word", kind=ErrorKind.PROTOCOL)
            if not isinstance(event, Thought):
                attempt.succeeded()
                late_s = math.inf
            yield event
        if late_s < math.inf:
            raise ProviderError("the answer ended before it began", kind=ErrorKind.PROTOCOL)
