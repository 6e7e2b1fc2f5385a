"""Clients that come back: which session a token belongs to, who may have it, and how the session is attached again.

A client that comes back offers, beside the subprotocol that it speaks, `x-resume.<seq>.<token>`: the number of the last
frame that it has got, and the token of its session. The store knows what session a token belongs to and by whose key it
was opened, under the token's digest; whether the token is still good says the session's `ResumePass`.
"""

import hmac
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import parse_qs, urlsplit

import anyio
from websockets.datastructures import Headers

from server.cluster.shared import may_be_behind
from server.cluster.store import Store
from server.domain.clock import Now
from server.domain.errors import SessionOver
from server.domain.ids import new_id
from server.domain.values import ResumeOffer
from server.domain.wire import ResumableDialect, Wire, WireClosed
from server.gateway.requests.handshake import offered_subprotocols
from server.gateway.returns.tickets import Leaving, Ticket, digest_key, read_ticket, ticket_key, write_ticket
from server.output.link import HistoryLost
from server.session.resumption import ResumePass
from server.session.session import Session

log = logging.getLogger(__name__)

PREFIX = "x-resume."
_CLAIM = re.compile(r"x-resume\.(\d{1,15})\.([A-Za-z0-9_-]{1,128})")

MAX_ID_CHARS = 128

NOT_RESUMED = 4404
TAKEN_OVER = 4409
HISTORY_LOST = 4410
TRY_AGAIN = 1012

SWITCH_S = 2.0
"""How long a node that dies meanwhile keeps others from having the session."""


@dataclass(frozen=True, slots=True)
class ResumeClaim:
    """What a client shows that comes back."""

    last_seq: int
    token: str


def resume_claim(headers: Headers) -> ResumeClaim | None:
    """What the client shows, if it comes back; a claim that cannot be read is one that nobody grants."""
    for offer in offered_subprotocols(headers):
        if offer.startswith(PREFIX):
            read = _CLAIM.fullmatch(offer)
            return ResumeClaim(int(read[1]), read[2]) if read else ResumeClaim(0, "")
    return None


def earlier_session(target: str, headers: Headers) -> str | None:
    """The id of the session that a client which opens another wants to go on with: `?session_id=…`, or the header."""
    named = parse_qs(urlsplit(target).query).get("session_id", headers.get_all("x-session-id"))
    return named[0][:MAX_ID_CHARS] if named else None


class NotResumed(SessionOver):
    """The connection is closed with this; the session, if there is one, is as it was."""


def not_resumed() -> NotResumed:
    """What a client is told for whose token there is no session."""
    return NotResumed(NOT_RESUMED, "there is no such session to resume, or the token is used up or not yours")


def try_again() -> NotResumed:
    """There may be something for that token in a moment."""
    return NotResumed(TRY_AGAIN, "the session changes its node, or the store of the nodes is lost: try again")


def not_found(store: Store, now: float) -> NotResumed:
    """What is told to a client of whose session the store has nothing."""
    return try_again() if may_be_behind(store, now) else not_resumed()


@dataclass(slots=True)
class _Kept:
    session: Session
    dialect: ResumableDialect
    owner: str
    ticket: ResumePass
    token_keys: list[str] = field(default_factory=list)
    """Under which the store knows the session."""
    returning: anyio.Lock = field(default_factory=anyio.Lock)
    """One at a time."""

    def of_node(self, node: str) -> Ticket:
        return Ticket(self.session.id, self.owner, node)


