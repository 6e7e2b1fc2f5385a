"""One run of a pipeline for a response: what it is given, what it is bound to, and what came of it."""

import logging
from dataclasses import replace

from server.conversation.asked import unanswered
from server.conversation.expectation import said_expectation
from server.conversation.history import messages
from server.domain.values import ResponseReason
from server.response.background import BackgroundWork
from server.response.context import ResponseContext
from server.response.events import ResponseOutcome
from server.response.gated_tools import gated
from server.response.lifecycle import LifecycleEvent
from server.response.output import ResponseOutput
from server.response.prompt import Prompt, hear_clips, hear_earlier, prompt_of, run_config
from server.response.run_limits import RunLimits
from server.response.verdicts import Verdicts
from server.response.watch import RunWatch, StageNews
from server.telemetry.timeline import Timeline
from server.tools.confirmation import with_confirmation
from server.turntaking.question import Question
from stageflow.context import ContextSnapshot
from stageflow.pipeline import PipelineGraph, PipelineResults, StageFailed
from stageflow.stages.ports import StagePorts
from stageflow.tools import ToolRegistry
from stages.agent_profile import ToolUse
from stages.contract import HEARD_UNTIL, TTS, AgentOutcome, roles_of
from stages.errors import StageSettingsError
from stages.ports import Expects

log = logging.getLogger(__name__)

_CUT_BY: dict[str, ResponseReason] = {"length": "length", "content_filter": "content_filter"}
"""By the reason that the model gives for its end."""
_NO_ANSWER = {"error_type": "NoAnswer"}
"""The data of a failure of which the log says all: it holds nobody's words."""


class PipelineRun:
    """The pipeline's run for one response, or of one that only speaks. Cancelled by whoever awaits it."""

    def __init__(
        self,
        timeline: Timeline,
        question: Question,
        context: ResponseContext,
        *,
        output: ResponseOutput,
        verdicts: Verdicts,
        limits: RunLimits,
        work: BackgroundWork,
    ) -> None:
        self._timeline = timeline
        self._question = question
        self._context = context
        self._output = output
        self._verdicts = verdicts
        self._limits = limits
        self._work = work
        self._config = output.events.response.config
        self._about = context.conversation if question.about is None else question.about
        self._prompt: Prompt | None = None

    @property
    def graph(self) -> PipelineGraph:
        """The pipeline that answers."""
        pipelines = self._context.pipelines
        return pipelines.voice if self._output.events.response.modality == "audio" else pipelines.text

    async def run(self) -> ResponseOutcome:
        """Run it, and say how it went. Raises StageFailed, PipelineCancelled, Overdue, TooLong, and ClientError for a
        conversation that is too long."""
        context, calls = self._context, self._output.calls
        waiting = unanswered(self._about)
        await hear_earlier(self._question, context, self._timeline.run.turn)
        if await hear_clips(self._about, context.deadlines.clip_s) and self._question.utterance is None:
            self._timeline.mark("transcript", context.now())
        calls.offered = await context.offer(self._output.events.response, self._config)
        graph, prompt = self.graph, prompt_of(self._question, self._about, self._config, context, waiting)
        self._prompt, self._output.own_calls.asked = prompt, prompt.asked
        self._verdicts.asked(prompt)
        watch = RunWatch(graph, self._output, self._verdicts, self._limits, self._work, context)
        ports = self._ports(watch)
        self._work.expect(context.pipelines.work, prompt.snapshot, ports, watch.outputs)
        is_spoken = self._output.events.response.modality == "audio"
        results = await self._limits.keep(
            graph.run(
                prompt.snapshot,
                ports=ports,
                config={
                    **run_config(self._question, self._config, calls.offered, context.language.chosen),
                    HEARD_UNTIL: self._heard_until if is_spoken else None,
                },
                event_sink=watch,
                on_end=watch.ended,
            ),
            self._heard_until if is_spoken else None,
        )
        return self._outcome_of(self._agent_of(graph, results))

    async def say(self, text: str) -> None:
        """Say a text that no guard need see. Raises StageFailed and PipelineCancelled."""
        self._output.feed(LifecycleEvent.GUARD_PASSED)
        pipelines = self._context.pipelines
        is_spoken = self._output.events.response.modality == "audio"
        prepared = pipelines.prepared.get(text)
        if prepared is not None and is_spoken:
            await self._output.streams.delivery.say(prepared)
            return
        graph = pipelines.say if is_spoken else pipelines.say_text
        await graph.run(
            ContextSnapshot(input_text=text, session_id=self._context.session_id),
            ports=self._ports(None),
            config=run_config(self._question, self._config, {}, self._context.language.chosen),
        )

    def _ports(self, watch: RunWatch | None) -> StagePorts:
        shared, delivery, prompt = self._context.ports, self._output.streams.delivery, self._prompt
        # What is only thought beside the conversation changes nothing in the world.
        in_conversation = self._output.events.response.in_conversation
        ours = shared.llm.tool_registry if in_conversation else ToolRegistry()
        if ours is not None:
            ours = with_confirmation(ours, self._context.confirmed_tools, lambda: messages(self._about))
        news = StageNews(watch, prompt.asked if prompt else None)
        return StagePorts(
            core=replace(shared.core, send_status=news.send_status),
            llm=replace(
                shared.llm,
                send_token=delivery.send_token,
                tool_registry=gated(ours, delivery.output, self._output.own_calls),
            ),
            audio=replace(
                shared.audio,
                send_audio_chunk=delivery.send_audio_chunk,
                send_transcript=news.send_transcript,
                audio_in=prompt.speech if prompt else None,
            ),
            extra=shared.extra,
        )

    def _heard_until(self) -> float:
        return self._output.streams.current.silent_at(self._context.now())

    def _agent_of(self, graph: PipelineGraph, results: PipelineResults) -> AgentOutcome:
        """What the agent gave. Raises StageFailed if no agent has answered, or nothing of it came through."""
        agents = roles_of(graph).agents
        answered = [name for name in agents if results.ok(name)]
        outcome = AgentOutcome.of(results.data(answered[-1])) if answered else AgentOutcome()
        if self._output.events.entry is not None:
            return outcome
        if not outcome.says_something:
            lack = "gave neither words nor a `text` or `response`" if answered else "did not run"
            raise StageFailed((answered or agents or ("agent",))[-1], f"it {lack}", _NO_ANSWER, results)
        if outcome.text and not outcome.client_calls:
            last = next(spec for spec in graph.stages if spec.name == TTS).streams[-1]
            raise StageFailed(last, "it let nothing of the answer through", _NO_ANSWER, results)
        return outcome

    def _outcome_of(self, agent: AgentOutcome) -> ResponseOutcome:
        uses = [use for use in agent.tool_calls if isinstance(use, ToolUse)]
        self._timeline.tool_errors += [use.result.error for use in uses if use.result.error]
        cut_by = _CUT_BY.get(agent.finish_reason)
        self._output.usage = agent.usage
        if self._output.events.entry is not None:
            self._output.events.entry.expects = self._expects(agent.expects)
        return ResponseOutcome(
            "incomplete" if cut_by else "completed",
            cut_by,
            usage=agent.usage,
            calls=self._output.calls.calling(agent.client_calls),
        )

    def _expects(self, said: object) -> Expects | None:
        """What the agent says that it asks for. A mistake in it is for the log: the answer has been spoken."""
        try:
            return said_expectation(said)
        except StageSettingsError as error:
            fields = {"session": self._context.session_id, "turn": self._timeline.run.turn}
            log.error("the agent expects no kind of answer", extra=fields | {"pii.error": str(error)})
            return None
