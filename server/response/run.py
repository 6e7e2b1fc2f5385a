"""One response from its start to the end of its playout: the run of the pipeline for one turn, bound to the client.

Theory of operation
-------------------
Four parts make a response. Its *lifecycle* (`server.response.lifecycle`) is a table: where it stands, and what to do
when something happens. Its *output* (`server.response.output`) obeys that: the events, and the stream in which tokens
and audio wait until the gate opens. The *pipeline's run* (`server.response.pipeline_run`) makes the words and the
voice, and *verdicts* (`server.response.verdicts`) are what its guards say. A refusal, and the apology for a failure, go
the same way: a small pipeline that only speaks.

`confirm`, `interrupt` and the others are plain functions: they feed the lifecycle, and nothing comes in between.
"""

import anyio

from server.conversation.memory import Entry
from server.domain.errors import ClientError, Fault
from server.domain.values import Response, ResponseReason, SessionConfig
from server.output.stream import OutputStream
from server.response.background import BackgroundWork
from server.response.context import ResponseContext
from server.response.endings import Endings
from server.response.lifecycle import LifecycleEvent
from server.response.output import ResponseOutput
from server.response.pipeline_run import PipelineRun
from server.response.run_limits import Overdue, RunLimits, TooLong
from server.response.verdicts import Verdicts
from server.telemetry.failures import line_of
from server.telemetry.timeline import Timeline
from server.turntaking.question import Question
from stageflow.pipeline import PipelineCancelled, StageFailed
from stages.providers.calls import noting


class ResponseRun:
    """One attempt at answering a turn: a run of the pipeline, and the response that it makes. `run` makes it; `confirm`
    lets it out, `drop` and `interrupt` end it at once."""

    def __init__(
        self, timeline: Timeline, question: Question, config: SessionConfig, context: ResponseContext
    ) -> None:
        self.timeline = timeline
        self.run_id = timeline.run
        self.question = question
        self.scope = anyio.CancelScope()
        self._context = context
        limits, work = RunLimits(context.deadlines), BackgroundWork(context, timeline.run.turn)
        response = question.response or new_response(question, config, context)
        output = ResponseOutput(timeline, question, response, context, limits=limits, work=work)
        self._output = output
        self._verdicts = Verdicts(output, timeline)
        self._pipeline = PipelineRun(
            timeline, question, context, output=output, verdicts=self._verdicts, limits=limits, work=work
        )
        self._endings = Endings(timeline, context, output, self._verdicts, self._pipeline)

    @property
    def is_spoken(self) -> bool:
        """Whether it is for the ear."""
        return self._output.events.response.modality == "audio"

    @property
    def response_id(self) -> str:
        """The response's id, as the client is or will be told."""
        return self._output.events.response.id

    @property
    def output(self) -> OutputStream:
        """The way out of what is being said now."""
        return self._output.streams.current

    @property
    def is_announced(self) -> bool:
        """Whether the client knows of the response, and has not been told of its end."""
        return self._output.is_announced

    @property
    def item_id(self) -> str | None:
        """The id of what it says, once it has begun."""
        entry = self._output.events.entry
        return None if entry is None else entry.id

    @property
    def said(self) -> Entry | None:
        """The message that is being said, or was said first; None before there is one."""
        return self._output.events.entry or self._output.events.first

    @property
    def is_unheard(self) -> bool:
        """Whether it answers something that was spoken, and none of its audio has left."""
        return self.question.utterance is not None and not self.output.pacer.sent_samples

    @property
    def heard_ms(self) -> int:
        """How much of it has been heard."""
        return self._output.streams.heard_samples() * 1000 // self.output.rate_hz

    def confirm(self) -> None:
        """The end of the turn is certain: nothing but the guard keeps the answer back any more."""
        self._output.feed(LifecycleEvent.CONFIRMED)
        self._verdicts.confirmed()

    def fill(self) -> None:
        """Say that it takes a moment, unless there is something to say already, or nobody listens."""
        if self._context.pipelines.has_filler and self.is_spoken and self.question.say is None:
            self._output.feed(LifecycleEvent.KEPT_WAITING)

    def drop(self) -> None:
        """Forget the answer, of which nothing was let out, and that the person had finished."""
        self.scope.cancel()
        self._output.feed(LifecycleEvent.UNWANTED)

    def fail(self) -> None:
        """End the response after a bug of ours; what was prepared and held is thrown away."""
        problem = ClientError(Fault.FAILURE, "the server failed to answer", blame="server")
        self._output.feed(LifecycleEvent.CRASHED, self._endings.outcome("failed", error=problem))

    def interrupt(self, reason: ResponseReason | None) -> None:
        """Be silent now: flush, cut history to what was heard, tell the client that the response is over.

        Without a reason it was not the person nor the client, but the turn that took too long.
        """
        if reason is not None:
            outcome = self._endings.outcome("cancelled", reason)
        else:
            late = ClientError(Fault.FAILURE, "the answer took too long", blame="server")
            outcome = self._endings.outcome("failed", error=late)
        self._output.feed(LifecycleEvent.INTERRUPTED, outcome)

    async def run(self) -> None:
        """Make the response, and return when its last sample has been played. Cancelled by `scope`."""
        endings, text = self._endings, self.question.say
        with noting(self.timeline.calls):
            try:
                if text is None:
                    outcome = await self._pipeline.run()
                else:  # a fixed text depends on nothing that was said
                    await self._pipeline.say(text)
                    outcome = endings.outcome("completed")
            except PipelineCancelled as stop:
                await endings.decline(stop)
            except StageFailed as failure:
                await endings.apologise(failure.stage, line_of(failure), failure)
            except Overdue as late:
                await endings.apologise(late.stage, str(late), late)
            except ClientError as problem:
                await endings.apologise_for(problem)
            except TooLong:
                await endings.cut_off()
            else:
                await endings.end(outcome)
        await self.output.played()


def new_response(question: Question, config: SessionConfig, context: ResponseContext) -> Response:
    """The response that a question asks for."""
    options = question.options
    config = options.over(config)
    response_id = context.conversation.ids.new("resp")
    return Response(response_id, config.modality, options.metadata, config, options.in_conversation)
