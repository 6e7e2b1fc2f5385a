"""What the stages of a pipeline are given in a live turn beyond what the framework gives: words, eyes and a voice.

Theory of operation
-------------------
A spoken turn's words are not known when its run begins. So a stage after `stt` is shown them in its snapshot's
`input_text`, where a typed turn has them: a stage need not know how the person said them.

What is *shown and remembered* is what feeds the voice: each item of the stream that the voice reads is handed to the
run's `send_token` first. A stage between the agent and the voice changes all of it at once.

An agent may answer through its stream, through its `send_token` port, or with a whole text in its output. The first two
are one text by two ways: what comes by either first counts. The third is sent when the stage has ended, if it had sent
nothing.

An agent of somebody's own that reads no stream has a limited time for its *first sign*: an item, a token, an event, a
call of a tool. Later on its silence counts as that of any stage, for whoever owns the run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from stageflow.core import StageCall, StageContext, StageOutput, StageStatus
from stageflow.frozen import EMPTY
from stageflow.interceptors import Interceptor
from stageflow.streams import StreamWriter
from stageflow.tools import Tool, ToolRegistry
from stages.contract import STT, TEXT, AgentOutcome

Send = Callable[[str], Awaitable[None]]


class LiveStages(Interceptor):
    """Goes around every stage of a live pipeline. Holds no state of a run."""

    priority = -100

    def __init__(
        self,
        *,
        after_words: Iterable[str],
        producers: Iterable[str],
        feeds: Iterable[str],
        first_sign_s: Mapping[str, float] = EMPTY,
    ) -> None:
        """Names of stages: those that start when `stt` has ended, those whose stream is an answer on its way, of these
        the ones that the voice reads, and those with a limit for their first sign, in seconds."""
        self._after_words = frozenset(after_words)
        self._producers = frozenset(producers)
        self._feeds = frozenset(feeds)
        self._first_sign_s = first_sign_s

    async def around(self, stage_name: str, ctx: StageContext, call: StageCall) -> StageOutput:
        """Run the stage with what it is to have. Cancel-safe."""
        given = _with_words(ctx) if stage_name in self._after_words else ctx
        if stage_name not in self._producers:
            return await call(given)
        show: Send | None = ctx.ports.llm.send_token if stage_name in self._feeds else None
        answer = _Answer(ctx.stream, show)
        limit_s, speaking = self._first_sign_s.get(stage_name), _speaking(given, answer)
        output = await (call(speaking) if limit_s is None else _begun_in(limit_s, speaking, answer, call))
        whole = AgentOutcome.of(output.data).text
        if output.status is StageStatus.OK and whole and not answer.sent:
            await answer.send(whole)
        return output


class _Answer:
    """What one stage sends; stands in for its `StreamWriter`."""

    def __init__(self, stream: StreamWriter, show: Send | None) -> None:
        self._stream = stream
        self._show = show
        self.has_begun = False
        self._chars = 0
        self._streamed_chars = 0
        self._token_chars = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody reads it or sees it."""
        return self._show is not None or self._stream.wanted

    @property
    def sent(self) -> int:
        """How many items were sent so far."""
        return self._stream.sent

    def close(self, error: Exception | None = None) -> None:
        """End the stream."""
        self._stream.close(error)

    async def send(self, item: Any) -> None:
        """Send an item by the stream; what of a text was sent as a token already is not sent again."""
        self.has_begun = True
        if isinstance(item, str):
            self._streamed_chars += len(item)
            item = self._new(item, self._streamed_chars)
        await self._pass_on(item)

    async def token(self, token: str) -> None:
        """The same by the `send_token` port."""
        self.has_begun = True
        self._token_chars += len(token)
        await self._pass_on(self._new(token, self._token_chars))

    def _new(self, text: str, chars: int) -> str:
        """The part of a text, which ends after so many characters, that has not been sent."""
        new, self._chars = max(0, chars - self._chars), max(self._chars, chars)
        return text[len(text) - new :]

    async def _pass_on(self, item: Any) -> None:
        if item == "":
            return
        if self._show is not None and isinstance(item, str):
            await self._show(item)
        await self._stream.send(item)


def _with_words(ctx: StageContext) -> StageContext:
    """The context of a spoken turn's stage, with the person's words in its snapshot."""
    if ctx.snapshot.input_text:
        return ctx
    words = ctx.inputs.get_from(STT, TEXT)
    if not isinstance(words, str) or not words:
        return ctx
    snapshot = replace(ctx.snapshot, input_text=words)
    return replace(ctx, snapshot=snapshot, inputs=replace(ctx.inputs, snapshot=snapshot))


async def _begun_in(limit_s: float, ctx: StageContext, answer: _Answer, call: StageCall) -> StageOutput:
    """Call the stage. Without a sign of an answer in time it is ended as at a `timeout_s`, even if it would not end."""

    def look() -> None:
        if not answer.has_begun and not ctx.events:
            ctx.fate.miss_limit(f"it gave no sign of an answer within {limit_s:g} s")

    timer = asyncio.get_running_loop().call_later(limit_s, look)
    try:
        return await call(_with_telling_tools(ctx, answer))
    finally:
        timer.cancel()


def _with_telling_tools(ctx: StageContext, answer: _Answer) -> StageContext:
    """The context of a stage whose calls of tools are signs of an answer."""
    registry = ctx.ports.llm.tool_registry
    if not isinstance(registry, ToolRegistry):
        return ctx

    def telling(tool: Tool) -> Tool:
        async def begin() -> None:
            answer.has_begun = True
            if tool.before is not None:
                await tool.before()

        return replace(tool, before=begin)

    tools = ToolRegistry(map(telling, registry.tools), registry.max_calls_per_turn)
    return _with_llm(ctx, tool_registry=tools)


def _speaking(ctx: StageContext, answer: _Answer) -> StageContext:
    return replace(_with_llm(ctx, send_token=answer.token), stream=cast("StreamWriter", answer))


def _with_llm(ctx: StageContext, **services: Any) -> StageContext:
    """The context with other services of the model's."""
    ports = replace(ctx.ports, llm=replace(ctx.ports.llm, **services))
    return replace(ctx, inputs=replace(ctx.inputs, ports=ports))
