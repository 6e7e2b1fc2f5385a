"""What is done about whose turn it is: the floor is told what happened, and obeyed.

All that decides lies in `server.turntaking.floor_table`. What happens is queued, and one loop obeys the floor on one
event after the other, so that an event that comes of obeying waits until the one before it is done with. Barge-in is
`feed(BARGED_IN)`: the floor says CANCEL and FLUSH, and both happen before anything else can run. The live turn is one
task, which runs the pipeline (`server.response.run`).
"""

import logging
from dataclasses import dataclass, replace

from server.conversation.spoken_items import SpokenItems
from server.domain.values import ConfigInForce, ResponseReason
from server.domain.voice_events import VoiceHeld
from server.response.announcements import Announcements
from server.response.context import ResponseContext
from server.response.holder import FloorHolder
from server.response.requests import Requests
from server.response.run import ResponseRun
from server.session.speculation import Speculation
from server.session.tasks import SessionTasks
from server.session.turn_reports import Observer, TurnReports
from server.telemetry.logs import about
from server.turntaking.floor import Floor, ImpossibleEvent
from server.turntaking.floor_table import Fact, FloorCommand, FloorEvent, State
from server.turntaking.happened import Happened
from server.turntaking.hearing import Hearing
from server.turntaking.inbox import FloorInbox
from server.turntaking.microphone import Microphone
from server.turntaking.question import Question
from server.turntaking.speech import Speech

log = logging.getLogger(__name__)

_CANCEL_REASONS: dict[FloorEvent, ResponseReason] = {
    FloorEvent.SPEECH_STARTED: "speech",
    FloorEvent.BARGED_IN: "speech",
    FloorEvent.CANCELLED: "client",
    FloorEvent.SILENCED: "client",
}

_AUDIBLE = (State.SPEAKING, State.DUCKED)
_FREE = (State.LISTENING, State.HEARING)


@dataclass(frozen=True, slots=True)
class KeeperContext:
    """What the keeper of the floor uses of its session."""

    floor: Floor
    inbox: FloorInbox
    holder: FloorHolder
    hearing: Hearing
    speech: Speech
    microphone: Microphone
    announcements: Announcements
    spoken: SpokenItems
    reports: TurnReports
    speculation: Speculation
    of_responses: ResponseContext
    requests: Requests
    config: ConfigInForce
    tasks: SessionTasks
    observer: Observer
    raises_impossible: bool
    """Whether an impossible event is raised (in tests), or counted and ignored."""


