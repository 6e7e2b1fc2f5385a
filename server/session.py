"""One session: the shell of one connection, which feeds the floor and obeys it.

Theory of operation
-------------------
A session is one task group with a reader, a writer and the live turn; when `run` returns nothing of it is
left. The reader turns frames into commands and obeys each with plain function calls: it never waits for the
socket, nor for a stage, so that a client that has stopped reading can still interrupt. The writer is the
only one to touch the socket; it also keeps the session's time (deadlines of the floor, the session's age),
because it wakes anyway. The live turn runs the pipeline (`server.answer`).

All that decides whose turn it is lies in `server.turns`. Barge-in is `_feed(SPEECH_STARTED)`: the floor
says CANCEL and FLUSH, and both happen before anything else can run.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from audio.vad import Vad
from server import events as ev
from server import history
from server.announcements import Announcements
from server.answer import Answer, AnswerContext, Pipelines, Question
from server.errors import ClientError, SessionOver
from server.hearing import Hearing
from server.ids import new_id
from server.interruption import InterruptionPolicy
from server.items import ItemCommand, obey_item_command
from server.memory import Conversation, Entry
from server.outbound import Outbound
from server.overlaps import SpeechContext
from server.playback import Playback
from server.requests import RequestContext, Requests
from server.settings import Limits
from server.speculation import Speculation
from server.speech import Speech
from server.turn_reports import NoObserver, Observer, TurnReports
from server.turns import Floor, FloorCommand, FloorEvent, RunId, State
from server.utterance import Outcome, Utterance
from server.voice_events import Played, VoiceHeld
from server.wire import Wire
from server.writer import Writer
from stageflow.context import Message
from stageflow.stages.ports import StagePorts
from stages.errors import ProviderError
from stages.ports import EndOfTurnModel, Recogniser, Transcript

log = logging.getLogger(__name__)

CLOSE_DEADLINE_S = 2.0
"""How long saying good-bye may take."""


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a process share."""

    recogniser: Recogniser
    new_vad: Callable[[], Vad]
    pipelines: Pipelines
    new_ports: Callable[["Session"], StagePorts]
    """The providers and tools of one session."""
    limits: Limits
    end_of_turn: EndOfTurnModel | None = None
    interruption: InterruptionPolicy = field(default_factory=InterruptionPolicy)
    observer: Observer = field(default_factory=NoObserver)
    lead_ms: int = 400
    chunk_ms: int = 100
    unix_time_s: Callable[[], float] = lambda: 0.0
    """The wall clock, read once a session, to tell the client when its time is up."""


_SLOW_CONSUMER = SessionOver(4408, "slow consumer: the client does not read what it is sent")
_CANCEL_REASONS: dict[FloorEvent, ev.ReplyReason] = {
    FloorEvent.BARGED_IN: "turn_detected",
    FloorEvent.CANCELLED: "client_cancelled",
}


_AUDIBLE = (State.SPEAKING, State.DUCKED)