class Returns:
    """The sessions of this process whose clients may come back. `now` is the store's clock."""

    def __init__(self, store: Store, *, node: str = "", grace_s: float, lease_s: float, now: Now) -> None:
        """`lease_s` is how long a session may live. `node` is the name of this one among those that share the store."""
        self.node = node
        self._store = store
        self.grace_s = grace_s
        self._lease_s = lease_s
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._used_up: set[str] = set()
        """Keys that the store is to forget."""
        self._wake = anyio.Event()

    @property
    def detached(self) -> int:
        """How many sessions wait for a connection."""
        return sum(kept.session.link.is_detached for kept in self._kept.values())

    @asynccontextmanager
    async def keep(
        self,
        session: Session,
        dialect: ResumableDialect,
        ticket: ResumePass,
        token: str,
        holder: str | None,
        shown: str | None = None,
    ) -> AsyncIterator[None]:
        """Its client may come back within, with the key whose `holder` it is; by the token that it has `shown`, too."""
        kept = self._kept[session.id] = _Kept(session, dialect, holder or "", ticket)
        ticket.on_used_up = partial(self._use_up, kept)
        try:
            for good in filter(None, (shown, token)):
                await self._publish(kept, good, shown)
            yield
        finally:
            if self._kept.get(session.id) is kept:
                del self._kept[session.id]
            with anyio.CancelScope(shield=True):
                for key in kept.token_keys:
                    await self._store.take(key, self._now())

    def _use_up(self, kept: _Kept, digest: str) -> None:
        key = digest_key(digest)
        if key in kept.token_keys:
            kept.token_keys.remove(key)
            self._used_up.add(key)
            self._wake.set()

    async def run(self) -> None:
        """Have the store forget tokens that are used up, so that they are of no use when this node is dead either.
        Returns only when cancelled."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._used_up:
                await self._store.take(self._used_up.pop(), self._now())

    def forget(self, session_id: str) -> Leaving:
        """Another node goes on with that session; its tokens, which are returned, are that node's."""
        kept = self._kept.pop(session_id, None)
        if kept is None:
            return Leaving(Ticket(session_id, "", ""))
        keys, kept.token_keys = tuple(kept.token_keys), []
        return Leaving(kept.of_node(""), keys)

    async def leave(self, leaving: Leaving) -> None:
        """Have whichever node its client comes to go on with a session that was forgotten here."""
        for key in leaving.token_keys:
            await self._store.write(key, write_ticket(leaving.ticket), self.grace_s, self._now())

    async def leave_untaken(self, leaving: Leaving, keep: Callable[[], Awaitable[None]]) -> bool:
        """The same for one that was handed over, and that `keep` writes down first, unless another node has it: False
        then. Raises NotResumed while one is about to."""
        async with _alone(self._store, leaving.ticket.session_id, self._now()):
            for key in leaving.token_keys:
                ticket = read_ticket(await self._store.read(key, self._now()))
                if ticket is not None and ticket.node != self.node:
                    return False
            await keep()
            await self.leave(leaving)
        return True

    def accepts(self, session_id: str, digest: str) -> bool:
        """Whether what a client has shown elsewhere, known by its digest, opens that session of this process."""
        kept = self._kept.get(session_id)
        return kept is not None and kept.ticket.accept_digest(digest)

    async def switch(self, token: str, ticket: Ticket, *, is_here: bool = False) -> None:
        """Have the store say that the session is this node's: of several connections that want it at once, to whichever
        nodes, one has it. One that `is_here`, as its node has handed it over, needs no store that knows of it: that may
        have been lost meanwhile. Raises NotResumed."""
        async with _alone(self._store, ticket.session_id, self._now()):
            written = read_ticket(await self._store.read(ticket_key(token), self._now()))
            if written is None and is_here:
                log.warning("the store was lost while a session moved", extra={"session": ticket.session_id})
            elif written != ticket:
                raise try_again()  # another connection was faster
            mine = replace(ticket, node=self.node)
            await self._store.write(ticket_key(token), write_ticket(mine), self._lease_s, self._now())

    async def publish_again(self) -> None:
        """Have a store that may have lost it know all of this once more."""
        for kept in tuple(self._kept.values()):
            mine = write_ticket(kept.of_node(self.node))
            for key in tuple(kept.token_keys):
                if key in kept.token_keys:  # else another node has it meanwhile
                    await self._store.write(key, mine, self._lease_s, self._now())

    async def elsewhere(self, token: str, holder: str | None) -> Ticket | None:
        """Which other node has the session of that token; None where this one has it. Raises NotResumed."""
        ticket = read_ticket(await self._store.read(ticket_key(token), self._now()))
        ticket = ticket or _known(self._kept.values(), token, self.node)
        if ticket is None:
            raise not_found(self._store, self._now())
        if ticket.session_id in self._kept or ticket.node == self.node:
            return None
        if not hmac.compare_digest(ticket.owner, holder or ""):
            raise not_resumed()
        return ticket

    async def attach(
        self, claim: ResumeClaim, holder: str | None, wire_of: Callable[[Callable[[], None]], Wire]
    ) -> tuple[Session, Wire]:
        """Attach a session to the wire of `wire_of`, which is given what to call when the client says something.

        Returns the session and the wire that it had before, to be closed with TAKEN_OVER. Raises NotResumed.
        """
        kept = await self._find(claim.token)
        async with kept.returning:
            is_owner = hmac.compare_digest(kept.owner, holder or "")
            if not is_owner or not kept.ticket.accept(claim.token):
                raise not_resumed()
            token = kept.ticket.offer()
            await self._publish(kept, token, claim.token)
            session = kept.session
            if self._kept.get(session.id) is not kept:
                raise try_again()  # meanwhile it was left to another node, or is over
            greeting = kept.dialect.resumed(ResumeOffer(token, self.grace_s), session.link.received_events)
            try:
                before = await session.attach(wire_of(kept.ticket.confirm), claim.last_seq, greeting)
            except WireClosed:
                raise not_resumed() from None
            except HistoryLost:
                over = NotResumed(HISTORY_LOST, "what was missed is not kept any more")
                session.end(over)
                raise over from None
        return session, before

    async def _find(self, token: str) -> _Kept:
        ticket = read_ticket(await self._store.read(ticket_key(token), self._now()))
        ticket = ticket or _known(self._kept.values(), token, self.node)
        if ticket is None:
            raise not_resumed()
        kept = self._kept.get(ticket.session_id)
        if kept is None:
            raise try_again()  # it is on its way from one node to another
        return kept

    async def _publish(self, kept: _Kept, token: str, shown: str | None = None) -> None:
        """Have the store know the session by a token, beside the one that was shown, and by no other."""
        good = {ticket_key(token)} if shown is None else {ticket_key(token), ticket_key(shown)}
        for key in [key for key in kept.token_keys if key not in good]:
            await self._store.take(key, self._now())
            if key in kept.token_keys:  # else it was used up meanwhile, or another node has the session
                kept.token_keys.remove(key)
        kept.token_keys.append(ticket_key(token))
        mine = write_ticket(kept.of_node(self.node))
        await self._store.write(ticket_key(token), mine, self._lease_s, self._now())


@asynccontextmanager
async def _alone(store: Store, session_id: str, now: float) -> AsyncIterator[None]:
    """Nobody else says meanwhile whose the session is. Raises NotResumed when somebody does."""
    lock, holder = f"moving:{session_id}", new_id("move")
    if await store.claim(lock, holder, 1, SWITCH_S, now):
        raise try_again()
    try:
        yield
    finally:
        await store.release(lock, holder)


def _known(of_process: Iterable[_Kept], token: str, node: str) -> Ticket | None:
    """What the store had of a session of this process: it may have thrown that out to have room."""
    key = ticket_key(token)
    return next((kept.of_node(node) for kept in of_process if key in kept.token_keys), None)
