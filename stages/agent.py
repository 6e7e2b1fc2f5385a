"""Answers the person: an AGENT stage that streams a language model and runs the tools it asks for.

Theory of operation
-------------------
A turn is at most `tool_rounds` rounds of "ask the model, run the tools it called, append the results" and one
last question without tools, so that every turn ends in words. Each token goes to the stage's stream before the next
one is asked for: back-pressure reaches the model.
Deadlines count the time that the model takes; how long the listener listens is not the model's fault.

A call of a tool that is run elsewhere (`client_tools` in the run's configuration) ends the turn: it goes out in
`client_calls`, after the tools called beside it have run here, and is announced as soon as it is known.

A tool never leaves silence for ever: it has a deadline, and running late, failing or not existing becomes a
result that the model can read and speak about.
"""

from collections.abc import Sequence
from contextlib import aclosing

import anyio

from stageflow.context import Message
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.stages.inputs import UndeclaredDependencyError
from stageflow.tools import Tool, ToolCall, ToolRegistry, ToolResult
from stages.agent_profile import AgentLimits, AgentProfile, ToolUse
from stages.client_tools import Toolbox
from stages.contract import (
    AGENT,
    CALLED,
    CLIENT_TOOLS,
    HEARD_UNTIL,
    MAX_TOKENS,
    ROUTE,
    ROUTER,
    STT,
    TEXT,
    TOOL_CHOICE,
    AgentOutcome,
)
from stages.enrichments import enrichments
from stages.errors import ProviderError, ProviderRejected, StageSettingsError
from stages.model_wait import ModelWait
from stages.patience import failed
from stages.ports import (
    NOTHING_SAID,
    Finished,
    LanguageModel,
    TextDelta,
    ToolChoice,
    Usage,
)
from stages.providers.calls import calling
from stages.text.whole import WholePieces

_RETRY_S = 1.0
"""With less time left than this, a request is not made again."""


class AgentStage:
    """Answers by the profile that the router's `route` names; with one profile only, no router is needed.

    The model is told the profile's instructions, what ENRICH stages before it have found (`ENRICHMENTS`), the
    snapshot's messages and the person's words. The run's configuration may hold `max_tokens`, `client_tools` (see
    `stages.client_tools`) and `tool_choice`. Output: `stages.contract.AgentOutcome`.
    """

    name = AGENT
    kind = StageKind.AGENT

    def __init__(
        self,
        profiles: Sequence[AgentProfile],
        limits: AgentLimits = AgentLimits(),
        *,
        words: str = STT,
        router: str = ROUTER,
    ) -> None:
        """`words` and `router` are the stages that give the person's words and the route. Raises StageSettingsError
        when two profiles share a name or there is none."""
        names = [profile.name for profile in profiles]
        twice = sorted({name for name in names if names.count(name) > 1})
        found = [f"profile {name!r} is there more than once" for name in twice]
        if found or not profiles:
            raise StageSettingsError("the agent", found or ["there is no profile"])
        self._profiles = {profile.name: profile for profile in profiles}
        self._limits = limits
        self._words = words
        self._router = router
        self.reads = (words, router) if len(self._profiles) > 1 else (words,)
        """Names of the stages whose data it needs."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Answer. Ends at once when cancelled, and with it the model's request and the tools."""
        if len(self._profiles) == 1 and not _has_route(ctx, self._router):
            route = next(iter(self._profiles))
        else:
            route = ctx.inputs.require_from(self._router, ROUTE)
        profile = self._profiles.get(route)
        if profile is None:
            known = ", ".join(self._profiles)
            raise StageSettingsError("the agent", [f"route {route!r} leads to no profile; there are {known}"])
        model: LanguageModel | None = profile.model or ctx.ports.llm.llm_provider
        if model is None:
            raise StageSettingsError("the agent", [f"profile {route!r} has no model, nor has the run"])
        try:
            return await _Answer(ctx, profile, model, self._limits).give(self._words)
        except ProviderError as error:
            return failed(error)


