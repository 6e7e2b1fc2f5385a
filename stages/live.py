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
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from stageflow.core import StageCall, StageContext, StageOutput, StageStatus
from stageflow.interceptors import Interceptor
from stageflow.streams import StreamWriter
from stages.contract import STT, TEXT, AgentOutcome

Send = Callable[[str], Awaitable[None]]


class LiveStages(Interceptor):
    """Goes around every stage of a live pipeline. Holds no state of a run."""

    priority = -100

    def __init__(self, *, after_words: Iterable[str], producers: Iterable[str], feeds: Iterable[str]) -> None:
        """Names of stages: those that start when `stt` has ended, those whose stream is an answer on its way, and of
        these the ones that the voice reads."""
        self._after_words = frozenset(after_words)
        self._producers = frozenset(producers)
        self._feeds = frozenset(feeds)

    async def around(self, stage_name: str, ctx: StageContext, call: StageCall) -> StageOutput:
        """Run the stage with what it is to have. Cancel-safe."""
        given = _with_words(ctx) if stage_name in self._after_words else ctx
        if stage_name not in self._producers:
            return await call(given)
        show: Send | None = ctx.ports.llm.send_token if stage_name in self._feeds else None
        answer = _Answer(ctx.stream, show)
        output = await call(_speaking(given, answer))
        whole = AgentOutcome.of(output.data).text
        if output.status is StageStatus.OK and whole and not answer.sent:
            await answer.send(whole)
        return output


class _Answer:
    """What one stage sends; stands in for its `StreamWriter`."""

    def __init__(self, stream: StreamWriter, show: Send | None) -> None:
        self._stream = stream
        self._show = show
        self._chars = 0
        self._streamed_chars = 0
        self._token_chars = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody reads it or sees it."""
        return self._show is not None or self._stream.wanted

    @property
    def sent(self) -> int:
        """Items so far."""
        return self._stream.sent

    def close(self, error: Exception | None = None) -> None:
        """End the stream."""
        self._stream.close(error)

    async def send(self, item: Any) -> None:
        """Send an item by the stream; what of a text was sent as a token already is not sent again."""
        if isinstance(item, str):
            self._streamed_chars += len(item)
            item = self._new(item, self._streamed_chars)
        await self._pass_on(item)

    async def token(self, token: str) -> None:
        """The same by the `send_token` port."""
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


def _speaking(ctx: StageContext, answer: _Answer) -> StageContext:
    ports = replace(ctx.ports, llm=replace(ctx.ports.llm, send_token=answer.token))
    stream = cast("StreamWriter", answer)
    return replace(ctx, stream=stream, inputs=replace(ctx.inputs, ports=ports))
