"""What is done about whose turn it is: the floor is told what happened, and obeyed.

All that decides lies in `server.turntaking.floor`. Barge-in is `feed(BARGED_IN)`: the floor says CANCEL
and FLUSH, and both happen before anything else can run. The live turn is one task, which
runs the pipeline (`server.response.run`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from server.conversation.spoken_items import SpokenItems
from server.domain.ids import new_id
from server.domain.values import ResponseReason, SessionConfig
from server.domain.voice_events import VoiceHeld
from server.response.announcements import Announcements
from server.response.context import ResponseContext
from server.response.requests import Requests
from server.response.run import ResponseRun
from server.session.speculation import Speculation
from server.session.turn_reports import TurnReports
from server.telemetry.logs import about
from server.turntaking.floor import Floor, FloorCommand, FloorEvent, RunId, State
from server.turntaking.hearing import Hearing
from server.turntaking.question import Question
from server.turntaking.speech import Speech

log = logging.getLogger(__name__)

_CANCEL_REASONS: dict[FloorEvent, ResponseReason] = {
    FloorEvent.BARGED_IN: "turn_detected",
    FloorEvent.CANCELLED: "client_cancelled",
}

_AUDIBLE = (State.SPEAKING, State.DUCKED)


@dataclass(frozen=True, slots=True)
class KeeperContext:
    """What the keeper of the floor uses of its session."""

    floor: Floor
    hearing: Hearing
    speech: Speech
    spoken: SpokenItems
    reports: TurnReports
    speculation: Speculation
    of_responses: ResponseContext
    requests: Requests
    config: Callable[[], SessionConfig]
    spawn: Callable[..., object]
    """Start a task of the session's."""
    close: Callable[[], None]
    """End the session."""