class _Answer:
    """One answer on its way."""

    def __init__(
        self,
        ctx: StageContext,
        profile: AgentProfile,
        model: LanguageModel,
        limits: AgentLimits,
    ) -> None:
        self._ctx = ctx
        self._model = model
        self._profile = profile
        self._limits = limits
        ours: ToolRegistry | None = ctx.ports.llm.tool_registry or profile.tools
        if ours is not None and profile.tool_names is not None:
            mine = [tool for tool in ours.tools if profile.may_call(tool.name)]
            ours = ToolRegistry(mine, ours.max_calls_per_turn)
        choice: ToolChoice = ctx.config.get(TOOL_CHOICE, "auto")
        self._tools = Toolbox(ours or ToolRegistry(), ctx.config.get(CLIENT_TOOLS, ()), choice)
        self._max_tokens: int | None = ctx.config.get(MAX_TOKENS) or profile.max_tokens
        self._wait = ModelWait(limits, ctx.config.get(HEARD_UNTIL))
        self._text = ""
        self._usage = Usage()
        self._uses: list[ToolUse] = []

    async def give(self, words_of: str) -> StageOutput:
        messages = self._question(words_of)
        for rounds_left in range(self._limits.tool_rounds, -1, -1):
            text, calls, finished = await self._ask(messages, self._tools.tools if rounds_left else ())
            if not calls or not rounds_left:
                return self._outcome(finished)
            ours, theirs = self._tools.split(calls)
            if ours:
                await self._pause()
            results = await self._run(ours)
            self._uses += map(ToolUse, ours, results)
            if theirs:
                self._ctx.emit_event(CALLED, {"calls": theirs})
                return self._outcome(finished, theirs)
            messages.append(Message(role="assistant", content=text, tool_calls=calls))
            messages += map(_message, results)
        raise AssertionError("the last round returns")

    def _question(self, words_of: str) -> list[Message]:
        told = (self._profile.instructions, enrichments(self._ctx))
        messages = [Message(role="system", content=text) for text in told if text]
        messages += self._ctx.snapshot.messages
        words = self._ctx.inputs.require_from(words_of, TEXT)
        if not words and messages and messages[-1].role == "tool":
            return messages  # the turn goes on with what came of the client's tools
        return [*messages, Message(role="user", content=words or NOTHING_SAID)]

    async def _ask(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> tuple[str, tuple[ToolCall, ...], Finished]:
        """One request to the model, made once more if it fails before its first sign and there is time left."""
        began = anyio.current_time()
        try:
            return await self._request(messages, tools, self._limits.first_token_s)
        except ProviderError as error:
            left_s = began + self._limits.first_token_s - anyio.current_time()
            if self._wait.has_begun or isinstance(error, ProviderRejected) or left_s < _RETRY_S:
                raise
        await anyio.sleep(_RETRY_S / 2)
        return await self._request(messages, tools, left_s - _RETRY_S / 2)

    async def _request(
        self, messages: Sequence[Message], tools: Sequence[Tool], first_s: float
    ) -> tuple[str, tuple[ToolCall, ...], Finished]:
        """Its text, which has been sent, its tool calls, and how it ended."""
        said: list[str] = []
        calls: list[ToolCall] = []
        characters = WholePieces()
        choice = self._tools.choice if tools else "auto"
        patience = self._wait.begin(first_s)
        stream = self._model.stream(messages, tools=tools, tool_choice=choice, max_tokens=self._max_tokens)
        with calling(self._model) as call:
            async with aclosing(stream) as events:
                with patience:
                    event = await self._wait.next(events, is_first=True)
                    while event is not None:
                        call.first()
                        match event:
                            case TextDelta(text=text):
                                if text := characters.push(text):
                                    said.append(text)
                                    await self._send(text)
                            case ToolCall():
                                calls.append(event)
                            case Finished(usage=usage):
                                call.tokens(usage)
                                self._usage = _sum(self._usage, usage)
                                if text := characters.flush():
                                    said.append(text)
                                    await self._send(text)
                                return "".join(said), tuple(calls), event
                        event = await self._wait.next(events, is_first=not said and not calls)
                    raise ProviderError("the model's answer broke off: it ended without saying so")
                raise self._wait.late()

    async def _send(self, token: str) -> None:
        if not token:
            return
        self._text += token
        await self._ctx.stream.send(token)

    async def _pause(self) -> None:
        """End the words before a tool runs, so that those after it do not stick to them."""
        if self._text and not self._text[-1].isspace():
            await self._send(" ")

    async def _run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The calls' results in their order; at once if none changes the world, one by one otherwise."""
        if not all(map(self._tools.is_harmless, calls)):
            return [await self._call(call) for call in calls]
        results: dict[int, ToolResult] = {}

        async def keep(at: int, call: ToolCall) -> None:
            results[at] = await self._call(call)

        async with anyio.create_task_group() as group:
            for at, call in enumerate(calls):
                group.start_soon(keep, at, call)
        return [results[at] for at in range(len(calls))]

    async def _call(self, call: ToolCall) -> ToolResult:
        limit_s = self._limits.tool_s
        await self._tools.ours.registry.wait_ready(call)
        with anyio.move_on_after(limit_s):
            return await self._tools.ours.execute(call)
        text = f"{call.name} did not answer within {limit_s:g} s. It may have taken effect all the same."
        return ToolResult(call.id, call.name, ok=False, text=text, error="timeout")

    def _outcome(self, finished: Finished, client_calls: tuple[ToolCall, ...] = ()) -> StageOutput:
        if not (self._text.strip() or client_calls or self._profile.may_be_silent):
            raise ProviderError(f"the model said nothing at all (it finished by {finished.reason!r})")
        outcome = AgentOutcome(
            text=self._text,
            route=self._profile.name,
            usage=self._usage,
            tool_calls=tuple(self._uses),
            client_calls=client_calls,
            finish_reason=finished.reason,
            expects=finished.expects or self._profile.expects,
        )
        return StageOutput.ok(outcome.data())


def _has_route(ctx: StageContext, router: str) -> bool:
    try:
        return ctx.inputs.get_from(router, ROUTE) is not None
    except UndeclaredDependencyError:
        return False


def _message(result: ToolResult) -> Message:
    return Message(role="tool", content=result.text, tool_call_id=result.call_id, name=result.name)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(one.input_tokens + other.input_tokens, one.output_tokens + other.output_tokens)
