"""One session: the shell of one conversation, which hears, obeys, and tells.

Theory of operation
-------------------
A session is one task group with a reader, a writer and the live turn; when `run` returns nothing of it is left. It is
made of a few objects, in this order, each of those before it: the *base* that all share, *listening* (what hears and
decides), *answering* (what answers), the *writer* (the only one to touch the socket, and who keeps the session's time)
and the *reader* with its *orders*. What would lead back, from what is heard to the answer that it interrupts, goes
through the floor's inbox. Whose turn it is decides the floor (`server.turntaking.floor`), and
`server.session.floor_keeper` does what it says, the live turn included.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import anyio

from server.conversation import history
from server.conversation.memory import Conversation
from server.domain import events as ev
from server.domain.errors import SessionOver
from server.domain.ids import Ids
from server.domain.values import ConfigInForce, ResumeOffer, SessionConfig
from server.domain.voice_events import MoveAsked, VoicesOffered
from server.domain.wire import Dialect, Wire
from server.output.link import Link, LinkState, stop_hearing
from server.output.outbound import Outbound
from server.output.writer import OnChange, Writer
from server.response.holder import FloorHolder
from server.session.absence import Absence, WatchedBeside
from server.session.answering import Answering, answering_of
from server.session.base import SessionBase
from server.session.closing import Closing, see_off
from server.session.going_on import begin_owing, go_on
from server.session.key_quota import KeyQuota, NoQuota
from server.session.lifetime import Lifetime, lifetime_of
from server.session.listening import Listening, listening_of
from server.session.orders import Orders
from server.session.reader import Reader
from server.session.services import Services
from server.session.snapshot import Snapshot, is_at_rest, snapshot_of, take_in
from server.session.tasks import SessionTasks
from server.session.timekeeper import Timekeeper
from server.turntaking.floor_table import FloorEvent, State
from server.turntaking.happened import Happened
from stageflow.context import Message
from stages.runtime.contexts import name_library

log = logging.getLogger(__name__)


class Session:
    """A conversation, over one connection at a time. `run` is all its life."""

    def __init__(
        self,
        wire: Wire,
        dialect: Dialect,
        services: Services,
        config: SessionConfig,
        quota: KeyQuota | None = None,
        owner: str | None = None,
        ids: Ids | None = None,
        offer: ResumeOffer | None = None,
        restored: Snapshot | None = None,
    ) -> None:
        """`quota` is the share of its key; without one it has as much as it likes. What is done for good is done for
        `owner`; without one, for the session alone. `ids` are the dialect's too. `offer` is how its client may come
        back. With what was `restored` an earlier session goes on under its id."""
        grace_s = services.grace_s if offer is None else offer.grace_s
        self._base = base = _base_of(wire, dialect, services, config, owner, ids or Ids(), grace_s, restored)
        if restored is not None and restored.is_moving:
            begin_owing(restored, base)
        self._offer = offer
        self._restored = restored
        self._expires_at_s = _ends_at_unix_s(services, restored)
        self.id = base.session_id
        self.link = base.link
        self._listening = listening_of(base)
        self._answering = answering_of(base, self._listening)
        self.speculation = self._answering.speculation
        """What preparing answers in pauses has brought."""
        self._lifetime = lifetime_of(services.limits, base.now())
        self._writer = _writer(base, self._listening, self._answering, self._lifetime, dialect)
        base.link.watcher = Absence(self._listening.floor, base)
        orders = Orders(base, self._listening, self._answering)
        self._reader = Reader(
            base, dialect, self._listening, orders, self._writer, self._lifetime, quota or NoQuota()
        )

    def watch(self, changed: OnChange) -> None:
        """Have `changed` called whenever a snapshot of it would be another, and whether by more than a word."""
        self._writer.watch(changed)
        self.link.watcher = WatchedBeside(self.link.watcher, partial(changed, True))

    def snapshot(self, last_seq: int | None = None) -> Snapshot:
        """What is worth keeping of it. With `last_seq` it is handed over: what the client was sent beyond that frame is
        in it, as far as it is kept, and what waits to be sent is not sent here any more."""
        sent = None if last_seq is None else self._writer.unsent(last_seq)
        answering = self._answering
        return snapshot_of(
            self._base,
            self._listening,
            answering.requests.pending,
            answering.announcements,
            obeyed_events=self._base.link.received_events - self._reader.is_at_event,
            ends_at_unix_s=self._expires_at_s,
            sent=sent,
        )

    def messages(self) -> tuple[Message, ...]:
        """The conversation as a model would be given it now."""
        return history.messages(self._base.conversation)

    async def run(self) -> None:
        """Converse until the client is gone or the session must end. Cancel-safe: nothing is left behind."""
        base, services = self._base, self._base.services
        restored = self._restored
        name_library()
        self._begin()
        try:
            async with anyio.create_task_group() as tasks:
                base.tasks.open(tasks)
                tasks.start_soon(self._write)
                self._answering.mcp.configure(base.config.current.mcp)
                if restored is not None and restored.is_moving:
                    go_on(restored, base, self._listening, self._answering)
                elif services.greeting and base.config.current.purpose == "conversation" and not restored:
                    self._answering.announcements.add(services.greeting)
                await self._reader.run()
                self.feed(Happened(FloorEvent.GONE))
        except Exception:
            log.exception("the session failed", extra={"session": self.id})
            base.closing.failed()
        finally:
            self._listening.microphone.close()
            base.outbound.flush()
            if self.speculation.started:
                log.info("%s", self.speculation.line(), extra={"session": self.id})
        await base.closing.say_goodbye(self._writer)
        services.observer.session_ended(self.close_code)

    async def attach(self, wire: Wire, last_seq: int | None, greeting: str | None) -> Wire:
        """Go on over another connection; see `Link.attach`."""
        return self.link.attach(wire, last_seq, greeting)

    def _begin(self) -> None:
        """Tell the client, unless it has the session already."""
        base, services, restored = self._base, self._base.services, self._restored
        now = base.now()
        self._lifetime.begin(now)
        if restored is not None and restored.is_moving:
            self._lifetime.heard(now)
            self._lifetime.begins_at = now - max(0, _ends_at_unix_s(services, None) - self._expires_at_s)
            return
        known = () if restored is None else tuple(item.id for item in restored.items)
        conversation_id, config = base.ids.new("conv"), base.config.current
        started = ev.SessionStarted(self.id, conversation_id, config, self._expires_at_s, self._offer, known)
        base.outbound.put(started)
        base.outbound.put(VoicesOffered(services.voices))

    async def _write(self) -> None:
        # None: the reader learns that the client is gone.
        while (why := await self._writer.run()) is not None:
            if not await self._base.closing.drop_slow_consumer(why):
                self._base.closing.end_slow_consumer(why)
                return

    def asks_soon(self, *, is_new: bool) -> bool:
        """Whether it is about to ask its recogniser and its voice: somebody speaks to it, or it `is_new` and nobody has
        said or written anything in it, here or at another node: they are about to speak. Who was cut off while they
        spoke does not ask: the floor's time stands still until they come back."""
        if self._listening.floor.state is State.HEARING:
            return self._base.link.is_attached
        return is_new and not len(self._base.conversation)

    @property
    def may_leave(self) -> bool:
        """Whether the client is there and has not been sent away, and no turn is going on that would be cut."""
        is_quiet = not self._reader.is_busy and is_at_rest(self._base, self._listening)
        return self.link.state is LinkState.ATTACHED and is_quiet

    def leave(self, time_left_s: float) -> None:
        """Send the client to another node, or end the session with 1001 where it cannot move with its client. What the
        client says meanwhile is not heard here: it says that again where it goes."""
        if self._offer is None:
            self.end(SessionOver(1001, "the server is stopping"))
        else:
            stop_hearing(self.link)
            self._base.outbound.put(MoveAsked(int(time_left_s * 1000)))
            self._base.tasks.start(see_off, self.link)

    def end(self, over: SessionOver) -> None:
        """End the session now, telling the client why. The first reason stands."""
        self._base.closing.end(over)

    @property
    def close_code(self) -> int:
        """What the session ended with: our own reason, or else what the connection says."""
        return self._base.closing.code

    def feed(self, happened: Happened) -> None:
        """Tell the floor what happened; see `FloorInbox.feed`."""
        self._listening.inbox.feed(happened)

    def remind(self, delay_s: float, text: str) -> Callable[[], None]:
        """Say `text` in `delay_s` seconds, or as soon as nobody speaks; see `Announcements.remind`."""
        return self._answering.announcements.remind(delay_s, text)