class FloorKeeper:
    """Serves the floor's inbox: tells the floor what happened, and does what it says. Plain calls, but for the live
    turn."""

    def __init__(self, context: KeeperContext) -> None:
        self._context = context
        self._holder = context.holder
        self._cut: Question | None = None
        """What had been asked when a sound cut off the answer, of which nothing had been heard."""
        self._silent_from_ms = 0

    def take_in(self, happened: Happened) -> None:
        """Tell the floor what happened and do what it says; see `FloorInbox.feed`."""
        floor, now = self._context.floor, self._context.of_responses.now()
        before = floor.state
        try:
            commands = floor.feed(happened.event, now, happened.run, happened.facts)
        except ImpossibleEvent as error:
            self._context.observer.impossible_event(before, happened.event)
            if self._context.raises_impossible:
                raise
            log.error("ignored: %s", error, extra={"session": self._context.of_responses.session_id})
            return
        for command in commands:
            self._do(command, happened, now)
        if floor.state is not before:
            self._moved()
        if floor.state in _FREE:
            self._context.speech.overlaps.next_turn()
        if floor.state is State.LISTENING and not self._context.inbox.is_waiting:
            self._take_up_what_waits()

    def _moved(self) -> None:
        """See to what depends on who has the floor."""
        context, state = self._context, self._context.floor.state
        context.hearing.set_agent_audible(state in _AUDIBLE)
        if state is State.LISTENING:
            self._silent_from_ms = context.hearing.position_ms
            context.of_responses.outbound.wake()  # the writer keeps the time of the silence

    def _take_up_what_waits(self) -> None:
        if self._context.requests.pending:
            self._context.inbox.feed(Happened(FloorEvent.RESPONSE_REQUESTED))  # START takes it
        else:
            self.look_again()

    def _do(self, command: FloorCommand, happened: Happened, now: float) -> None:
        context = self._context
        match command:
            case FloorCommand.OPEN:
                pass  # the floor counts its turns
            case FloorCommand.TELL_START | FloorCommand.HIDE_START | FloorCommand.WEIGH:
                assert happened.sound is not None, "speech that starts is a sound"
                context.speech.obey(command, happened.sound)
            case FloorCommand.START:
                self._start(happened.question, now)
            case FloorCommand.QUEUE | FloorCommand.REFUSE | FloorCommand.TELL_CLEARED:
                self._do_request(command, happened)
            case FloorCommand.APOLOGISE:
                self._apologise()
            case FloorCommand.END_SPEECH:
                context.microphone.end_here()
            case FloorCommand.NUDGE:
                self._break_silence()
            case FloorCommand.CLOSE:
                context.tasks.cancel()
            case _:
                assert self._holder.response is not None, "only a live run is let out, held or ended"
                self._act_on_response(
                    self._holder.response, command, now, _CANCEL_REASONS.get(happened.event)
                )

    def _do_request(self, command: FloorCommand, happened: Happened) -> None:
        context = self._context
        match command:
            case FloorCommand.QUEUE:
                assert happened.question is not None, "what waits is a question"
                context.requests.keep(happened.question)
                if happened.question.utterance is not None:
                    context.spoken.transcribe(happened.question.utterance)
            case FloorCommand.REFUSE:
                context.requests.refuse(happened)
            case FloorCommand.TELL_CLEARED:
                context.requests.tell_cleared()

    def _apologise(self) -> None:
        if self._holder.response is not None and self._holder.response.is_spoken:  # who reads has been told
            self._context.announcements.add(self._context.of_responses.apology)

    def _act_on_response(
        self, response: ResponseRun, command: FloorCommand, now: float, reason: ResponseReason | None
    ) -> None:
        context, put = self._context, self._context.of_responses.outbound.put
        match command:
            case FloorCommand.COMMIT:
                context.speculation.commit(now)
                context.reports.committed(response, context.speech.ended_by, now)
                context.requests.pending.answered(response.question)
                response.confirm()
            case FloorCommand.DROP:
                context.speculation.drop()
                response.drop()
            case FloorCommand.CANCEL:
                response.scope.cancel()
            case FloorCommand.FLUSH:
                self._flush(response, reason)
            case FloorCommand.FILL:
                response.fill()
            case FloorCommand.DUCK:
                put(VoiceHeld("duck"))
            case FloorCommand.PAUSE:
                response.output.pacer.pause(now)
                put(VoiceHeld("pause"))
            case FloorCommand.RESUME:
                response.output.resume(now)
                put(VoiceHeld("resume"))

    def _flush(self, response: ResponseRun, reason: ResponseReason | None) -> None:
        reports, was_whole = self._context.reports, response.timeline.status is not None
        if reason == "speech":
            self._cut = _cut_off(response, self._context) or self._cut
        response.interrupt(reason)
        if self._context.floor.state is not State.CLOSED:
            reports.interrupted(response, reason)
        else:
            reports.left(response, with_all_of_it=was_whole)
        if reason is not None:
            self._context.requests.silence(reason)

    def _start(self, asked: Question | None, now: float) -> None:
        context = self._context
        question = asked or context.requests.pending.take()
        assert question is not None, "an answer is started with what it is asked for"
        if question.utterance is not None:
            context.spoken.note(question.utterance.item_id)
        timeline = context.reports.begin(context.floor.run, question, now)
        response = ResponseRun(timeline, question, context.config.current, context.of_responses)
        self._holder.response = response
        context.speculation.start(now)
        context.tasks.start_vital(self._live, response)

    async def _live(self, response: ResponseRun) -> None:
        """The live run: one response from its start to the end of its playout."""
        try:
            with response.scope, about(turn=response.run_id.turn):
                await response.run()
        except Exception:
            session_id = self._context.of_responses.session_id
            log.exception("the turn failed", extra={"session": session_id, "turn": response.run_id.turn})
            response.fail()
        self._context.reports.over(response)
        if response.run_id == self._context.floor.run and response.timeline.is_committed:
            cut, self._cut = self._cut, None
            if cut is not None and response.timeline.response_id is None:
                # What cut off its answer held no words: have the question answered after all.
                self._context.requests.keep(cut)
        facts = frozenset({Fact.MORE_WAITS} if self._context.requests.pending else ())
        self._context.inbox.feed(Happened(FloorEvent.ANSWERED, facts, run=response.run_id))

    def _break_silence(self) -> None:
        """Take the silence for a turn in which nothing was said, and answer it."""
        context = self._context
        item_id = context.of_responses.conversation.ids.new("item")
        context.spoken.add_silence(item_id, self._silent_from_ms, context.hearing.position_ms)
        if context.config.wants_response:
            question = Question(ended_by="server", requested=True)
            self._context.inbox.feed(Happened(FloorEvent.RESPONSE_REQUESTED, question=question))

    def look_again(self) -> None:
        """Say what waits to be said, if nobody speaks."""
        is_idle = self._context.floor.state is State.LISTENING and not self._context.inbox.is_waiting
        if self._context.announcements and is_idle:
            question = Question(say=self._context.announcements.next(), ended_by="server")
            self._context.inbox.feed(Happened(FloorEvent.RESPONSE_REQUESTED, question=question))


def _cut_off(response: ResponseRun, context: KeeperContext) -> Question | None:
    """The question that a sound of the person's leaves unanswered, if that turns out to be no words."""
    request = context.requests.pending.request
    if request is not None and request.answers_turns and context.config.wants_response:
        return replace(request, response=None, is_told=False)  # its response is over; another will be made
    return response.question if response.is_unheard and response.question.response is None else None
