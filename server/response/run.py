"""One answer on its way: the run of the pipeline for one turn, bound to the client through its ports.

Theory of operation
-------------------
A run owns an output stream (`server.output.outbound`). Tokens and audio of the pipeline go into it and are held
there by the commit gate (`server.response.gate`); when it opens, all of it leaves at once. A refusal, and the apology
for a failure, go the same way: a small pipeline that only speaks.

What the client is told is a lifecycle (`server.response.lifecycle`). `interrupt` is a plain function, so that barge-in
happens between two instructions: history is cut to what was heard and the lifecycle is ended.
"""

import logging
from dataclasses import replace

import anyio

from server.conversation.expectation import said_expectation
from server.conversation.history import messages
from server.conversation.memory import Conversation, Entry, Verdict, cut
from server.conversation.own_calls import OwnCalls
from server.domain.errors import ClientError
from server.domain.values import Response, ResponseReason, SessionConfig
from server.output.outbound import OutputStream, StreamState
from server.response.background import BackgroundWork
from server.response.context import ResponseContext
from server.response.delivery import Delivery
from server.response.early_calls import EarlyCalls
from server.response.gate import CommitGate, GateLock, gated
from server.response.lifecycle import Lifecycle, Outcome, Phase
from server.response.prepared import on_wire
from server.response.prompt import hear_clips, hear_earlier, prompt_of, run_config
from server.response.run_limits import RunLimits, TooLong, Undecided
from server.response.watch import News, RunWatch, StageNews
from server.telemetry.failures import line_of
from server.telemetry.timeline import Timeline
from server.tools.confirmation import with_confirmation
from server.turntaking.question import Question
from stageflow.context import ContextSnapshot
from stageflow.pipeline import PipelineCancelled, PipelineGraph, PipelineResults, StageFailed
from stageflow.stages.ports import StagePorts
from stageflow.tools import ToolRegistry
from stages.agent import ToolUse
from stages.contract import HEARD_UNTIL, AgentOutcome, Stop, roles_of
from stages.errors import StageSettingsError
from stages.ports import Expects
from stages.stt import SpokenTurn

log = logging.getLogger(__name__)

