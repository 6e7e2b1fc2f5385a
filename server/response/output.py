"""One response on its way to the client: where it stands in its lifecycle, its events, and the stream they leave by.

The only one who feeds the lifecycle, and who obeys it. Whatever the run, the floor or the client brings about comes
here as a plain call, so that barge-in happens between two instructions: what is queued is thrown away, history is cut
to what was heard, and the end of the response is told.
"""

import logging
from collections.abc import Iterator

from server.conversation.memory import Conversation, Entry, cut
from server.conversation.own_calls import OwnCalls
from server.domain.values import Response
from server.response.background import BackgroundWork
from server.response.context import ResponseContext
from server.response.early_calls import EarlyCalls
from server.response.events import ResponseEvents, ResponseOutcome
from server.response.lifecycle import (
    HELD,
    OVER,
    TOLD,
    ImpossibleInLifecycle,
    Lifecycle,
    LifecycleCommand,
    LifecycleEvent,
    LifecycleFact,
)
from server.response.prepared import on_wire
from server.response.run_limits import RunLimits
from server.response.streams import ResponseStreams
from server.telemetry.timeline import Timeline
from server.turntaking.floor import RunId
from server.turntaking.question import Question
from stages.ports import Usage

log = logging.getLogger(__name__)


class ResponseOutput:
    """What one response sends. Plain calls, but for `break_off`."""

    def __init__(
        self,
        timeline: Timeline,
        question: Question,
        response: Response,
        context: ResponseContext,
        *,
        limits: RunLimits,
        work: BackgroundWork,
    ) -> None:
        conversation = context.conversation
        replies_to = conversation if response.in_conversation else Conversation(ids=conversation.ids)
        self.lifecycle = Lifecycle()
        self.events = ResponseEvents(response, replies_to, context.outbound)
        self.calls = EarlyCalls(context.mcp)
        self.own_calls = OwnCalls(conversation, self.events)
        self._timeline = timeline
        self._question = question
        self._context = context
        self._work = work
        self.usage = Usage()
        """What the language model has counted."""
        self.streams = ResponseStreams(
            self.events,
            self,
            timeline,
            context,
            limits=limits,
            is_out_of_band=question.is_out_of_band,
        )

    @property
    def run_id(self) -> RunId:
        """The run that makes it."""
        return self._timeline.run

    @property
    def is_announced(self) -> bool:
        """Whether the client knows of the response, and has not been told of its end."""
        return self.lifecycle.state in TOLD

    def feed(self, event: LifecycleEvent, outcome: ResponseOutcome | None = None) -> None:
        """Tell the lifecycle what happened and do what it says; `outcome` is how it went, of what may be the end."""
        try:
            commands = self.lifecycle.feed(event, frozenset(self._facts(outcome)))
        except ImpossibleInLifecycle as error:
            if self._context.raises_impossible:
                raise
            log.error("ignored: %s", error, extra={"session": self._context.session_id})
            return
        for command in commands:
            self._do(command, outcome)
        if self.lifecycle.state in OVER:
            self.calls.drop()

    def begin_message(self) -> Entry:
        """The message that is being said; made with its first token or sample."""
        if self.events.entry is None:
            self.feed(LifecycleEvent.MESSAGE_BEGAN)
        assert self.events.entry is not None, "a stream that is not shut has a response that is not over"
        return self.events.entry

    def restart(self) -> None:
        """Forget what was prepared: something else is to be said."""
        self._timeline.unmark("first_token")
        self.feed(LifecycleEvent.RESTARTED)

    async def break_off(self) -> None:
        """Let what was said of the message be heard to its end; what is said next is another, in its own stream."""
        self.calls.drop()
        await self.streams.heard_out()
        self.feed(LifecycleEvent.BROKEN_OFF)

    def _facts(self, outcome: ResponseOutcome | None) -> Iterator[LifecycleFact]:
        if self._question.requested:
            yield LifecycleFact.REQUESTED
        if self.events.entry is not None:
            yield LifecycleFact.DRAFTED
            if not self.events.pieces and not self.events.shown.is_loose:
                yield LifecycleFact.SILENT
        if outcome is not None and outcome.is_answer:
            yield LifecycleFact.TO_TELL

    def _do(self, command: LifecycleCommand, outcome: ResponseOutcome | None) -> None:
        events, stream = self.events, self.streams.current
        match command:
            case LifecycleCommand.ANNOUNCE:
                if not self._question.is_told:
                    events.announce()
            case LifecycleCommand.START:
                events.start(stream)
            case LifecycleCommand.BEGIN_MESSAGE:
                events.begin(stream)
            case LifecycleCommand.SAY_FIRST | LifecycleCommand.SAY_NOW:
                self._fill(is_first=command is LifecycleCommand.SAY_FIRST)
            case LifecycleCommand.LET_OUT:
                events.let_out(stream)
                self._work.let_out()
            case LifecycleCommand.END_MESSAGE:
                events.break_off()
            case LifecycleCommand.RENEW:
                self.streams.renew(is_open=self.lifecycle.state not in HELD)
            case LifecycleCommand.TELL_END | LifecycleCommand.NOTE_END:
                assert outcome is not None, "what ends has gone somehow"
                self._end(outcome, is_told=command is LifecycleCommand.TELL_END)
            case _:
                self._take_back(command)

    def _take_back(self, command: LifecycleCommand) -> None:
        match command:
            case LifecycleCommand.SHUT:
                self.streams.current.shut()
            case LifecycleCommand.SILENCE:
                self.streams.silence()
            case LifecycleCommand.FORGET:
                self.calls.drop()
                self._work.forget()
                self.events.forget()
            case LifecycleCommand.CUT:
                self._cut()
            case LifecycleCommand.UNDO:
                self._undo()

    def _fill(self, *, is_first: bool) -> None:
        context, format = self._context, self.events.response.config.output_format
        prepared, now = context.pipelines.prepared[context.filler], context.now()
        if not is_first:
            self.streams.delivery.say_now(prepared)
            return
        samples, chunks = on_wire(prepared, format)
        self.events.say_first(prepared.text, samples, chunks, self.streams.current)
        self.streams.wait_until(now + samples / format.rate_hz)

    def _cut(self) -> None:
        entry, first = self.events.entry, self.events.first
        if entry is not None and entry.spoken:
            cut(entry, self.streams.heard_samples())
        if first is not None:
            said_samples = sum(piece.samples for piece in first.pieces)
            cut(first, max(0, said_samples - round(self.streams.left_s() * first.rate_hz)))

    def _undo(self) -> None:
        self.own_calls.forget()
        conversation, utterance = self._context.conversation, self._question.utterance
        entry = None if utterance is None else conversation.find(utterance.item_id)
        if entry is not None and not entry.is_told:  # else they had finished, but want no answer yet
            conversation.delete(entry.id)

    def _end(self, outcome: ResponseOutcome, *, is_told: bool) -> None:
        self._timeline.end(outcome.status)
        if is_told:
            self._timeline.response_id = self.events.response.id
            for placed in self.events.end(outcome):
                self.calls.place(placed)