def _ends_at_unix_s(services: Services, restored: Snapshot | None) -> int:
    """When it has lived as long as it may: one that moves, since it began at the first of its nodes."""
    if restored is not None and restored.is_moving:
        return restored.ends_at_unix_s
    return int(services.unix_time_s()) + services.limits.max_session_s


def _base_of(
    wire: Wire,
    dialect: Dialect,
    services: Services,
    config: SessionConfig,
    owner: str | None,
    ids: Ids,
    grace_s: float,
    restored: Snapshot | None,
) -> SessionBase:
    session_id, limits = restored.session_id if restored else ids.new("sess"), services.limits
    tasks, link = SessionTasks(session_id), Link(wire, grace_s, services.may_wait)
    closing = Closing(tasks, link)
    conversation = Conversation(
        limits.max_items, limits.max_written_chars, trusts_client=config.trusts_items, ids=ids
    )
    if restored is not None:
        take_in(restored, conversation)
    return SessionBase(
        session_id=session_id,
        owner=owner or session_id,
        ids=ids,
        services=services,
        config=ConfigInForce(config),
        holds_voice=dialect.holds_voice,
        tasks=tasks,
        closing=closing,
        link=link,
        outbound=_outbound(services, dialect, closing),
        conversation=conversation,
        holder=FloorHolder(),
        now=asyncio.get_running_loop().time,  # not anyio's: words come by callback, where no task runs
    )


def _writer(
    base: SessionBase, listening: Listening, answering: Answering, lifetime: Lifetime, dialect: Dialect
) -> Writer:
    limits = base.services.limits
    return Writer(
        base.link,
        dialect,
        base.outbound,
        patience_s=limits.send_timeout_s,
        max_unread_s=limits.max_unread_s,
        now=base.now,
        time=Timekeeper(listening.floor, listening.inbox, lifetime, base.closing, base.link, base.outbound),
        playout=answering.playback,
    )


def _outbound(services: Services, dialect: Dialect, closing: Closing) -> Outbound:
    return Outbound(
        lead_ms=services.lead_ms if dialect.holds_voice else services.unreported_lead_ms,
        chunk_ms=services.chunk_ms,
        max_queued_audio_s=services.limits.max_queued_audio_s,
        max_unsent_bytes=services.limits.max_unsent_bytes,
        on_overflow=closing.end_slow_consumer,
        share=services.share,
    )
