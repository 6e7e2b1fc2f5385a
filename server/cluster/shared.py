"""A store on another machine, which may be lost: the server goes on with what it knows itself until it is back.

While it is lost every node counts alone, so that quotas are looser and never stricter, and what another node has
written cannot be read. One call in a while tries whether it is back, and that is whether it takes what is written: one
that is full, or a copy of another, only answers who asks.

Calls that come at once take turns: each would have a connection of its own, which costs more to make than the call, and
the deadline of all of them would pass meanwhile. A call waits for `TURN_S` until it is its turn, and then for
`DEADLINE_S`, at most: a store that does not get on with those before it is as good as lost.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Protocol, TypeVar

import anyio

from server.cluster.store import Budget, MemoryStore, OnMessage, Store, check_size
from server.domain.clock import Now

log = logging.getLogger(__name__)

DEADLINE_S = 0.25
"""Of one call: a store in the same building answers in a millisecond."""

TURN_S = 4 * DEADLINE_S
"""Until it is a call's turn. Hundreds that come at once have theirs in a tenth of it, in the same building."""

DEADLINE_LOOPS = 5
"""Turns of the loop in which either passes: while the loop is held no answer can be read, and the store is not late."""

CALLS_AT_ONCE = 8
"""And so many connections: a store does one call after the other, and the network is what they wait for."""

CONNECTION_S = 2.0
"""Of one read or write of a connection, and of making it: the calls have their own, shorter deadline."""

RETRY_S = 1.0
"""Between two tries of a store that is lost."""

CATCH_UP_S = 3.0
"""How long the nodes may take to tell a store that was lost what they have."""

MARKED_S = 3600.0
"""How long a store remembers that a node has been there, if that does not come back."""

T = TypeVar("T")


class RemoteStore(Store, Protocol):
    """A store behind connections."""

    async def close(self) -> None:
        """Close the connections."""


class StoreState(StrEnum):
    """Whether the shared store answers."""

    REACHED = "reached"
    LOST = "lost"
    TRYING = "trying"
    """It was lost, and one call finds out whether it still is."""