_CUT_BY: dict[str, ResponseReason] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""By the reason that the model gives for its end."""


BLOCKED = ("x_guard", "blocked")
"""In the metadata of a response that is a refusal: its words alone do not tell a program so."""


class ResponseRun:
    """One attempt at answering a turn. `run` makes it; `confirm` lets it out, `drop` and `interrupt` end it at once."""

    def __init__(
        self, timeline: Timeline, question: Question, config: SessionConfig, context: ResponseContext
    ) -> None:
        self.timeline = timeline
        self.run_id = timeline.run
        self.question = question
        self.scope = anyio.CancelScope()
        config = question.options.over(config)
        self._context = context
        self._response = question.response or Response(
            context.conversation.ids.new("resp"),
            config.modality,
            question.options.metadata,
            config,
            question.options.in_conversation,
        )
        self._config = self._response.config
        self._about = context.conversation if question.about is None else question.about
        beside = Conversation(ids=context.conversation.ids)
        replies_to = context.conversation if self._response.in_conversation else beside
        self._lifecycle = Lifecycle(self._response, replies_to, context.outbound)
        self._asked: Entry | None = None
        self._judged: tuple[Entry, ...] = ()
        self._verdict: Verdict | None = None
        self._speech: SpokenTurn | None = None
        self._outcome = Outcome("completed")
        self._calls = EarlyCalls(context.mcp)
        self._own_calls = OwnCalls(context.conversation, lambda: self._lifecycle.entry, lambda: self._asked)
        self._filled_until = 0.0
        self._limits = RunLimits(context.deadlines)
        self._delivery = self._new_delivery()
        self._gate = CommitGate(self.output, on_passed=self._guard_passed, on_open=self._let_out)
        self._work = BackgroundWork(context, self.run_id.turn)

    @property
    def is_spoken(self) -> bool:
        """Whether it is for the ear."""
        return self._response.modality == "audio"

    @property
    def response_id(self) -> str:
        """The response's id, as the client is or will be told."""
        return self._response.id

    @property
    def output(self) -> OutputStream:
        """The way out of what is being said now."""
        return self._delivery.output

    @property
    def is_announced(self) -> bool:
        """Whether the client knows of the response, and has not been told of its end."""
        told = (
            self.output.state is StreamState.OPEN
            or self.question.requested
            or self._lifecycle.first is not None
        )
        return told and self._lifecycle.phase in (Phase.STARTED, Phase.MESSAGE)

    @property
    def item_id(self) -> str | None:
        """The id of what it says, once it has begun."""
        return None if self._lifecycle.entry is None else self._lifecycle.entry.id

    @property
    def text(self) -> str:
        """What has been said, or is about to be."""
        entry = self._lifecycle.entry or self._lifecycle.first
        return "" if entry is None else entry.generated

    @property
    def is_unheard(self) -> bool:
        """Whether it answers something that was spoken, and none of its audio has left."""
        return self.question.utterance is not None and not self.output.pacer.sent_samples

    @property
    def heard_ms(self) -> int:
        """How much of it has been heard."""
        return self._heard_samples() * 1000 // self._config.output_format.rate_hz

    def confirm(self) -> None:
        """The end of the turn is certain: nothing but the guard keeps the answer back any more."""
        if self.question.requested:
            self._lifecycle.start_now(is_told=self.question.is_told)
        self._gate.unlock(GateLock.END_OF_TURN)
        self._note_verdict(self._verdict)

    def fill(self, now: float) -> None:
        """Say that it takes a moment, unless there is something to say already, or nobody listens."""
        pipelines, format = self._context.pipelines, self._config.output_format
        prepared = pipelines.prepared.get(pipelines.filler)
        if prepared is None or not self.is_spoken or self.question.say is not None or self._lifecycle.entry:
            return
        samples, chunks = on_wire(prepared, format)
        self._response = self._delivery.response = self._lifecycle.say_first(prepared.text, samples, chunks)
        self._filled_until = now + samples / format.rate_hz
        self.output.wait_until(self._filled_until)

    def _first_heard_samples(self) -> int:
        """Of what was said ahead of the answer."""
        first, now = self._lifecycle.first, self._context.now() - self._context.half_trip_s()
        all_of_it = sum(piece.samples for piece in first.pieces) if first else 0
        left_s = max(0.0, self._filled_until - now)
        return max(0, all_of_it - round(left_s * self._config.output_format.rate_hz))

    def drop(self) -> None:
        """Forget the answer, of which nothing was let out, and that the person had finished."""
        self.scope.cancel()
        self.output.shut()
        self._calls.drop()
        self._own_calls.forget()
        self._forget()
        utterance = self.question.utterance
        entry = None if utterance is None else self._context.conversation.find(utterance.item_id)
        if entry is not None and not entry.is_told:  # else they had, but want no answer yet
            self._context.conversation.delete(entry.id)

    def fail(self) -> None:
        """End the response after a bug of ours; what was prepared and held is thrown away."""
        if self.is_announced:
            problem = ClientError("server_error", "the server failed to answer", type="server_error")
            self._hush()
            self._finish(replace(self._outcome, status="failed", error=problem))

    def interrupt(self, reason: ResponseReason | None) -> None:
        """Be silent now: flush, cut history to what was heard, tell the client that the response is over.

        Without a reason it was not the person nor the client, but the turn that took too long.
        """
        heard_samples = self._heard_samples()
        was_open, entry = self.output.state is StreamState.OPEN, self._lifecycle.entry
        self._hush()
        if not was_open:
            self._forget()
        elif entry is not None and entry.spoken:
            cut(entry, heard_samples)
        if self._lifecycle.first is not None:
            cut(self._lifecycle.first, self._first_heard_samples())
        elif not was_open and not self.question.requested:
            return
        if reason is not None:
            self._finish(replace(self._outcome, status="cancelled", reason=reason))
        else:
            late = ClientError("server_error", "the answer took too long", type="server_error")
            self._finish(replace(self._outcome, status="failed", error=late))

    # --- the run ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """ResponseRun, and return when the last sample has been played. Cancelled by `scope`."""
        try:
            outcome = await self._run_pipeline()
        except PipelineCancelled as stop:
            await self._decline(stop)
        except StageFailed as failure:
            await self._apologise(failure.stage, line_of(failure), failure)
        except Undecided as late:
            await self._apologise(late.stage, str(late), late)
        except ClientError as problem:
            await self._apologise_for(problem)
        except TooLong:
            await self._end(replace(self._outcome, status="incomplete", reason="max_output_tokens"))
            self._lifecycle.cut_off()
        else:
            await self._end(outcome)
        await self.output.played()

    async def _run_pipeline(self) -> Outcome:
        """Run it, and say how it went."""
        if self.question.say is not None:  # a fixed text depends on nothing that was said
            await self._say(self.question.say)
            return self._outcome
        await hear_earlier(self.question, self._context, self.run_id.turn)
        pipelines = self._context.pipelines
        if await hear_clips(self._about) and self.question.utterance is None:
            self.timeline.mark("transcript", self._context.now())
        self._calls.offered = await self._context.offer(self._response, self._config)
        graph, prompt = self._graph(), self._prompt()
        watch = self._watch(graph)
        ports = self._ports(watch)
        self._work.expect(pipelines.work, prompt, ports, watch.outputs)
        results = await self._limits.keep(
            graph.run(
                prompt,
                ports=ports,
                config={
                    **run_config(self.question, self._config, self._calls.offered),
                    HEARD_UNTIL: self._heard_until if self.is_spoken else None,
                },
                event_sink=watch,
                on_end=watch.ended,
            )
        )
        return self._outcome_of(self._agent_of(graph, results))

    def _graph(self) -> PipelineGraph:
        return self._context.pipelines.voice if self.is_spoken else self._context.pipelines.text

    def _agent_of(self, graph: PipelineGraph, results: PipelineResults) -> AgentOutcome:
        """What the agent gave. Raises StageFailed if no agent has answered."""
        agents = roles_of(graph).agents
        answered = [name for name in agents if results.ok(name)]
        outcome = AgentOutcome.of(results.data(answered[-1])) if answered else AgentOutcome()
        if not outcome.says_something and self._lifecycle.entry is None:
            lack = "gave neither words nor a `text` or `response`" if answered else "did not run"
            raise StageFailed((answered or agents or ("agent",))[-1], f"it {lack}", {}, results)
        return outcome

    def _outcome_of(self, agent: AgentOutcome) -> Outcome:
        uses = [use for use in agent.tool_calls if isinstance(use, ToolUse)]
        self.timeline.tool_errors += [use.result.error for use in uses if use.result.error]
        cut_by = _CUT_BY.get(agent.finish_reason)
        self._outcome = replace(self._outcome, usage=agent.usage)
        if self._lifecycle.entry is not None:
            self._lifecycle.entry.expects = self._expects(agent.expects)
        return replace(
            self._outcome,
            status="incomplete" if cut_by else "completed",
            reason=cut_by,
            calls=self._calls.calling(agent.client_calls),
        )

    def _watch(self, graph: PipelineGraph) -> RunWatch:
        return RunWatch(
            graph,
            self._gate,
            self._limits,
            on_alive=self._live,
            on_route=self._note_route,
            on_calls=self._calls.start,
            on_news=self._tell_news,
            on_end=self._work.go_on,
        )

    def _tell_news(self, news: News) -> None:
        self.output.event_nowait(replace(news, response_id=self.response_id))

    def _live(self) -> None:
        self._context.on_alive(self.run_id)

    def _heard_until(self) -> float:
        return self.output.silent_at(self._context.now())

    def _expects(self, said: object) -> Expects | None:
        """What the agent says that it asks for. A mistake in it is for the log: the answer has been spoken."""
        try:
            return said_expectation(said)
        except StageSettingsError as error:
            log.error("the agent expects no kind of answer", extra=self._fields() | {"pii.error": str(error)})
            return None

    async def _say(self, text: str) -> None:
        self._gate.unlock(GateLock.GUARD)
        prepared = self._context.pipelines.prepared.get(text)
        if prepared is not None and self.is_spoken:
            await self._delivery.say(prepared)
            return
        snapshot = ContextSnapshot(input_text=text, session_id=self._context.session_id)
        pipelines = self._context.pipelines
        graph = pipelines.say if self._response.modality == "audio" else pipelines.say_text
        await graph.run(snapshot, ports=self._ports(), config=run_config(self.question, self._config, {}))

    async def _decline(self, stop: PipelineCancelled) -> None:
        """A stage ended the turn: quietly when nothing was said, with a refusal when the guard blocked it."""
        why = Stop.of(stop, self._graph().stages, self._context.pipelines.refusal)
        if why.refusal is None:
            self._restart()
            await self._end(self._outcome)
            return
        self.timeline.guard = "blocked"
        self._response = self._lifecycle.remark(*BLOCKED)
        if self.output.state is StreamState.OPEN and self._lifecycle.entry is not None:
            await self._break_off()  # what was let out had passed
        else:
            self._restart()
        if why.blames_person:
            if why.blamed is not None:
                self._judged = tuple(entry for place, entry in enumerate(self._judged) if place in why.blamed)
            self._note_verdict("blocked")
        await self._say(why.refusal)
        await self._end(self._outcome)

    async def _apologise(self, stage: str, line: str, failure: StageFailed | Undecided) -> None:
        why = failure.error if isinstance(failure, StageFailed) else line
        fields = self._fields() | {"stage": stage, "pii.error": str(why)}
        self.timeline.failed_stage = stage
        log.error("turn %d: %s", self.run_id.turn, line, extra=fields)
        log.debug("what the stage said", exc_info=failure, extra=fields)
        problem = ClientError("server_error", f"stage {stage!r} failed", type="server_error")
        await self._apologise_for(problem)

    async def _apologise_for(self, problem: ClientError) -> None:
        if self.output.state is StreamState.HELD:
            self._restart()
        else:
            await self._break_off()
        try:
            await self._say(self._context.pipelines.apology)
        except (StageFailed, PipelineCancelled) as again:
            why = line_of(again) if isinstance(again, StageFailed) else "it was given up"
            log.error("turn %d: the apology failed too: %s", self.run_id.turn, why, extra=self._fields())
            await self._break_off()
        await self._end(replace(self._outcome, status="failed", error=problem))

    async def _break_off(self) -> None:
        """Let what was said of the message be heard to its end; what is said next is another, in its own stream."""
        self._calls.drop()
        await self.output.opened.wait()
        await self.output.sent()
        await self.output.played()
        self.output.shut()
        self._response = self._lifecycle.break_off()
        self._renew()

    async def _end(self, outcome: Outcome) -> None:
        self._gate.unlock(GateLock.GUARD)
        await self.output.opened.wait()
        await self.output.sent()
        if outcome.status == "failed" or outcome.calls:
            self._lifecycle.start(self.output)
        self._finish(outcome)

    def _guard_passed(self) -> None:
        self.timeline.guard = "passed"
        self._note_verdict("passed")
        self.timeline.mark("guard", self._context.now())

    def _note_verdict(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        if self._gate.holds(GateLock.END_OF_TURN) or not self._response.in_conversation:
            return  # a pause that is not the end leaves no verdict on what came before, nor does what is out of band
        for entry in self._judged:
            entry.guard = verdict

    def _note_route(self, route: str) -> None:
        self.timeline.route = route
        self.timeline.mark("route", self._context.now())
        if self._asked is not None and self._response.in_conversation:
            self._asked.route = route

    def _prompt(self) -> ContextSnapshot:
        prompt = prompt_of(self.question, self._about, self._config, self._context)
        self._asked, self._judged, self._speech = prompt.asked, prompt.judged, prompt.speech
        self._note_verdict(None)  # what it was before may have been of fewer words
        return prompt.snapshot

    def _ports(self, watch: RunWatch | None = None) -> StagePorts:
        shared = self._context.ports
        # What is only thought beside the conversation changes nothing in the world.
        ours = shared.llm.tool_registry if self._response.in_conversation else ToolRegistry()
        if ours is not None:
            ours = with_confirmation(ours, self._context.confirmed_tools, lambda: messages(self._about))
        tools = gated(ours, self.output, self._own_calls)
        news = StageNews(watch, self._asked)
        return StagePorts(
            core=replace(shared.core, send_status=news.send_status),
            llm=replace(shared.llm, send_token=self._delivery.send_token, tool_registry=tools),
            audio=replace(
                shared.audio,
                send_audio_chunk=self._delivery.send_audio_chunk,
                send_transcript=news.send_transcript,
                audio_in=self._speech,
            ),
            extra=shared.extra,
        )

    # --- the way out --------------------------------------------------------------------------------------

    def _finish(self, outcome: Outcome) -> None:
        if self._lifecycle.phase in (Phase.STARTED, Phase.MESSAGE):
            self.timeline.response_id = self._response.id
        self.timeline.end(outcome.status)
        for placed in self._lifecycle.end(outcome):
            self._calls.place(placed)
        self._calls.drop()

    def _hush(self) -> None:
        """Nothing of it leaves any more."""
        self._calls.drop()
        if self.question.is_out_of_band:
            self.output.shut()
        else:
            self._context.outbound.flush()

    def _forget(self) -> None:
        """Take back an answer of which nothing was let out."""
        self._lifecycle.forget(Phase.STARTED if self.question.requested else Phase.SILENT)

    def _heard_samples(self) -> int:
        return self.output.pacer.heard_samples(self._context.now() - self._context.half_trip_s())

    def _let_out(self) -> None:
        self._lifecycle.let_out()
        self._work.let_out()

    def _restart(self) -> None:
        """Forget what was prepared and begin again, with the gate closed."""
        self.output.shut()
        self._calls.drop()
        self._work.forget()
        self._forget()
        self.timeline.unmark("first_token")
        self._renew()

    def _renew(self) -> None:
        is_paused = self.output.pacer.is_paused
        self._delivery = self._new_delivery()
        self._gate.output = self.output
        if is_paused:
            self.output.pause(self._context.now())

    def _new_delivery(self) -> Delivery:
        outbound, format = self._context.outbound, self._config.output_format
        is_out_of_band = self.question.is_out_of_band
        output = (
            outbound.out_of_band(format) if is_out_of_band else outbound.output(format, self._became_audible)
        )
        output.wait_until(self._filled_until)
        return Delivery(
            output,
            self._response,
            self._lifecycle,
            self.timeline,
            self._context.now,
            step=outbound.share.step,
            on_token=self._live,
            on_speech=self._limits.spoke,
        )

    def _became_audible(self) -> None:
        self.timeline.mark("first_audio", self._context.now())
        self._lifecycle.tell_words()
        self._context.on_audible(self.run_id)

    def _fields(self) -> dict[str, object]:
        return {"session": self._context.session_id, "turn": self.run_id.turn}
