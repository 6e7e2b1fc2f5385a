"""How a response ends: with its answer, with a refusal instead, or with an apology; and that it is told in any case."""

import logging
from dataclasses import replace

from server.domain.errors import ClientError, Fault
from server.domain.values import ResponseReason, ResponseStatus
from server.response.context import ResponseContext
from server.response.events import ResponseOutcome
from server.response.lifecycle import HELD, LifecycleEvent, LifecycleState
from server.response.output import ResponseOutput
from server.response.pipeline_run import PipelineRun
from server.response.run_limits import Overdue
from server.response.verdicts import Verdicts
from server.telemetry.failures import line_of
from server.telemetry.timeline import Timeline
from stageflow.pipeline import PipelineCancelled, StageFailed
from stages.contract import Stop

log = logging.getLogger(__name__)

BLOCKED = ("x_guard", "blocked")
"""In the metadata of a response that is a refusal: its words alone do not tell a program so."""


class Endings:
    """Ends one response, in one of the ways in which it can."""

    def __init__(
        self,
        timeline: Timeline,
        context: ResponseContext,
        output: ResponseOutput,
        verdicts: Verdicts,
        pipeline: PipelineRun,
    ) -> None:
        self._timeline = timeline
        self._context = context
        self._output = output
        self._verdicts = verdicts
        self._pipeline = pipeline

    def outcome(
        self,
        status: ResponseStatus,
        reason: ResponseReason | None = None,
        *,
        error: ClientError | None = None,
    ) -> ResponseOutcome:
        """An end of it that is not the pipeline's own."""
        return ResponseOutcome(status, reason, error, self._output.usage)

    async def end(self, outcome: ResponseOutcome) -> None:
        """Tell the end, once all that was said has left."""
        stream = self._output.streams.current
        self._output.feed(LifecycleEvent.GUARD_PASSED)
        await stream.opened.wait()
        await stream.sent()
        self._output.feed(LifecycleEvent.FINISHED, outcome)

    async def cut_off(self) -> None:
        """It has been speaking for as long as it may: what is remembered is what was spoken."""
        self._output.events.cut_off()
        await self.end(self.outcome("incomplete", "length"))

    async def decline(self, stop: PipelineCancelled) -> None:
        """A stage ended the turn: quietly when nothing was said, with a refusal when the guard blocked it."""
        why = Stop.of(stop, self._pipeline.graph.stages, self._context.pipelines.refusal)
        is_said = self._output.lifecycle.state is LifecycleState.MESSAGE
        if why.refusal is None:
            if not is_said:
                self._output.restart()
            else:  # what was let out is kept, as far as it got a voice
                self._output.events.cut_off()
            await self.end(replace(self.outcome("completed"), is_answer=False))
            return
        self._verdicts.blocked(why)
        self._output.events.remark(*BLOCKED)
        if is_said:
            await self._output.break_off()  # what was let out had passed
        else:
            self._output.restart()
        await self._pipeline.say(why.refusal)
        await self.end(self.outcome("completed"))

    async def apologise(self, stage: str, line: str, failure: StageFailed | Overdue) -> None:
        """A stage has failed, or has taken too long."""
        why = failure.error if isinstance(failure, StageFailed) else line
        fields = self._fields() | {"stage": stage, "pii.error": str(why)}
        self._timeline.failed_stage = stage
        log.error("turn %d: %s", self._timeline.run.turn, line, extra=fields)
        log.debug("what the stage said", exc_info=failure, extra=fields)
        await self.apologise_for(ClientError(Fault.FAILURE, f"stage {stage!r} failed", blame="server"))

    async def apologise_for(self, problem: ClientError) -> None:
        """Say aloud that there is no answer, and tell the client why."""
        if self._output.lifecycle.state in HELD:
            self._output.restart()
        else:
            await self._output.break_off()
        try:
            await self._pipeline.say(self._context.apology)
        except (StageFailed, PipelineCancelled) as again:
            why = line_of(again) if isinstance(again, StageFailed) else "it was given up"
            log.error(
                "turn %d: the apology failed too: %s", self._timeline.run.turn, why, extra=self._fields()
            )
            await self._output.break_off()
        await self.end(self.outcome("failed", error=problem))

    def _fields(self) -> dict[str, object]:
        return {"session": self._context.session_id, "turn": self._timeline.run.turn}