class SharedStore:
    """Implements `Store` with a remote store and, while that is lost, with the memory of this node."""

    def __init__(self, remote: RemoteStore, failures: tuple[type[Exception], ...], now: Now) -> None:
        """`failures` are what the remote store raises when it cannot be reached; `now` is the loop's clock."""
        self.state = StoreState.REACHED
        self.returns = 0
        """How often it may have lost what it had."""
        self._remote = remote
        self._memory = MemoryStore()
        self._failures: tuple[type[Exception], ...] = (*failures, OSError, TimeoutError)
        self._now = now
        self._turns = anyio.Semaphore(CALLS_AT_ONCE, fast_acquire=True)
        self._try_at = 0.0
        self.behind_until = 0.0
        """Until then it may not have what the nodes have told it."""

    async def spend(self, key: str, budget: Budget, amount: float, now: float) -> float:
        """See `Store.spend`."""
        return await self._ask(lambda store: store.spend(key, budget, amount, now))

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        """See `Store.claim`."""
        return await self._ask(lambda store: store.claim(key, holder, places, lease_s, now))

    async def release(self, key: str, holder: str) -> None:
        """See `Store.release`. The place may have been taken while the store was lost, or before."""
        await self._memory.release(key, holder)
        await self._ask(lambda store: store.release(key, holder))

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        """See `Store.write`."""
        check_size(key, value)
        await self._memory.take(
            key, now
        )  # of the time when the store was lost; it would outlive what is written now
        await self._ask(lambda store: store.write(key, value, lease_s, now))

    async def read(self, key: str, now: float) -> bytes | None:
        """See `Store.read`. What was written while the store was lost is known to this node only."""
        found = await self._ask(lambda store: store.read(key, now))
        return found if found is not None else await self._memory.read(key, now)

    async def take(self, key: str, now: float) -> bytes | None:
        """See `Store.take`."""
        found = await self._ask(lambda store: store.take(key, now))
        kept = await self._memory.take(key, now)
        return found if found is not None else kept

    async def tell(self, mailbox: str, message: bytes) -> bool:
        """See `Store.tell`. While the store is lost nobody is heard."""
        return await self._ask(lambda store: store.tell(mailbox, message))

    async def listen(self, mailbox: str, heard: OnMessage) -> None:
        """See `Store.listen`."""
        while True:
            with suppress(*self._failures):
                await self._remote.listen(mailbox, heard)
            await anyio.sleep(RETRY_S)

    async def watch(self) -> None:
        """Look now and then whether the remote store answers, so that its loss and its return are noticed by
        a node that has nothing to ask. Returns only when cancelled."""
        mark = f"watch:{secrets.token_hex(8)}"
        while True:
            if await self._ask(lambda store: store.take(mark, self._now())) is None:
                self._count_return()  # perhaps it was away for less than a look, and has lost what it had
            await self._ask(lambda store: store.write(mark, b"1", MARKED_S, self._now()))
            await anyio.sleep(RETRY_S)

    async def answers(self) -> bool:
        """Whether the remote store is reached; asked now, however lately it was lost, if it was."""
        if self.state is not StoreState.REACHED:
            # Whoever else tries may be late, and tries on.
            self.state, self._try_at = StoreState.LOST, self._now()
            await self._ask(lambda store: store.read("watch", self._now()))
        return self.state is StoreState.REACHED

    async def close(self) -> None:
        """Close the connections to the remote store."""
        with anyio.move_on_after(DEADLINE_S, shield=True):
            await self._remote.close()

    async def _ask(self, call: Callable[[Store], Awaitable[T]]) -> T:
        if not await _took_turn(self._turns):
            self._lose(TimeoutError(f"no turn within {TURN_S:g} s"))
            return await call(self._memory)
        try:
            if self.state is StoreState.TRYING or (
                self.state is StoreState.LOST and self._now() < self._try_at
            ):
                return await call(self._memory)
            if tries := self.state is StoreState.LOST:
                self.state = StoreState.TRYING
            try:
                with _deadline(DEADLINE_S):
                    if tries:
                        await self._remote.write("tried", b"1", RETRY_S, self._now())
                    answer = await call(self._remote)
            except self._failures as error:
                self._lose(error)
                return await call(self._memory)
            finally:
                if self.state is StoreState.TRYING:  # cancelled: the next one finds out
                    self.state = StoreState.LOST
            if tries and self.state is StoreState.LOST:
                self._count_return()  # what was written meanwhile is known to this node only
                log.warning("the shared store is back")
                self.state = StoreState.REACHED
            return answer  # which is good, but no try, where the store was lost to another call meanwhile
        finally:
            self._turns.release()

    def _count_return(self) -> None:
        self.returns += 1
        self.behind_until = self._now() + CATCH_UP_S

    def _lose(self, error: Exception) -> None:
        if self.state is StoreState.REACHED:
            log.warning("the shared store is lost: this node counts alone until it is back: %s", error)
        self.state = StoreState.LOST
        self._try_at = self._now() + RETRY_S


async def _took_turn(turns: anyio.Semaphore) -> bool:
    """Wait for a turn, which is then the caller's to give back; False where there was none in time."""
    try:
        with _deadline(TURN_S):
            await turns.acquire()
    except TimeoutError:
        return False
    return True


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in place of what takes longer."""
    with anyio.CancelScope() as scope:
        deadline = _Deadline(scope, seconds / DEADLINE_LOOPS)
        try:
            yield
        finally:
            deadline.timer.cancel()
    if scope.cancelled_caught:
        raise TimeoutError(f"no answer within {seconds:g} s")


class _Deadline:
    """Cancels a scope when it has passed, a part of it in each turn of the loop."""

    def __init__(self, scope: anyio.CancelScope, part_s: float) -> None:
        self._scope = scope
        self._part_s = part_s
        self._left = DEADLINE_LOOPS
        self._pass()

    def _pass(self) -> None:
        if not self._left:
            return self._scope.cancel()
        self._left -= 1
        self.timer = asyncio.get_running_loop().call_later(self._part_s, self._pass)


def store_state(store: Store) -> StoreState | None:
    """Whether a store that nodes share answers; None for one that is of this node alone."""
    return store.state if isinstance(store, SharedStore) else None


async def store_answers(store: Store) -> bool:
    """Whether nodes share the store, and it answers now (`SharedStore.answers`)."""
    return isinstance(store, SharedStore) and await store.answers()


def store_returns(store: Store) -> int:
    """How often a store that nodes share may have lost what it had."""
    return store.returns if isinstance(store, SharedStore) else 0


def may_be_behind(store: Store, now: float) -> bool:
    """Whether a store that nodes share may not have what they have told it: it is lost, or was until a moment ago."""
    if not isinstance(store, SharedStore):
        return False
    return store.state is not StoreState.REACHED or now < store.behind_until
