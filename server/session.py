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

import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from audio.vad import Vad
from server import events as ev
from server.answer import Answer, AnswerContext, Pipelines, Question
from server.errors import ClientError, SessionOver
from server.hearing import Hearing, SpeechBegan, SpeechStopped
from server.ids import new_id
from server.items import ItemCommand, obey_item_command
from server.memory import Conversation, Entry
from server.outbound import Outbound
from server.settings import Limits
from server.silence import Silence
from server.turns import Floor, FloorCommand, FloorEvent, State
from server.utterance import Utterance
from stageflow.stages.ports import StagePorts
from stages.errors import ProviderError
from stages.ports import Recogniser, Transcript

log = logging.getLogger(__name__)

MAX_REMINDERS = 20
"""Reminders that one session may have waiting."""

CLOSE_DEADLINE_S = 2.0
"""How long saying good-bye may take."""


class WireClosed(Exception):
    """The connection is over; nothing can be sent."""


class Wire(Protocol):
    """One connection, whatever carries it. Frames are whole messages."""

    @property
    def latency_s(self) -> float:
        """The last measured round trip, 0 when it is not known."""

    async def receive(self) -> str | bytes | None:
        """The next frame, or None when the client is gone."""

    async def send(self, frame: str | bytes) -> None:
        """Hand one frame to the connection; waits while the client does not read. Raises WireClosed."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a WebSocket close code; never raises."""


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a process share."""

    recogniser: Recogniser
    new_vad: Callable[[], Vad]
    pipelines: Pipelines
    new_ports: Callable[["Session"], StagePorts]
    """The providers and tools of one session."""
    limits: Limits
    lead_ms: int = 400
    chunk_ms: int = 100
    unix_time_s: Callable[[], float] = lambda: 0.0
    """The wall clock, read once a session, to tell the client when its time is up."""


_SLOW_CONSUMER = SessionOver(4408, "slow consumer: the client does not read what it is sent")
_CANCEL_REASONS: dict[FloorEvent, ev.ReplyReason] = {
    FloorEvent.SPEECH_STARTED: "turn_detected",
    FloorEvent.CANCELLED: "client_cancelled",
}


class Session:
    """A conversation over one connection. `run` is all its life."""

    def __init__(self, wire: Wire, dialect: ev.Dialect, services: Services, config: ev.SessionConfig) -> None:
        self.id = new_id("sess")
        self._wire = wire
        self._dialect = dialect
        self._services = services
        self._config = config
        limits = services.limits
        self._floor = Floor()
        self._conversation = Conversation(limits.max_items)
        self._outbound = Outbound(
            lead_ms=services.lead_ms,
            chunk_ms=services.chunk_ms,
            max_queued_audio_s=limits.max_queued_audio_s,
            max_unsent_bytes=limits.max_unsent_bytes,
            on_overflow=lambda: self.end(_SLOW_CONSUMER),
        )
        self._hearing = Hearing(
            services.recogniser,
            services.new_vad,
            config,
            max_utterance_s=limits.max_utterance_s,
            on_partial=self._partial,
            on_settled=self._settled,
        )
        self._context = AnswerContext(
            session_id=self.id,
            pipelines=services.pipelines,
            conversation=self._conversation,
            outbound=self._outbound,
            ports=services.new_ports(self),
            earlier=self._hearing.earlier,
            on_audible=lambda turn: self._feed(FloorEvent.AUDIBLE, turn=turn),
            half_trip_s=lambda: wire.latency_s / 2,
            now=anyio.current_time,
        )
        self._tasks: TaskGroup
        self._expires_at = math.inf
        self._answer: Answer | None = None
        self._queued: Question | None = None
        self._silence: Silence | None = None
        self._announcements: deque[str] = deque()
        self._reminders = 0
        self._over: SessionOver | None = None

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Converse until the client is gone or the session must end. Cancel-safe: nothing is left behind."""
        max_session_s = self._services.limits.max_session_s
        self._expires_at = anyio.current_time() + max_session_s
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
            self._hearing.close()
            self._outbound.flush()
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
                await self._send(ev.Problem(over.error))
            await self._wire.close(over.close_code, over.reason)

    # --- the reader ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while (frame := await self._wire.receive()) is not None:
            try:
                command = self._dialect.decode(frame)
                if isinstance(command, ev.AppendAudio):  # the hot path first
                    self._hear(command.data)
                else:
                    self._obey(command)
            except ClientError as error:
                self._outbound.put(ev.Problem(error))

    def _obey(self, command: ev.Command) -> None:
        try:
            match command:
                case ev.AppendAudio(data=data):
                    self._hear(data)
                case ev.CommitAudio():
                    self._commit()
                case ev.ClearAudio():
                    self._clear()
                case ev.Configure(config=config):
                    self._configure(config)
                case ev.CreateReply(options=options):
                    self._create_reply(options)
                case ev.CancelReply(reply_id=reply_id):
                    self._cancel_reply(reply_id)
                case _:
                    self._obey_item(command)
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    def _obey_item(self, command: ItemCommand) -> None:
        for event in obey_item_command(command, self._conversation):
            self._outbound.put(event)

    def _configure(self, config: ev.SessionConfig) -> None:
        self._hearing.configure(config)
        self._config = config
        self._outbound.put(ev.SessionConfigured(config))

    def _create_reply(self, options: ev.ReplyOptions) -> None:
        thinking = self._floor.state is State.THINKING
        if self._answer is not None and (thinking or self._answer.is_announced):
            raise ClientError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._answer.reply_id}. "
                "Wait until the response is finished before creating a new one.",
            )
        self._feed(FloorEvent.REPLY_REQUESTED, Question(options=options, requested=True))

    def _cancel_reply(self, reply_id: str | None) -> None:
        answer = self._answer
        known = answer is not None and answer.is_announced
        if reply_id is not None and known and answer is not None and answer.reply_id != reply_id:
            known = False
        if not known and (reply_id is not None or self._floor.state is not State.THINKING):
            raise ClientError("response_cancel_not_active", "Cancellation failed: no active response found")
        self._feed(FloorEvent.CANCELLED)

    # --- hearing ------------------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        for heard in self._hearing.push(data):
            match heard:
                case SpeechBegan(utterance=utterance, audio_start_ms=start_ms):
                    self._outbound.put(ev.SpeechStarted(utterance.item_id, start_ms))
                    detection = self._config.turn_detection
                    interrupts = detection is None or detection.interrupt_response
                    self._feed(FloorEvent.SPEECH_STARTED if interrupts else FloorEvent.SPEECH_OVERHEARD)
                case SpeechStopped(utterance=utterance, audio_end_ms=end_ms):
                    self._speech_stopped(utterance, end_ms)

    def _speech_stopped(self, utterance: Utterance, end_ms: int) -> None:
        self._outbound.put(ev.SpeechStopped(utterance.item_id, end_ms))
        detection = self._config.turn_detection
        self._take_utterance(utterance, wants_reply=detection is None or detection.create_response)

    def _commit(self) -> None:
        utterance, end_ms = self._hearing.commit()
        if end_ms is not None:
            self._speech_stopped(utterance, end_ms)
        else:
            self._take_utterance(utterance, wants_reply=False)

    def _clear(self) -> None:
        was_speaking = self._hearing.clear()
        self._outbound.put(ev.AudioCleared())
        if was_speaking:
            self._feed(FloorEvent.SPEECH_NOTED)

    def _take_utterance(self, utterance: Utterance, *, wants_reply: bool) -> None:
        """The utterance becomes the person's item; it is answered, or at least written down."""
        self._add_spoken(utterance.item_id)
        if wants_reply:
            self._feed(FloorEvent.SPEECH_ENDED, Question(utterance=utterance))
        else:
            self._tasks.start_soon(self._write_down, utterance)
            self._feed(FloorEvent.SPEECH_NOTED)
            self._announce()

    def _add_spoken(self, item_id: str) -> None:
        entry = Entry(item_id, "user", spoken=True)
        previous = self._conversation.add(entry)
        item = entry.item()
        self._outbound.put(ev.AudioCommitted(item.id, previous))
        self._outbound.put(ev.ItemAdded(item, previous))
        self._outbound.put(ev.ItemDone(item, previous))

    def _break_silence(self, silence: Silence) -> None:
        """Take the silence for a turn in which nothing was said, and answer it."""
        item_id, end_ms = new_id("item"), self._hearing.position_ms
        self._silence = None
        self._outbound.put(ev.SilenceNoticed(item_id, silence.from_ms, end_ms))
        self._add_spoken(item_id)
        if self._config.transcription:
            self._outbound.put(ev.TranscriptFinal(item_id, "", (end_ms - silence.from_ms) / 1000))
        detection = self._config.turn_detection
        if detection is not None and detection.create_response:
            self._feed(FloorEvent.REPLY_REQUESTED, Question(requested=True))

    async def _write_down(self, utterance: Utterance) -> None:
        try:
            await utterance.final()
        except ProviderError:
            log.warning("an utterance could not be recognised", extra={"session": self.id})

    def _partial(self, item_id: str, delta: str) -> None:
        if self._config.transcription:
            self._outbound.put(ev.TranscriptPartial(item_id, delta))

    def _settled(self, utterance: Utterance, outcome: Transcript | ProviderError) -> None:
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

    # --- the floor ----------------------------------------------------------------------------------------

    def _feed(self, event: FloorEvent, question: Question | None = None, turn: int | None = None) -> None:
        """Tell the floor what happened and do what it says, without an await in between."""
        for command in self._floor.feed(event, anyio.current_time(), turn):
            self._do(command, question, _CANCEL_REASONS.get(event))
        if self._floor.state is not State.LISTENING:
            self._silence = None

    def _do(self, command: FloorCommand, question: Question | None, reason: ev.ReplyReason | None) -> None:
        match command:
            case FloorCommand.START:
                assert question is not None, "a turn is started with what it is asked for"
                self._queued = None
                self._answer = Answer(self._floor.turn, question, self._config, self._context)
                self._tasks.start_soon(self._live, self._answer)
            case FloorCommand.QUEUE:
                self._queued = question
            case FloorCommand.CANCEL if self._answer is not None:
                self._answer.scope.cancel()
            case FloorCommand.FLUSH if self._answer is not None:
                self._answer.interrupt(reason)
            case FloorCommand.APOLOGISE:
                self.announce(self._services.pipelines.apology)
            case FloorCommand.CLOSE:
                self._tasks.cancel_scope.cancel()

    async def _live(self, answer: Answer) -> None:
        """The live turn: one answer from its start to the end of its playout."""
        try:
            with answer.scope:
                await answer.run()
        except Exception:
            log.exception("the turn failed", extra={"session": self.id, "turn": answer.turn})
            answer.fail()
        if self._queued is None:
            self._feed(FloorEvent.ANSWERED, turn=answer.turn)
        else:
            self._feed(FloorEvent.ANSWERED_WITH_MORE, self._queued, turn=answer.turn)
        self._announce()
        if self._floor.state is State.LISTENING and not self._hearing.is_speaking:
            self._silence = Silence(anyio.current_time(), self._hearing.position_ms)
            self._outbound.wake()

    # --- reminders ----------------------------------------------------------------------------------------

    def remind(self, delay_s: float, text: str) -> Callable[[], None]:
        """Say `text` in `delay_s` seconds, or as soon as nobody speaks after that. Returns what takes it
        back.

        Raises ClientError when too many are waiting.
        """
        if self._reminders >= MAX_REMINDERS:
            raise ClientError("rate_limit_exceeded", f"at most {MAX_REMINDERS} reminders can be waiting")
        self._reminders += 1
        scope = anyio.CancelScope()
        self._tasks.start_soon(self._remind_later, scope, delay_s, text)
        return scope.cancel

    def announce(self, text: str) -> None:
        """Say `text` as soon as nobody speaks."""
        self._announcements.append(text)
        self._announce()

    async def _remind_later(self, scope: anyio.CancelScope, delay_s: float, text: str) -> None:
        with scope:
            await anyio.sleep(delay_s)
        self._reminders -= 1
        if not scope.cancelled_caught:
            self.announce(text)

    def _announce(self) -> None:
        if self._announcements and self._floor.state is State.LISTENING:
            self._feed(FloorEvent.REPLY_REQUESTED, Question(say=self._announcements.popleft()))

    # --- the writer ---------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Send what is due, and keep the session's time in between."""
        now, patience_s = anyio.current_time, self._services.limits.send_timeout_s
        with anyio.CancelScope() as scope:
            try:
                while True:
                    event = self._outbound.take(now())
                    if event is not None:
                        scope.deadline = now() + patience_s
                        await self._send(event)
                        continue
                    scope.deadline = math.inf
                    await self._outbound.wait(self._wake_at(now()))
                    self._tick(now())
            except WireClosed:
                return  # the reader learns of it too, and ends the session
        if scope.cancelled_caught:
            self.end(_SLOW_CONSUMER)

    async def _send(self, event: ev.Event) -> None:
        for frame in self._dialect.encode(event):
            await self._wire.send(frame)

    def _wake_at(self, now: float) -> float:
        due, deadline = self._outbound.next_due(now), self._floor.deadline
        silence_over_at = self._silence_over_at()
        return min(due or self._expires_at, deadline or self._expires_at, silence_over_at, self._expires_at)

    def _silence_over_at(self) -> float:
        return math.inf if self._silence is None else self._silence.over_at(self._config.turn_detection)

    def _tick(self, now: float) -> None:
        for command in self._floor.tick(now):
            self._do(command, None, None)
        if self._silence is not None and now >= self._silence_over_at():
            self._break_silence(self._silence)
        if now >= self._expires_at:
            minutes = self._services.limits.max_session_s / 60
            message = f"Your session hit the maximum duration of {minutes:g} minutes."
            self.end(SessionOver(1001, "session expired", error=ClientError("session_expired", message)))
