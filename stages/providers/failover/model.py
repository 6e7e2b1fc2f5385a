"""Language models as one: the next answers when the first fails, or is late, before its first word."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.abc import TaskGroup

from stageflow.context import Message
from stageflow.tools import Tool
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.patience import patience
from stages.ports import Finished, LanguageModel, ModelCapabilities, ModelEvent, Thought, ToolChoice
from stages.providers.failover.chain import Attempt, Chain, common_languages
from stages.providers.failover.hedge import Pump

LATE_S = 3.0
"""To a model's first sign of life: somebody waits for its words."""


_Ask = Callable[[LanguageModel], AsyncGenerator[ModelEvent, None]]


@dataclass(slots=True)
class _Asked:
    """One question to the models of a chain."""

    by: Attempt[LanguageModel]
    """Whose answer it is."""


class FailoverModel:
    """Language models in the order in which they are asked. Once there were words, an error is one. An answer without
    a word is the next one's to give."""

    def __init__(
        self, chain: Chain[LanguageModel], late_s: float = LATE_S, tasks: TaskGroup | None = None
    ) -> None:
        """`tasks` are the session's; without them no model is asked beside another."""
        self._chain = chain
        self._late_s = late_s
        self._tasks = tasks

    @classmethod
    def of(cls, providers: Mapping[str, LanguageModel], *, hedge: bool = False) -> "FailoverModel":
        """Models by their names, the first choice first. `hedge`: the next is asked beside one that is later than it
        usually is, in a session."""
        return cls(Chain.of("llm", providers, hedge=hedge))

    @property
    def hedges(self) -> bool:
        """Whether a model may be asked beside one that is late."""
        return self._chain.budget is not None

    @staticmethod
    def common(several: Sequence[ModelCapabilities]) -> ModelCapabilities:
        """What all models of the chain can do."""
        return ModelCapabilities(
            all(one.tools for one in several), common_languages([one.languages for one in several])
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FailoverModel"]:
        """The same for one session."""
        async with AsyncExitStack() as stack:
            chain = await self._chain.opened(stack)
            if chain.budget is None:
                yield FailoverModel(chain, self._late_s)
                return
            try:
                async with anyio.create_task_group() as tasks:
                    yield FailoverModel(chain, self._late_s, tasks)
                    tasks.cancel_scope.cancel()
            except BaseExceptionGroup as several:  # the block's error, which leaves it as it is
                raise several.exceptions[0] from None

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
            attempt.begins()
            asked = _Asked(attempt)
            ask = partial(_ask, messages, tools, tool_choice, max_tokens)
            try:
                events = self._hedged(asked, ask)
                async with aclosing(events):
                    async for event in self._punctual(events, asked):
                        has_words = has_words or not isinstance(event, Thought)
                        if isinstance(event, Finished) and asked.by.call is not None:
                            asked.by.call.tokens(event.usage)
                        yield event
                    return
            except ProviderError as error:
                asked.by.failed(error)
                if has_words or attempt.is_last:
                    raise

    async def _hedged(self, asked: "_Asked", ask: "_Ask") -> AsyncGenerator[ModelEvent, None]:
        """The events of the model that was asked, or, where it is late, of whichever of two has the first word."""
        first = asked.by
        after_s = self._chain.hedge_after_s(first) if self._tasks is not None else None
        if self._tasks is None or after_s is None:
            async with aclosing(ask(first.provider)) as events:
                async for event in events:
                    yield event
            return
        ours = rival = Pump(self._tasks, ask(first.provider))
        try:
            with anyio.move_on_after(after_s):
                while not (_has_word(ours) or ours.is_over):
                    await ours.change()
            if not (_has_word(ours) or ours.is_over) and (other := self._chain.hedge(first)) is not None:
                rival = Pump(self._tasks, ask(other.provider))
                if await _first_of(ours, rival) is rival:
                    first.was_late()
                    self._chain.tell(first, other)
                    asked.by, ours, rival = other, rival, ours
                rival.cancel()
            async with aclosing(ours.events()) as events:
                async for event in events:
                    yield event
        finally:
            ours.cancel()
            rival.cancel()

    async def _punctual(
        self, events: AsyncGenerator[ModelEvent, None], asked: "_Asked"
    ) -> AsyncGenerator[ModelEvent, None]:
        """The events; thoughts are a sign of life, and what comes after the first word has all the time."""
        late_s = math.inf if asked.by.is_last else self._late_s
        while True:
            event: ModelEvent | None = None
            with patience(late_s) as scope:
                event = await anext(events, None)
            if scope.cancelled_caught:
                raise ProviderTimeout(f"no word within {late_s:g} s", kind=ErrorKind.TIMEOUT)
            if event is None:
                break
            if isinstance(event, Finished) and late_s < math.inf and event.reason == "stop":
                raise ProviderError("the answer has no word", kind=ErrorKind.PROTOCOL)
            if not isinstance(event, Thought):
                asked.by.succeeded()
                late_s = math.inf
            yield event
        if late_s < math.inf:
            raise ProviderError("the answer ended before it began", kind=ErrorKind.PROTOCOL)


def _ask(
    messages: Sequence[Message],
    tools: Sequence[Tool],
    tool_choice: ToolChoice,
    max_tokens: int | None,
    model: LanguageModel,
) -> AsyncGenerator[ModelEvent, None]:
    return model.stream(messages, tools=tools, tool_choice=tool_choice, max_tokens=max_tokens)


def _has_word(pump: Pump[ModelEvent]) -> bool:
    """Whether there is something to say, or to tell of, if only that there is nothing."""
    has_ended = pump.is_over and pump.error is None
    return has_ended or any(not isinstance(event, Thought) for event in pump.waiting)


async def _first_of(ours: Pump[ModelEvent], rival: Pump[ModelEvent]) -> Pump[ModelEvent]:
    """Which of two has the first word; where both fail, the first one has."""
    while not (ours.is_over and rival.is_over):
        for one in (ours, rival):
            if _has_word(one):
                return one
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_change, ours, tasks.cancel_scope)
            tasks.start_soon(_change, rival, tasks.cancel_scope)
    return rival if _has_word(rival) and not _has_word(ours) else ours


async def _change(pump: Pump[ModelEvent], scope: anyio.CancelScope) -> None:
    if pump.is_over:
        await anyio.sleep_forever()
    await pump.change()
    scope.cancel()
