"""The conversations of this process, as the store keeps them: while their sessions live, and for a while after.

A session that changes is written down within a fifth of a second, by one task for all of them, and once more when it is
over. A store that only this process has would be lost with it, so there a session is written down at its end alone.
What is kept is found by the id of its session, which nobody can guess, and given to whoever shows the key that opened
it.
"""

import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from server.cluster.shared import store_returns
from server.cluster.store import Store
from server.domain.clock import Now
from server.domain.errors import SessionOver
from server.output.replay_ring import LATELY
from server.session.closing import COME_BACK
from server.session.session import Session
from server.session.snapshot import Snapshot, read_snapshot, write_snapshot

log = logging.getLogger(__name__)

SAVED_EVERY_S = 0.2
"""At most, each session; a change waits no longer than that."""

WORDS_EVERY_S = 2.0
"""The same for one that is only another word of an answer: nearly always its text is known by then."""

TAKEN_OVER = 4409


@dataclass(slots=True)
class LiveConversation:
    """A session of this process, and how it is kept."""

    session: Session
    owner: str
    keeps: Callable[[int], str] | None = None
    """What its dialect keeps, if its client can come back."""
    is_gone: bool = False
    """Whether it is not to be written down any more: it is over, or somebody else has gone on with it."""
    saved_at: float = 0.0
    writing: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))
    """So that what is written last is the newest."""

    def snapshot(self, node: str, last_seq: int | None = None) -> Snapshot:
        """It is of this node, or of none; see `Session.snapshot`."""
        snapshot = self.session.snapshot(last_seq)
        dialect = "" if self.keeps is None else self.keeps(snapshot.unsettled_ms)
        return replace(snapshot, owner=self.owner, node=node, dialect=dialect)


class Conversations:
    """The conversations of one process, as the store keeps them. `now` is the store's clock."""

    def __init__(self, store: Store, node: str, *, keep_s: float, lease_s: float, now: Now) -> None:
        """`keep_s` is how long one is kept when its session is over, `lease_s` how long a session may live. `node` is
        the name of this one among those that share the store; "" where it has its store alone."""
        self.node = node
        self._store = store
        self.keep_s = keep_s
        self._lease_s = lease_s + keep_s
        self._now = now
        self.live: dict[str, LiveConversation] = {}
        self._changed = dict[str, LiveConversation]()
        self._wake = anyio.Event()

    @asynccontextmanager
    async def kept(
        self, session: Session, owner: str, keeps: Callable[[int], str] | None = None
    ) -> AsyncIterator[None]:
        """The session lives within; what was said is kept for a while when it is over. `keeps` is what its dialect
        keeps, if its client can come back."""
        live = self.live[session.id] = LiveConversation(session, owner, keeps)
        if self._is_written(live):
            session.watch(partial(self._note, live))
        try:
            await self.save(live)
            yield
        finally:
            self._changed.pop(session.id, None)
            try:
                with anyio.CancelScope(shield=True):
                    await self._end(live)
            finally:
                if self.live.get(session.id) is live:
                    del self.live[session.id]

    async def _end(self, live: LiveConversation) -> None:
        async with live.writing:  # what is being written is not to come behind it
            if live.is_gone:
                return
            live.is_gone = True
            written = await self.read(live.session.id) if self._is_written(live) else None
            if written is None or written.node in ("", self.node):  # else another node goes on with it
                await self.close(replace(live.session.snapshot(), owner=live.owner, answer=None))

    async def close(self, snapshot: Snapshot) -> None:
        """Keep what was said in a session that is over, as long as that is kept, and nothing else of it."""
        if self.keep_s:
            await self.write(replace(snapshot, node="", dialect="", sent=None), self.keep_s)
        elif self.node:
            await self._store.take(_key(snapshot.session_id), self._now())

    async def find(self, session_id: str, owner: str) -> Snapshot | None:
        """What was said in that session, if the owner is the one who opened it; nobody else gets it again, and if it is
        a session of this process it is over."""
        live = self.live.get(session_id)
        if live is not None:
            return self.take_over(live) if _is_same(live.owner, owner) else None
        snapshot = await self.read(session_id)
        return snapshot if snapshot is not None and _is_same(snapshot.owner, owner) else None

    def take_over(self, live: LiveConversation, last_seq: int | None = None) -> Snapshot:
        """End a session of this process, with which another goes on from what is returned; see `Session.snapshot`."""
        self._let_go(live)
        snapshot = live.snapshot("", last_seq)
        live.session.end(SessionOver(TAKEN_OVER, "another connection has taken over"))
        return snapshot

    async def leave(self, live: LiveConversation, grace_s: float) -> None:
        """End a session of this process, and keep for `grace_s` what another node needs to go on with it."""
        self._let_go(live)
        snapshot = live.snapshot("", LATELY)
        live.session.end(SessionOver(COME_BACK, "the server is stopping: come back"))
        await self.write(snapshot, max(grace_s, self.keep_s))

    def _let_go(self, live: LiveConversation) -> None:
        live.is_gone = True
        self._changed.pop(live.session.id, None)
        del self.live[live.session.id]

    async def read(self, session_id: str) -> Snapshot | None:
        """What the store has of a session."""
        data = await self._store.read(_key(session_id), self._now())
        return None if data is None else read_snapshot(data)

    async def save(self, live: LiveConversation) -> None:
        """Write a session down now, if such a session is, and unless somebody else has it."""
        self._changed.pop(live.session.id, None)
        if not self._is_written(live):
            return
        live.saved_at = self._now()
        async with live.writing:
            if not live.is_gone:
                await self.write(live.snapshot(self.node), self._lease_s)

    async def run(self, on_return: Callable[[], Awaitable[None]]) -> None:
        """Write down what changes, and after `on_return` everything when the store may have lost it. Returns only when
        cancelled."""
        if not self.node:
            return
        returns = store_returns(self._store)
        while True:
            with anyio.move_on_after(SAVED_EVERY_S):
                await self._wake.wait()
            if returns != (returns := store_returns(self._store)):
                await on_return()
                self._changed |= self.live
            self._wake = anyio.Event()
            for live in tuple(self._changed.values()):
                if live.session.id in self._changed:
                    await self._save_if_possible(live)
            await anyio.sleep(SAVED_EVERY_S)

    async def _save_if_possible(self, live: LiveConversation) -> None:
        try:
            await self.save(live)
        except Exception:  # of one session; the node goes on
            log.exception("a session could not be written down", extra={"session": live.session.id})

    def _is_written(self, live: LiveConversation) -> bool:
        """Whether it is written down while it lives: others share the store, and may ask for what was said."""
        return bool(self.node) and (self.keep_s > 0 or live.keeps is not None)

    def _note(self, live: LiveConversation, is_urgent: bool) -> None:
        is_due = is_urgent or self._now() - live.saved_at >= WORDS_EVERY_S
        if is_due and not live.is_gone:
            self._changed[live.session.id] = live
            self._wake.set()

    async def write(self, snapshot: Snapshot, lease_s: float) -> None:
        """Keep this of a session for so long."""
        await self._store.write(_key(snapshot.session_id), write_snapshot(snapshot), lease_s, self._now())


def _key(session_id: str) -> str:
    return f"conversation:{hashlib.sha256(session_id.encode(errors='replace')).hexdigest()}"


def _is_same(owner: str, other: str) -> bool:
    return hmac.compare_digest(owner.encode(), other.encode())
