"""One session: the shell of one conversation, which hears, obeys, and tells.

Theory of operation
-------------------
A session is one task group with a reader, a writer and the live turn; when `run` returns nothing of it is
left. The reader turns frames into commands and obeys each with plain function calls: it never waits for the
socket, nor for a stage, so that a client that has stopped reading can still interrupt. The writer is the
only one to touch the socket; it also keeps the session's time (deadlines of the floor, the session's age),
because it wakes anyway. Whose turn it is decides the floor (`server.turntaking.floor`), and
`server.session.floor_keeper` does what it says, the live turn included.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from server.conversation import history
from server.conversation.clips import Clips
from server.conversation.items import ItemCommand, obey_item_command
from server.conversation.memory import Conversation
from server.conversation.spoken_items import SpokenItems
from server.conversation.utterance import Outcome, Utterance
from server.domain import commands as cmd
from server.domain import events as ev
from server.domain.errors import ClientError, SessionOver
from server.domain.ids import Ids
from server.domain.mcp_tools import Approval
from server.domain.values import SessionConfig
from server.domain.voice_events import Ping, Played, Pong, VoicesOffered
from server.domain.wire import Dialect, Wire
from server.output.link import Link
from server.output.outbound import Outbound
from server.output.writer import Writer
from server.response.context import ResponseContext
from server.response.playback import Playback
from server.response.requests import RequestContext, Requests
from server.session.allowance import Allowance
from server.session.audio_pace import AudioPace, bytes_per_s, slices
from server.session.floor_keeper import FloorKeeper, KeeperContext
from server.session.helpers import contained
from server.session.lifetime import Lifetime
from server.session.services import Services, floor_limits
from server.session.speculation import Speculation
from server.session.turn_reports import TurnReports
from server.tools.mcp_calls import McpCalls
from server.tools.mcp_servers import SessionMcpServers
from server.turntaking.floor import Floor
from server.turntaking.floor_table import FloorEvent
from server.turntaking.happened import Happened
from server.turntaking.hearing import Hearing
from server.turntaking.overlaps import SpeechContext
from server.turntaking.speech import Speech
from stageflow.context import Message

log = logging.getLogger(__name__)

CLOSE_DEADLINE_S = 2.0
"""How long saying good-bye may take."""

FRAMES_A_TURN = 16
"""Frames that are obeyed, at most, before it is the turn of the others."""

LARGE_FRAME = 64 << 10
"""Bytes or characters of a frame that is worth a turn of the loop of its own: it takes milliseconds to read."""

SLOW_CONSUMER = 4408
SLOW_DEADLINE_S = 0.2
"""The same to a client that does not read: there is no hope that it will hear it."""


def _slow_consumer(why: str) -> SessionOver:
    return SessionOver(SLOW_CONSUMER, f"slow consumer: {why}")


async def _unchecked() -> None:
    """Its key may ask for as much as it likes."""


class Session:
    """A conversation, over one connection at a time. `run` is all its life."""

    def __init__(
        self,
        wire: Wire,
        dialect: Dialect,
        services: Services,
        config: SessionConfig,
        check_request: Callable[[], Awaitable[None]] = _unchecked,
        owner: str | None = None,
        ids: Ids | None = None,
    ) -> None:
        """`check_request` raises ClientError for a response that is beyond what its key may ask for. What is done for
        good is done for `owner`; without one, for the session alone. `ids` are the dialect's too."""
        self._ids = ids or Ids()
        self.id = self._ids.new("sess")
        self._owner = owner or self.id
        self.speculation = Speculation()
        """What preparing answers in pauses has brought."""
        self._now = asyncio.get_running_loop().time  # not anyio's: words come by callback, where no task runs
        self._link = Link(wire, services.grace_s)
        self._dialect = dialect
        self._services = services
        self._config = config
        limits = services.limits
        self._pace = AudioPace(limits.max_audio_ahead_s, limits.max_audio_speed, self._now())
        self._floor = Floor(floor_limits(services))
        self._keep_idle_time(config)
        self._conversation = Conversation(
            limits.max_items, limits.max_written_chars, trusts_client=config.trusts_items, ids=self._ids
        )
        self._outbound = self._new_outbound()
        put = self._outbound.put
        self._spoken = SpokenItems(
            self.id,
            self._conversation,
            put,
            wants_transcripts=lambda: self._config.transcription,
            spawn=self._help,
        )
        self._clips = Clips(
            self.id,
            services.recogniser,
            self._spoken,
            max_waiting_s=limits.max_waiting_clips_s,
            spawn=self._help,
        )
        self._mcp = self._new_mcp()
        self._hearing = self._new_hearing()
        self._speech = Speech(self._hearing, self._speech_context())
        self._context = self._new_response_context()
        self._requests = self._new_requests()
        self._playback = self._new_playback()
        self._observer = services.observer
        self._reports = TurnReports(self.id, self._hearing, put, self._playback, services.observer)
        self._keeper = self._new_keeper()
        self._writer = self._new_writer()
        self._tasks: TaskGroup
        self._check_request = check_request
        self._allowance = Allowance(limits.max_responses_per_min, limits.max_output_bytes_per_min)
        self._lifetime = Lifetime(self._now(), limits.max_session_s, limits.max_idle_s)
        self._over: SessionOver | None = None

    def _new_outbound(self) -> Outbound:
        services = self._services
        return Outbound(
            lead_ms=services.lead_ms if self._dialect.holds_voice else services.unreported_lead_ms,
            chunk_ms=services.chunk_ms,
            max_queued_audio_s=services.limits.max_queued_audio_s,
            max_unsent_bytes=services.limits.max_unsent_bytes,
            on_overflow=lambda: self.end(_slow_consumer("the client does not read what it is sent")),
            share=services.share,
        )

    def _new_writer(self) -> Writer:
        return Writer(
            self._link,
            self._dialect,
            self._outbound,
            patience_s=self._services.limits.send_timeout_s,
            max_unread_s=self._services.limits.max_unread_s,
            now=self._now,
            wake_at=self._wake_at,
            tick=self._tick,
            audio_left=self._audio_left,
        )

    def _new_playback(self) -> Playback:
        unsent = None if self._dialect.holds_voice else (lambda: self._link.unsent_bytes)
        return Playback(self._conversation, self._outbound, self._context.half_trip_s, unsent)

    def _new_mcp(self) -> McpCalls:
        put, spawn = self._outbound.put, self._help
        servers = SessionMcpServers(self.id, self._services.tool_servers, self._conversation, put, spawn)
        return McpCalls(servers, self._conversation, put, spawn)

    def _new_hearing(self) -> Hearing:
        return Hearing(
            self._services.recogniser,
            self._services.new_vad,
            self._config,
            ids=self._ids,
            max_utterance_s=self._services.limits.max_utterance_s,
            recognise_s=self._services.deadlines.recognise_s,
            first_sign_counts=self._dialect.holds_voice and not self._services.interruption.protect_ms,
            on_partial=self._partial,
            on_transcribed=self._was_transcribed,
            on_settled=self._settled,
        )

    def _speech_context(self) -> SpeechContext:
        return SpeechContext(
            feed=self.feed,
            put=self._outbound.put,
            take=self._spoken.take,
            read=self._spoken.read,
            detection=lambda: self._config.turn_detection,
            expects=self._conversation.expects,
            answer_text=lambda: "" if self._keeper.answer is None else self._keeper.answer.text,
            answer_heard_ms=lambda: 0 if self._keeper.answer is None else self._keeper.answer.heard_ms,
            end_of_turn=self._services.end_of_turn,
            policy=self._services.interruption,
            holds_voice=self._dialect.holds_voice,
        )

    def _new_response_context(self) -> ResponseContext:
        services, link = self._services, self._link
        return ResponseContext(
            session_id=self.id,
            pipelines=services.pipelines,
            conversation=self._conversation,
            outbound=self._outbound,
            ports=services.new_ports(self.remind, self._owner),
            mcp=self._mcp,
            confirmed_tools=services.confirmed_tools,
            earlier=self._hearing.earlier,
            deadlines=services.deadlines,
            on_alive=lambda run: self._floor.alive(run, self._now()),
            on_audible=lambda run: self.feed(Happened(FloorEvent.AUDIBLE, run=run)),
            max_context_tokens=services.limits.max_context_tokens,
            half_trip_s=lambda: link.latency_s / 2,
            now=self._now,
            spawn=self._help,
            user_id=None if self._owner == self.id else self._owner,
            raises_impossible=services.raises_impossible,
        )

    def _new_requests(self) -> Requests:
        return Requests(
            RequestContext(
                feed=self.feed,
                config=lambda: self._config,
                answer=lambda: self._keeper.answer,
                of_responses=self._context,
                clips=self._clips,
                spawn=self._help,
            )
        )

    def _new_keeper(self) -> FloorKeeper:
        return FloorKeeper(
            KeeperContext(
                floor=self._floor,
                hearing=self._hearing,
                speech=self._speech,
                spoken=self._spoken,
                reports=self._reports,
                speculation=self.speculation,
                of_responses=self._context,
                requests=self._requests,
                config=lambda: self._config,
                spawn=lambda *work: self._tasks.start_soon(*work),
                close=lambda: self._tasks.cancel_scope.cancel(),
                observer=self._observer,
                raises_impossible=self._services.raises_impossible,
            )
        )

    def _help(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        self._tasks.start_soon(contained, self.id, work, *arguments)

    def messages(self) -> tuple[Message, ...]:
        """The conversation as a model would be given it now."""
        return history.messages(self._conversation)

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Converse until the client is gone or the session must end. Cancel-safe: nothing is left behind."""
        max_session_s = self._services.limits.max_session_s
        self._lifetime = Lifetime(self._now(), max_session_s, self._services.limits.max_idle_s)
        expires_at_s = int(self._services.unix_time_s()) + max_session_s
        self._outbound.put(ev.SessionStarted(self.id, self._ids.new("conv"), self._config, expires_at_s))
        self._outbound.put(VoicesOffered(self._services.voices))
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._write)
                self._mcp.configure(self._config.mcp)
                if self._services.greeting and self._config.purpose == "realtime":
                    self._keeper.announcements.add(self._services.greeting)
                await self._read()
                self.feed(Happened(FloorEvent.GONE))
        except Exception:
            log.exception("the session failed", extra={"session": self.id})
            self._over = SessionOver(1011, "internal error")
        finally:
            self._speech.close()
            self._outbound.flush()
            log.info("%s", self.speculation.line(), extra={"session": self.id})
        await self._say_goodbye()

    def attach(self, wire: Wire) -> Wire:
        """Go on over another connection, which gets all that the last one did not; returns the one before, which its
        owner closes. Raises WireClosed when the session is over."""
        before = self._link.attach(wire)
        self._outbound.wake()
        return before

    def detach(self) -> None:
        """Go on without a connection, until another is attached or `Services.grace_s` are over."""
        self._link.detach()

    def end(self, over: SessionOver) -> None:
        """End the session now, telling the client why. The first reason stands."""
        if self._over is None:
            self._over = over
            log.info("the session is ended: %s", over.reason)
            self._tasks.cancel_scope.cancel()

    async def _say_goodbye(self) -> None:
        over = self._over or SessionOver(1000, "")
        deadline_s = SLOW_DEADLINE_S if over.close_code == SLOW_CONSUMER else CLOSE_DEADLINE_S
        with anyio.move_on_after(deadline_s, shield=True):
            if over.error is not None:
                await self._writer.send(ev.Problem(over.error))
            await self._link.close(over.close_code, over.reason)
        self._observer.session_ended(self.close_code)

    @property
    def close_code(self) -> int:
        """What the session ended with: our own reason, or else what the connection says."""
        return self._over.close_code if self._over else self._link.close_code or 1000

    # --- the reader ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        frames = 0
        while (frame := await self._link.receive()) is not None:
            frames += 1
            if not frames % FRAMES_A_TURN:
                await checkpoint()  # `receive` does not wait while there are frames
            self._lifetime.heard(self._now())
            try:
                is_large = len(frame) > LARGE_FRAME
                if is_large:
                    await checkpoint()  # it took its time to be put together
                command = self._dialect.decode(frame)
                if is_large:
                    await checkpoint()
                if isinstance(command, cmd.AppendAudio):  # the hot path first
                    await self._hear(command)
                else:
                    await self._allow(command)
                    if isinstance(command, cmd.Noted):
                        self._obey_noted(command)
                    else:
                        self._obey(command)
            except ClientError as error:
                self._complain(error)

    async def _allow(self, command: cmd.Order | cmd.Noted) -> None:
        order = command.command if isinstance(command, cmd.Noted) else command
        try:
            self._allowance.check(order, self._writer.sent_bytes, self._now())
            if isinstance(order, cmd.CreateResponse):
                await self._check_request()
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    def _complain(self, error: ClientError) -> None:
        self._observer.problem(error.code)
        self._outbound.put(ev.Problem(error))

    def _obey(self, command: cmd.Order) -> None:
        try:
            match command:
                case Played() | Ping():
                    self._obey_player(command)
                case cmd.CommitAudio():
                    self._speech.commit()
                case cmd.ClearAudio():
                    self._speech.clear()
                case cmd.Configure():
                    self._configure(command)
                case cmd.CreateResponse(options=options):
                    self._requests.create(options)
                case cmd.CancelResponse(response_id=response_id):
                    self._requests.cancel(response_id)
                case cmd.ClearOutput():
                    self._requests.clear_output()
                case _:
                    self._obey_item(command)
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    def _obey_noted(self, noted: cmd.Noted) -> None:
        try:
            self._obey(noted.command)
        finally:
            for problem in noted.problems:
                log.warning("the client was told: %s", problem.message, extra={"session": self.id})
                self._complain(problem)

    def _obey_player(self, command: Played | Ping) -> None:
        if isinstance(command, Ping):
            self._outbound.put(Pong())
        else:
            self._playback.report(command, self._keeper.answer, self._now())

    def _obey_item(self, command: ItemCommand) -> None:
        approval = command.item.detail if isinstance(command, cmd.AddItem) else None
        if isinstance(approval, Approval):
            self._mcp.check(approval)
        for event in obey_item_command(command, self._conversation, self._clips):
            self._outbound.put(event)
        if isinstance(approval, Approval):
            self._mcp.decide(approval)

    async def _hear(self, command: cmd.AppendAudio) -> None:
        """Hear it slice by slice, no faster than the pace allows; see `server.session.audio_pace`."""
        if command.problem is not None:
            self._complain(command.problem)
        format, is_detected = self._config.input_format, self._config.turn_detection is not None
        try:
            for piece in slices(command.data, format):
                if self._pace.is_ahead(self._now()):
                    async with self._services.bulk_hearing:
                        self._hear_slice(piece)
                else:
                    self._hear_slice(piece)
                audio_s = len(piece) / bytes_per_s(format)
                wait_s = self._pace.heard(audio_s, self._now(), is_detected=is_detected)
                if wait_s is not None:
                    await anyio.sleep(wait_s)
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    def _hear_slice(self, data: bytes) -> None:
        now = self._now()
        self._lifetime.heard(now)
        self._floor.audio_came(now)
        self._speech.push(data)

    def _configure(self, command: cmd.Configure) -> None:
        config = command.config
        self._speech.configure(config)
        self._config = config
        self._keep_idle_time(config)
        self._outbound.put(ev.SessionConfigured(config, command.ignored))
        if command.ignored:
            params = ", ".join(setting.param for setting in command.ignored)
            log.info("settings that change nothing: %s", params, extra={"session": self.id})
        self._mcp.configure(config.mcp)

    def _keep_idle_time(self, config: SessionConfig) -> None:
        idle_ms = config.turn_detection.idle_timeout_ms if config.turn_detection else None
        self._floor.set_idle_s(None if idle_ms is None else idle_ms / 1000, self._now())

    # --- the person's words -------------------------------------------------------------------------------

    def _partial(self, utterance: Utterance, delta: str) -> None:
        self._spoken.tell_delta(utterance.item_id, delta)
        self._speech.weigh(utterance)

    def _was_transcribed(self, utterance: Utterance, outcome: Outcome) -> None:
        self._reports.read(utterance, self._keeper.answer, self._now())
        self._speech.weigh(utterance)

    def _settled(self, utterance: Utterance, outcome: Outcome) -> None:
        self._reports.read(utterance, self._keeper.answer, self._now())
        self._spoken.settle(utterance, outcome)

    # --- whose turn it is ---------------------------------------------------------------------------------

    def feed(self, happened: Happened) -> None:
        """Tell the floor what happened; see `FloorKeeper.feed`."""
        self._keeper.feed(happened)

    def remind(self, delay_s: float, text: str) -> Callable[[], None]:
        """Say `text` in `delay_s` seconds, or as soon as nobody speaks; see `Announcements.remind`."""
        return self._keeper.announcements.remind(self._tasks, delay_s, text)

    # --- the writer ---------------------------------------------------------------------------------------

    async def _write(self) -> None:
        if (why := await self._writer.run()) is not None:
            self.end(_slow_consumer(why))  # otherwise the reader learns that the client is gone

    def _wake_at(self, now: float) -> float:
        deadline, end = self._floor.deadline, self._lifetime.ends_at
        due = self._outbound.next_due(now) if self._link.is_attached else None
        return min(end if due is None else due, end if deadline is None else deadline, end)

    def _audio_left(self, size_bytes: int) -> None:
        self._playback.audio_left(size_bytes, self._keeper.answer, self._now())

    def _tick(self, now: float) -> None:
        self._keeper.tick(now)
        over = self._lifetime.over(now)
        if over is not None:
            self.end(over)