class Session:
    """A conversation over one connection. `run` is all its life."""

    def __init__(self, wire: Wire, dialect: ev.Dialect, services: Services, config: ev.SessionConfig) -> None:
        self.id = new_id("sess")
        self.speculation = Speculation()
        """What preparing answers in pauses has brought."""
        self._now = asyncio.get_running_loop().time  # not anyio's: words come by callback, where no task runs
        self._wire = wire
        self._dialect = dialect
        self._services = services
        self._config = config
        limits = services.limits
        self._floor = Floor()
        self._keep_idle_time(config)
        self._conversation = Conversation(limits.max_items)
        self._outbound = self._new_outbound()
        self._hearing = self._new_hearing()
        self._speech = Speech(self._hearing, self._speech_context())
        self._context = AnswerContext(
            session_id=self.id,
            pipelines=services.pipelines,
            conversation=self._conversation,
            outbound=self._outbound,
            ports=services.new_ports(self),
            earlier=self._hearing.earlier,
            on_audible=lambda run: self._feed(FloorEvent.AUDIBLE, run=run),
            half_trip_s=lambda: wire.latency_s / 2,
            now=self._now,
        )
        self._requests = self._new_requests()
        self._playback = Playback(self._conversation, self._outbound, self._context.half_trip_s)
        self._observer = services.observer
        self._reports = TurnReports(
            self.id, self._hearing, self._outbound.put, self._playback, services.observer
        )
        self._writer = Writer(
            wire,
            dialect,
            self._outbound,
            patience_s=limits.send_timeout_s,
            now=self._now,
            wake_at=self._wake_at,
            tick=self._tick,
        )
        self._tasks: TaskGroup
        self._expires_at = math.inf
        self._answer: Answer | None = None
        self._queued: Question | None = None
        self._silent_from_ms = 0
        self._announcements = Announcements(self._announce)
        self._over: SessionOver | None = None

    def _new_outbound(self) -> Outbound:
        services = self._services
        return Outbound(
            lead_ms=services.lead_ms,
            chunk_ms=services.chunk_ms,
            max_queued_audio_s=services.limits.max_queued_audio_s,
            max_unsent_bytes=services.limits.max_unsent_bytes,
            on_overflow=lambda: self.end(_SLOW_CONSUMER),
        )

    def _new_hearing(self) -> Hearing:
        return Hearing(
            self._services.recogniser,
            self._services.new_vad,
            self._config,
            max_utterance_s=self._services.limits.max_utterance_s,
            on_partial=self._partial,
            on_read=self._was_read,
            on_settled=self._settled,
        )

    def _speech_context(self) -> SpeechContext:
        return SpeechContext(
            floor=self._floor,
            feed=self._feed,
            put=self._outbound.put,
            take=self._take_utterance,
            read=self._read_soon,
            detection=lambda: self._config.turn_detection,
            last_answer=self._conversation.last_answer,
            answer_text=lambda: "" if self._answer is None else self._answer.text,
            answer_heard_ms=lambda: 0 if self._answer is None else self._answer.heard_ms,
            end_of_turn=self._services.end_of_turn,
            policy=self._services.interruption,
            holds_voice=self._dialect.holds_voice,
        )

    def _new_requests(self) -> Requests:
        return Requests(
            RequestContext(
                floor=self._floor,
                feed=self._feed,
                config=lambda: self._config,
                answer=lambda: self._answer,
                of_answers=self._context,
                spawn=lambda work, *arguments: self._tasks.start_soon(work, *arguments),
            )
        )

    def messages(self) -> tuple[Message, ...]:
        """The conversation as a model would be given it now."""
        return history.messages(self._conversation)

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Converse until the client is gone or the session must end. Cancel-safe: nothing is left behind."""
        max_session_s = self._services.limits.max_session_s
        self._expires_at = self._now() + max_session_s
        expires_at_s = int(self._services.unix_time_s()) + max_session_s
        self._outbound.put(ev.SessionStarted(self.id, self._config, expires_at_s))
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._write)
                await self._read()
                self._feed(FloorEvent.GONE)
        except Exception:
            log.exception("the session failed", extra={"session": self.id})
            self._over = SessionOver(1011, "internal error")
        finally:
            self._speech.close()
            self._outbound.flush()
            log.info("%s", self.speculation.line(), extra={"session": self.id})
        await self._say_goodbye()

    def end(self, over: SessionOver) -> None:
        """End the session now, telling the client why. The first reason stands."""
        if self._over is None:
            self._over = over
            self._tasks.cancel_scope.cancel()

    async def _say_goodbye(self) -> None:
        over = self._over or SessionOver(1000, "")
        with anyio.move_on_after(CLOSE_DEADLINE_S, shield=True):
            if over.error is not None:
                await self._writer.send(ev.Problem(over.error))
            await self._wire.close(over.close_code, over.reason)
        self._observer.session_ended(over.close_code)

    # --- the reader ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while (frame := await self._wire.receive()) is not None:
            try:
                command = self._dialect.decode(frame)
                if isinstance(command, ev.AppendAudio):  # the hot path first
                    self._hear(command)
                else:
                    self._obey(command)
            except ClientError as error:
                self._complain(error)

    def _complain(self, error: ClientError) -> None:
        self._observer.problem(error.code)
        self._outbound.put(ev.Problem(error))

    def _obey(self, command: ev.Command) -> None:
        try:
            match command:
                case ev.AppendAudio():
                    self._hear(command)
                case Played():
                    self._playback.report(command, self._answer, self._now())
                case ev.CommitAudio():
                    self._speech.commit()
                case ev.ClearAudio():
                    self._speech.clear()
                case ev.Configure(config=config):
                    self._configure(config)
                case ev.CreateReply(options=options):
                    self._requests.create(options)
                case ev.CancelReply(reply_id=reply_id):
                    self._requests.cancel(reply_id)
                case ev.ClearOutput():
                    self._requests.clear_output()
                case _:
                    self._obey_item(command)
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    def _obey_item(self, command: ItemCommand) -> None:
        for event in obey_item_command(command, self._conversation):
            self._outbound.put(event)

    def _hear(self, command: ev.AppendAudio) -> None:
        if command.problem is not None:
            self._complain(command.problem)
        self._floor.audio_came(self._now())
        self._speech.push(command.data)

    def _configure(self, config: ev.SessionConfig) -> None:
        self._speech.configure(config)
        self._config = config
        self._keep_idle_time(config)
        self._outbound.put(ev.SessionConfigured(config))

    def _keep_idle_time(self, config: ev.SessionConfig) -> None:
        idle_ms = config.turn_detection.idle_timeout_ms if config.turn_detection else None
        self._floor.set_idle_s(None if idle_ms is None else idle_ms / 1000)

    # --- the person's words -------------------------------------------------------------------------------

    def _take_utterance(self, utterance: Utterance) -> None:
        """The utterance is over and becomes the person's item; then its words may be told."""
        self._add_spoken(utterance.item_id)
        utterance.end()

    def _add_spoken(self, item_id: str) -> None:
        self._note_spoken(item_id)
        entry = self._conversation.get(item_id)
        entry.is_told = True
        item, previous = entry.item(), self._conversation.previous_id(item_id)
        self._outbound.put(ev.AudioCommitted(item.id, previous))
        self._outbound.put(ev.ItemAdded(item, previous))
        self._outbound.put(ev.ItemDone(item, previous))

    def _note_spoken(self, item_id: str) -> None:
        """Give the utterance its place in the conversation, if it has none yet."""
        if self._conversation.find(item_id) is None:
            self._conversation.add(Entry(item_id, "user", spoken=True, is_told=False))

    def _read_soon(self, utterance: Utterance) -> None:
        self._tasks.start_soon(self._read_utterance, utterance)

    async def _read_utterance(self, utterance: Utterance) -> None:
        try:
            await utterance.final()
        except ProviderError:
            log.warning("an utterance could not be recognised", extra={"session": self.id})

    def _partial(self, utterance: Utterance, delta: str) -> None:
        if delta and self._config.transcription:
            self._outbound.put(ev.TranscriptPartial(utterance.item_id, delta))
        self._speech.weigh(utterance)

    def _was_read(self, utterance: Utterance, outcome: Outcome) -> None:
        self._reports.read(utterance, self._answer, self._now())
        self._speech.weigh(utterance)

    def _settled(self, utterance: Utterance, outcome: Outcome) -> None:
        self._reports.read(utterance, self._answer, self._now())
        entry = self._conversation.find(utterance.item_id)
        if isinstance(outcome, Transcript) and entry is not None:
            entry.generated = outcome.text
        if not self._config.transcription:
            return
        if isinstance(outcome, Transcript):
            seconds = utterance.duration_ms / 1000
            self._outbound.put(ev.TranscriptFinal(utterance.item_id, outcome.text, seconds))
        else:
            self._outbound.put(
                ev.TranscriptFailed(utterance.item_id, "transcription_failed", "the recogniser failed")
            )

    def _break_silence(self) -> None:
        """Take the silence for a turn in which nothing was said, and answer it."""
        item_id, start_ms, end_ms = new_id("item"), self._silent_from_ms, self._hearing.position_ms
        self._outbound.put(ev.SilenceNoticed(item_id, start_ms, end_ms))
        self._add_spoken(item_id)
        if self._config.transcription:
            self._outbound.put(ev.TranscriptFinal(item_id, "", (end_ms - start_ms) / 1000))
        detection = self._config.turn_detection
        if detection is not None and detection.create_response:
            self._feed(FloorEvent.REPLY_REQUESTED, Question(ended_by="server", requested=True))

    # --- the floor ----------------------------------------------------------------------------------------

    def _feed(self, event: FloorEvent, question: Question | None = None, run: RunId | None = None) -> None:
        """Tell the floor what happened and do what it says, without an await in between."""
        before, now = self._floor.state, self._now()
        commands = self._floor.feed(event, now, run)
        self._obey_floor(commands, now, question, _CANCEL_REASONS.get(event))
        self._moved(before)

    def _obey_floor(
        self,
        commands: tuple[FloorCommand, ...],
        now: float,
        question: Question | None = None,
        reason: ev.ReplyReason | None = None,
    ) -> None:
        for command in commands:
            self._do(command, now, question, reason)

    def _moved(self, before: State) -> None:
        """See to what depends on who has the floor."""
        state = self._floor.state
        if state is before:
            return
        self._hearing.set_agent_audible(state in _AUDIBLE)
        if state is State.LISTENING:
            self._silent_from_ms = self._hearing.position_ms
            self._outbound.wake()  # the writer keeps the time of the silence
        if state in (State.LISTENING, State.HEARING):
            self._speech.floor_is_free()
        self._announce()

    def _do(
        self, command: FloorCommand, now: float, question: Question | None, reason: ev.ReplyReason | None
    ) -> None:
        match command:
            case FloorCommand.OPEN:
                pass  # the floor counts its turns
            case FloorCommand.START:
                assert question is not None, "an answer is started with what it is asked for"
                self._start(question, now)
            case FloorCommand.QUEUE:
                self._queued = question
                if question is not None and question.utterance is not None:
                    self._read_soon(question.utterance)
            case FloorCommand.APOLOGISE:
                self._announcements.add(self._services.pipelines.apology)
            case FloorCommand.END_SPEECH:
                self._speech.end_here()
            case FloorCommand.NUDGE:
                self._break_silence()
            case FloorCommand.CLOSE:
                self._tasks.cancel_scope.cancel()
            case _:
                assert self._answer is not None, "only a live run is let out, held or ended"
                self._do_answer(self._answer, command, now, reason)

    def _do_answer(
        self, answer: Answer, command: FloorCommand, now: float, reason: ev.ReplyReason | None
    ) -> None:
        match command:
            case FloorCommand.COMMIT:
                self.speculation.commit(now)
                self._reports.committed(answer, self._speech.ended_by, now)
                answer.confirm()
            case FloorCommand.DROP:
                self.speculation.drop()
                answer.drop()
            case FloorCommand.CANCEL:
                answer.scope.cancel()
            case FloorCommand.FLUSH:
                answer.interrupt(reason)
                self._reports.interrupted(answer, reason, by_hanging_up=self._floor.state is State.CLOSED)
            case FloorCommand.DUCK:
                self._outbound.put(VoiceHeld("duck"))
            case FloorCommand.PAUSE:
                answer.lane.pause(now)
                self._outbound.put(VoiceHeld("pause"))
            case FloorCommand.RESUME:
                answer.lane.resume(now)
                self._outbound.put(VoiceHeld("resume"))

    def _start(self, question: Question, now: float) -> None:
        self._queued = None
        if question.utterance is not None:
            self._note_spoken(question.utterance.item_id)
        timeline = self._reports.begin(self._floor.run, question, now)
        self._answer = Answer(timeline, question, self._config, self._context)
        self.speculation.start(now)
        self._tasks.start_soon(self._live, self._answer)

    async def _live(self, answer: Answer) -> None:
        """The live run: one answer from its start to the end of its playout."""
        try:
            with answer.scope:
                await answer.run()
        except Exception:
            log.exception("the turn failed", extra={"session": self.id, "turn": answer.run_id.turn})
            answer.fail()
        self._reports.over(answer)
        if self._queued is None:
            self._feed(FloorEvent.ANSWERED, run=answer.run_id)
        else:
            self._feed(FloorEvent.ANSWERED_WITH_MORE, self._queued, run=answer.run_id)

    # --- what the server says of its own accord -----------------------------------------------------------

    def remind(self, delay_s: float, text: str) -> Callable[[], None]:
        """Say `text` in `delay_s` seconds, or as soon as nobody speaks; see `Announcements.remind`."""
        return self._announcements.remind(self._tasks, delay_s, text)

    def _announce(self) -> None:
        if self._announcements and self._floor.state is State.LISTENING:
            self._feed(
                FloorEvent.REPLY_REQUESTED, Question(say=self._announcements.next(), ended_by="server")
            )

    # --- the writer ---------------------------------------------------------------------------------------

    async def _write(self) -> None:
        if not await self._writer.run():
            self.end(_SLOW_CONSUMER)  # otherwise the reader learns that the client is gone

    def _wake_at(self, now: float) -> float:
        due, deadline = self._outbound.next_due(now), self._floor.deadline
        return min(
            self._expires_at if due is None else due,
            self._expires_at if deadline is None else deadline,
            self._expires_at,
        )

    def _tick(self, now: float) -> None:
        before = self._floor.state
        self._obey_floor(self._floor.tick(now), now)
        self._moved(before)
        if now >= self._expires_at:
            minutes = self._services.limits.max_session_s / 60
            message = f"Your session hit the maximum duration of {minutes:g} minutes."
            self.end(SessionOver(1001, "session expired", error=ClientError("session_expired", message)))
