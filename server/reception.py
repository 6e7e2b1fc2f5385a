"""Takes each connection that the door has let in: gives it the session that it comes back to, or opens one and runs it.

What the server speaks where is a table of dialects; what a session is made of is what is configured when it opens.
"""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request

from server.config.sources import SessionSources
from server.dialects.realtime.locks import Pinned
from server.dialects.registry import DialectRoute, DialectTable, OpenedBy, Opening, SessionDialect
from server.domain.errors import ClientError, Fault
from server.domain.events import Problem
from server.domain.ids import Ids
from server.domain.values import IgnoredSetting, ResumeOffer
from server.domain.wire import Dialect, ResumableDialect, Wire, as_resumable
from server.gateway.door.admission import Admission, QuotaOfKey, Visitor
from server.gateway.door.backstage import Unready
from server.gateway.door.http import FrontDoor, path_of
from server.gateway.door.roster import Roster
from server.gateway.door.shared_secrets import SharedSecrets
from server.gateway.requests.handshake import presented_key
from server.gateway.returns.conversations import Conversations
from server.gateway.returns.moves import Moves
from server.gateway.returns.returning import (
    TAKEN_OVER,
    NotResumed,
    ResumeClaim,
    earlier_session,
    not_resumed,
    resume_claim,
)
from server.gateway.sockets.connection import GuardedConnection
from server.gateway.sockets.meter import RESUMABLE_SILENCE_S
from server.gateway.sockets.socket_wire import SocketWire
from server.journal.recorder import Recorder, SeededIds
from server.journal.setup import Beginning, LiveParts
from server.journal.wires import outer_wire
from server.output.link import is_left
from server.session.going_on import greet_back, restore
from server.session.resumption import ResumePass
from server.session.session import Session
from server.session.snapshot import Snapshot
from server.telemetry.logs import about
from server.telemetry.task_watch import TaskWatch
from server.tools.mcp_policy import McpPolicy
from stages.runtime.lines import calls_of

log = logging.getLogger(__name__)

