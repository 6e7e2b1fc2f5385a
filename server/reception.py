"""Takes each connection that the door has let in: gives it the session that it comes back to, or opens one and runs it.

What the server speaks where is a table of dialects; what a session is made of is what is configured when it opens.
"""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request

from server.config.sources import SessionSources
from server.dialects.realtime.locks import Pinned
from server.dialects.registry import DialectTable, OpenedBy, Opening, SessionDialect
from server.domain.errors import ClientError
from server.domain.events import Problem
from server.domain.ids import Ids
from server.domain.values import IgnoredSetting, ResumeOffer
from server.domain.wire import Dialect, ResumableDialect, Wire
from server.gateway.admission import Admission, QuotaOfKey, Visitor
from server.gateway.backstage import Unready
from server.gateway.connection import GuardedConnection
from server.gateway.conversations import Conversations
from server.gateway.handshake import presented_key
from server.gateway.http import FrontDoor, path_of
from server.gateway.meter import RESUMABLE_SILENCE_S
from server.gateway.returning import TAKEN_OVER, NotResumed, ResumeClaim, earlier_session, resume_claim
from server.gateway.roster import Roster
from server.gateway.shared_secrets import SharedSecrets
from server.gateway.socket_wire import SocketWire
from server.journal.recorder import Recorder, SeededIds
from server.journal.setup import Beginning, Live
from server.session.resumption import ResumePass
from server.session.session import Session
from server.session.snapshot import Snapshot
from server.telemetry.logs import about
from server.telemetry.task_watch import TaskWatch
from server.tools.mcp_policy import McpPolicy
from stages.runtime.lines import calls_of

log = logging.getLogger(__name__)

NOT_KEPT = "no such session is kept, or another key opened it; this one begins anew"


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
    tasks: TaskWatch = field(default_factory=TaskWatch)
    recorder: Recorder | None = None
    """Who records new sessions, if somebody does."""

    async def converse(self, connection: ServerConnection) -> None:
        """Serve one connection until it is over; for `websockets.serve`."""
        assert isinstance(connection, GuardedConnection), "`listening` asks for nothing else"
        headers = connection.request.headers if connection.request else Headers()
        visitor = self.door.visitor(connection, headers)
        if (claim := resume_claim(headers)) is not None:
            await self._resume(connection, visitor, claim)
            return
        async with self.admission.seated(visitor, str(connection.id)):
            await self._open_session(connection, visitor)

    async def _resume(self, connection: GuardedConnection, visitor: Visitor, claim: ResumeClaim) -> None:
        """Give a session to the connection, for as long as it lasts, or close it and say why not."""
        try:
            wire_of = partial(SocketWire, connection)
            session, before = await self.roster.returns.attach(claim, visitor.holder, wire_of)
        except NotResumed as refusal:
            await connection.close(refusal.close_code, refusal.reason)
            self.admission.count(refusal.close_code, "not_resumed")
            return
        connection.expect_life(RESUMABLE_SILENCE_S)
        log.info("session resumed", extra={"session": session.id})
        await before.close(TAKEN_OVER, "another connection has taken over")
        await connection.wait_closed()

    async def _open_session(self, connection: GuardedConnection, visitor: Visitor) -> None:
        assert connection.request is not None, "there was a handshake"
        wire, sources, returns = SocketWire(connection), self.sources, self.roster.returns
        key = presented_key(connection.request.headers)
        route = self.dialects.find(path_of(connection.request.path), connection.subprotocol)
        assert route is not None, "the door lets nobody in who speaks nothing"
        by_secret = route.opened_by is OpenedBy.KEY_OR_SECRET
        pinned = self.secrets.find(key) if by_secret else None
        snapshot, not_honoured = await self._earlier(connection.request, visitor)
        recorder = self.recorder if self.recorder is not None and self.recorder.has_room else None
        opening = Opening(
            route.defaults(sources.session_config, connection.request.path),
            sources.abilities,
            sources.settings.limits.max_utterance_s,
            self.hosting,
            pinned,
            Ids() if recorder is None else SeededIds(),
            connection.request.path,
            not_honoured,
        )
        dialect = route.make(opening)
        if self.roster.unready is Unready.FULL:  # while it drains, nobody gets through the door
            await _refuse(wire, dialect, sources.settings.limits.max_sessions)
            return
        name = sources.key_name(key)
        async with sources.providers.of_session() as providers, AsyncExitStack() as kept:
            ticket, offer = ResumePass(), None
            if returns.grace_s and isinstance(dialect, ResumableDialect):
                offer = ResumeOffer(ticket.offer(), returns.grace_s)
                connection.expect_life(RESUMABLE_SILENCE_S)
            quota = QuotaOfKey(self.admission, visitor)
            owner = None if name is None else f"key {name}"
            if recorder is None:
                services = sources.services_of(providers)
                session = Session(
                    wire, dialect, services, dialect.config, quota, owner, opening.ids, offer, snapshot
                )
            else:
                path = path_of(connection.request.path)
                beginning = Beginning(path, connection.subprotocol, opening, owner, offer, snapshot)
                live = Live(wire, dialect, providers, quota)
                session = await kept.enter_async_context(recorder.session(sources, beginning, live))
            await kept.enter_async_context(self.conversations.kept(session, visitor.owner or ""))
            if offer is not None and isinstance(dialect, ResumableDialect):
                await kept.enter_async_context(
                    returns.keep(session, dialect, ticket, offer.token, visitor.holder)
                )
            await self._run_session(session, dialect, name if pinned is None else "client-secret")

    async def _earlier(
        self, request: Request, visitor: Visitor
    ) -> tuple[Snapshot | None, tuple[IgnoredSetting, ...]]:
        """What was said in the session that the client wants to go on with, if it names one; or what to tell it."""
        session_id = earlier_session(request.path, request.headers)
        if session_id is None:
            return None, ()
        snapshot = await self.conversations.find(session_id, visitor.owner or "")
        if snapshot is not None:
            log.info("an earlier session goes on", extra={"session": session_id})
            return snapshot, ()
        self.admission.count(404, "session_not_kept")
        return None, (IgnoredSetting("session_id", NOT_KEPT),)

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


async def _refuse(wire: Wire, dialect: Dialect, limit: int) -> None:
    error = ClientError(
        "session_limit_reached", f"The server holds at most {limit} sessions; try again later."
    )
    for frame in dialect.encode(Problem(error)):
        await wire.send(frame)
    await wire.close(1013, "session limit reached")