class FloorKeeper:
    """Feeds the floor of one session and does what it says. Plain calls, but for the live turn."""

    def __init__(self, context: KeeperContext) -> None:
        self.answer: ResponseRun | None = None
        """The one that has, or last had, the floor."""
        self.announcements = Announcements(self._announce)
        self._context = context
        self._cut: Question | None = None
        """What the person had asked when a sound cut off the answer, of which nothing had been heard."""
        self._silent_from_ms = 0

    def feed(self, event: FloorEvent, question: Question | None = None, run: RunId | None = None) -> None:
        """Tell the floor what happened and do what it says, without an await in between."""
        floor, now = self._context.floor, self._context.of_responses.now()
        before = floor.state
        commands = floor.feed(event, now, run)
        self._obey(commands, now, question, _CANCEL_REASONS.get(event))
        self._moved(before)

    def tick(self, now: float) -> None:
        """See whether the floor has waited long enough."""
        before = self._context.floor.state
        self._obey(self._context.floor.tick(now), now)
        self._moved(before)

    def _obey(
        self,
        commands: tuple[FloorCommand, ...],
        now: float,
        question: Question | None = None,
        reason: ResponseReason | None = None,
    ) -> None:
        for command in commands:
            self._do(command, now, question, reason)

    def _moved(self, before: State) -> None:
        """See to what depends on who has the floor."""
        context, state = self._context, self._context.floor.state
        if state is before:
            return
        context.hearing.set_agent_audible(state in _AUDIBLE)
        if state is State.LISTENING:
            self._silent_from_ms = context.hearing.position_ms
            context.of_responses.outbound.wake()  # the writer keeps the time of the silence
        if state in (State.LISTENING, State.HEARING):
            context.speech.floor_is_free()
        if context.requests.pending and context.floor.state is State.LISTENING:
            self.feed(FloorEvent.RESPONSE_REQUESTED)  # START takes what waits
        self._announce()

    def _do(
        self, command: FloorCommand, now: float, question: Question | None, reason: ResponseReason | None
    ) -> None:
        match command:
            case FloorCommand.OPEN:
                pass  # the floor counts its turns
            case FloorCommand.START:
                question = question or self._context.requests.pending.take()
                assert question is not None, "an answer is started with what it is asked for"
                self._start(question, now)
            case FloorCommand.QUEUE:
                assert question is not None, "what waits is a question"
                self._context.requests.keep(question)
                if question.utterance is not None:
                    self._context.spoken.read(question.utterance)
            case FloorCommand.APOLOGISE:
                if self.answer is not None and self.answer.is_spoken:  # who reads has been told
                    self.announcements.add(self._context.of_responses.pipelines.apology)
            case FloorCommand.END_SPEECH:
                self._context.speech.end_here()
            case FloorCommand.NUDGE:
                self._break_silence()
            case FloorCommand.CLOSE:
                self._context.close()
            case _:
                assert self.answer is not None, "only a live run is let out, held or ended"
                self._do_answer(self.answer, command, now, reason)

    def _do_answer(
        self, answer: ResponseRun, command: FloorCommand, now: float, reason: ResponseReason | None
    ) -> None:
        context, put = self._context, self._context.of_responses.outbound.put
        match command:
            case FloorCommand.COMMIT:
                context.speculation.commit(now)
                context.reports.committed(answer, context.speech.ended_by, now)
                context.requests.pending.answered(answer.question)
                answer.confirm()
            case FloorCommand.DROP:
                context.speculation.drop()
                answer.drop()
            case FloorCommand.CANCEL:
                answer.scope.cancel()
            case FloorCommand.FLUSH:
                self._flush(answer, reason)
            case FloorCommand.FILL:
                answer.fill(now)
            case FloorCommand.DUCK:
                put(VoiceHeld("duck"))
            case FloorCommand.PAUSE:
                answer.output.pause(now)
                put(VoiceHeld("pause"))
            case FloorCommand.RESUME:
                answer.output.resume(now)
                put(VoiceHeld("resume"))

    def _flush(self, answer: ResponseRun, reason: ResponseReason | None) -> None:
        reports, was_whole = self._context.reports, answer.timeline.status is not None
        if reason == "turn_detected" and answer.is_unheard and answer.question.response is None:
            self._cut = answer.question
        answer.interrupt(reason)
        if self._context.floor.state is not State.CLOSED:
            reports.interrupted(answer, reason)
        else:
            reports.left(answer, with_all_of_it=was_whole)
        if reason is not None:
            self._context.requests.silence(reason)

    def _start(self, question: Question, now: float) -> None:
        context = self._context
        if question.utterance is not None:
            context.spoken.note(question.utterance.item_id)
        timeline = context.reports.begin(context.floor.run, question, now)
        self.answer = ResponseRun(timeline, question, context.config(), context.of_responses)
        context.speculation.start(now)
        context.spawn(self._live, self.answer)

    async def _live(self, answer: ResponseRun) -> None:
        """The live run: one answer from its start to the end of its playout."""
        try:
            with answer.scope, about(turn=answer.run_id.turn):
                await answer.run()
        except Exception:
            session_id = self._context.of_responses.session_id
            log.exception("the turn failed", extra={"session": session_id, "turn": answer.run_id.turn})
            answer.fail()
        self._context.reports.over(answer)
        self._ask_again(answer)
        waits = bool(self._context.requests.pending)
        self.feed(FloorEvent.ANSWERED_WITH_MORE if waits else FloorEvent.ANSWERED, run=answer.run_id)

    def _ask_again(self, answer: ResponseRun) -> None:
        """Have the last question answered after all, if what cut off its answer held no words."""
        if answer.run_id != self._context.floor.run or not answer.timeline.is_committed:
            return
        cut, self._cut = self._cut, None
        if cut is not None and answer.timeline.response_id is None:
            self._context.requests.keep(cut)

    def _break_silence(self) -> None:
        """Take the silence for a turn in which nothing was said, and answer it."""
        context = self._context
        context.spoken.add_silence(new_id("item"), self._silent_from_ms, context.hearing.position_ms)
        detection = context.config().turn_detection
        if detection is not None and detection.create_response:
            self.feed(FloorEvent.RESPONSE_REQUESTED, Question(ended_by="server", requested=True))

    def _announce(self) -> None:
        if self.announcements and self._context.floor.state is State.LISTENING:
            question = Question(say=self.announcements.next(), ended_by="server")
            self.feed(FloorEvent.RESPONSE_REQUESTED, question)