NOT_KEPT = "no such session is kept, or another key opened it; this one begins anew"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The earlier session of another process that a connection goes on with, if there is one."""

    snapshot: Snapshot | None = None
    claim: ResumeClaim | None = None
    """By which the client has come back, if it takes the session for the same one."""
    not_honoured: tuple[IgnoredSetting, ...] = ()
    """What the client is told if the session that it names is not kept."""

    @property
    def last_seq(self) -> int | None:
        """The last frame that the client has got, if it takes the session for the same one."""
        return None if self.claim is None else self.claim.last_seq

    def restore(self, dialect: Dialect, ids: Ids) -> None:
        """Have the dialect go on where that of the session has ended. Raises NotResumed."""
        if self.claim is None or self.snapshot is None:
            return
        resumable = as_resumable(dialect)
        if resumable is None:
            raise not_resumed()
        try:
            restore(resumable, self.snapshot, self.claim.last_seq, ids)
        except (ValueError, KeyError, TypeError) as error:  # another version may have written it
            log.warning("what the other node has kept is not to be had: %s", error)
            raise not_resumed() from error

    def go_on(
        self, session: Session, dialect: ResumableDialect, ticket: ResumePass, offer: ResumeOffer
    ) -> str | None:
        """Greet the client that has come back; returns the token that it has shown."""
        if self.claim is None or self.snapshot is None:
            return None
        ticket.show(self.claim.token)
        greet_back(session.link, dialect, self.snapshot, self.claim.last_seq, offer)
        return self.claim.token


@dataclass(slots=True)
class SeatHolder:
    """A client that has a place."""

    has_hung_up: Callable[[], bool]
    """Whether the connection is gone that the place was taken for."""
    session: Session | None = None
    """Theirs, as soon as there is one: it may go on over another connection, or wait for one."""

    def is_left(self) -> bool:
        """Whether nobody is waited for, so that the place is about to be free."""
        if self.session is None:
            return self.has_hung_up()
        link = self.session.link
        return is_left(link, outer_wire(link.wire).close_code)


@dataclass(slots=True)
class Reception:
    """Has a session for each connection, as long as that lasts."""

    sources: SessionSources
    """What new sessions are made of; those that run go on with what they have."""
    door: FrontDoor
    admission: Admission
    roster: Roster
    secrets: SharedSecrets[Pinned]
    dialects: DialectTable
    hosting: McpPolicy
    """Which servers of tools a client may name."""
    conversations: Conversations
    moves: Moves
    tasks: TaskWatch = field(default_factory=TaskWatch)
    recorder: Recorder | None = None
    """Who records new sessions, if somebody does."""

    async def converse(self, connection: ServerConnection) -> None:
        """Serve one connection until it is over; for `websockets.serve`."""
        assert isinstance(connection, GuardedConnection), "`listening` asks for nothing else"
        headers = connection.request.headers if connection.request else Headers()
        visitor = self.door.visitor(connection, headers)
        try:
            earlier = Earlier()
            if (claim := resume_claim(headers)) is not None:
                snapshot = await self._resume(connection, visitor, claim)
                if snapshot is None:
                    return
                earlier = Earlier(snapshot, claim)
            caller = SeatHolder(partial(_has_hung_up, connection))
            async with self.admission.seated(visitor, str(connection.id), caller.is_left):
                # What another node has handed over is here alone: its client comes back to it.
                is_new = earlier.claim is None
                if is_new and caller.has_hung_up() and not len(connection.recv_messages.frames):
                    log.info("a client has left before its session was opened")
                else:
                    await self._open_session(connection, caller, visitor, earlier)
        except NotResumed as refusal:
            await connection.close(refusal.close_code, refusal.reason)
            self.admission.count(refusal.close_code, "not_resumed")

    async def _resume(
        self, connection: GuardedConnection, visitor: Visitor, claim: ResumeClaim
    ) -> Snapshot | None:
        """Give a session to the connection, for as long as it lasts; or, if it was another node's, return what it has
        left. Raises NotResumed."""
        returns = self.roster.returns
        ticket = await returns.elsewhere(claim.token, visitor.holder)
        if ticket is not None:
            return await self.moves.fetch(claim, ticket)
        wire_of = partial(SocketWire, connection)
        session, before = await returns.attach(claim, visitor.holder, wire_of)
        connection.expect_life(RESUMABLE_SILENCE_S)
        log.info("session resumed", extra={"session": session.id})
        await before.close(TAKEN_OVER, "another connection has taken over")
        await connection.wait_closed()
        return None

    async def _open_session(
        self, connection: GuardedConnection, caller: SeatHolder, visitor: Visitor, earlier: Earlier
    ) -> None:
        assert connection.request is not None, "there was a handshake"
        ticket = ResumePass()
        wire, sources = SocketWire(connection, ticket.confirm), self.sources
        key, path = presented_key(connection.request.headers), connection.request.path
        route = self.dialects.find(path_of(path), connection.subprotocol)
        assert route is not None, "the door lets nobody in who speaks nothing"
        pinned = self.secrets.find(key) if route.opened_by is OpenedBy.KEY_OR_SECRET else None
        recorder = self.recorder if self.recorder is not None and self.recorder.has_room else None
        if earlier.claim is None and not self._is_full:  # else the earlier session would end for nothing
            earlier = await self._earlier(connection.request, visitor)
        opening = self._opening(route, path, pinned, recorder, earlier.not_honoured)
        dialect = route.make(opening)
        earlier.restore(dialect, opening.ids)
        if self._is_full and earlier.snapshot is None:
            await _refuse(wire, dialect, sources.settings.limits.max_sessions)
            return
        name = sources.key_name(key)
        async with sources.providers.of_session() as providers, AsyncExitStack() as kept:
            offer, resumable = self._offer(connection, dialect, ticket), as_resumable(dialect)
            live = LiveParts(wire, dialect, providers, QuotaOfKey(self.admission, visitor))
            owner = None if name is None else f"key {name}"
            spoken = path_of(path), connection.subprotocol
            beginning = Beginning(*spoken, opening, owner, offer, earlier.snapshot, earlier.last_seq)
            if recorder is None:
                session = _session_of(sources, beginning, live)
            else:
                session = await kept.enter_async_context(recorder.session(sources, beginning, live))
            caller.session = session
            if offer is not None and resumable is not None:
                shown = earlier.go_on(session, resumable, ticket, offer)
                keeping = self.roster.returns.keep(
                    session, resumable, ticket, offer.token, visitor.holder, shown
                )
                await kept.enter_async_context(keeping)
            keeps = None if offer is None or resumable is None else resumable.keep
            await kept.enter_async_context(self.conversations.kept(session, visitor.owner or "", keeps))
            await self._run_session(session, dialect, name if pinned is None else "client-secret")

    def _offer(
        self, connection: GuardedConnection, dialect: Dialect, ticket: ResumePass
    ) -> ResumeOffer | None:
        """How the client may come back to its session, if it may."""
        grace_s = self.roster.returns.grace_s
        if not grace_s or as_resumable(dialect) is None:
            return None
        connection.expect_life(RESUMABLE_SILENCE_S)
        return ResumeOffer(ticket.offer(), grace_s)

    def _opening(
        self,
        route: DialectRoute,
        path: str,
        pinned: Pinned | None,
        recorder: Recorder | None,
        not_honoured: tuple[IgnoredSetting, ...],
    ) -> Opening:
        sources = self.sources
        return Opening(
            route.defaults(sources.session_config, path),
            sources.abilities,
            sources.settings.limits.max_utterance_s,
            self.hosting,
            pinned,
            Ids() if recorder is None else SeededIds(),
            path,
            not_honoured,
        )

    @property
    def _is_full(self) -> bool:
        return self.roster.unready is Unready.FULL  # while it drains, nobody gets through the door

    async def _earlier(self, request: Request, visitor: Visitor) -> Earlier:
        """What was said in the session that the client wants to go on with, if it names one; or what to tell it."""
        session_id = earlier_session(request.path, request.headers)
        if session_id is None:
            return Earlier()
        snapshot = await self.moves.find(session_id, visitor.owner or "")
        if snapshot is not None:
            log.info("an earlier session goes on", extra={"session": session_id})
            return Earlier(replace(snapshot, dialect=""))
        self.admission.count(404, "session_not_kept")
        return Earlier(not_honoured=(IgnoredSetting("session_id", NOT_KEPT),))

    async def _run_session(self, session: Session, dialect: SessionDialect, key_name: str | None) -> None:
        with about(session=session.id, key=key_name):
            log.info("session started")
            for setting in dialect.ignored:
                log.info("%s: %s", setting.param, setting.message)
            try:
                with self.roster.has(session), calls_of(session.id), self.tasks.session():
                    await session.run()
            finally:
                log.info("session ended", extra={"close_code": session.close_code})


def _has_hung_up(connection: GuardedConnection) -> bool:
    return connection.ended_with is not None


def _session_of(sources: SessionSources, beginning: Beginning, live: LiveParts) -> Session:
    return Session(
        live.wire,
        live.dialect,
        sources.services_of(live.providers),
        live.dialect.config,
        live.quota,
        beginning.owner,
        beginning.opening.ids,
        beginning.offer,
        beginning.restored,
    )


async def _refuse(wire: Wire, dialect: Dialect, limit: int) -> None:
    error = ClientError(Fault.SESSION_LIMIT, f"The server holds at most {limit} sessions; try again later.")
    for frame in dialect.encode(Problem(error)):
        await wire.send(frame)
    await wire.close(1013, "session limit reached")
