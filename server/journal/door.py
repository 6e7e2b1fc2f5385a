"""The door of a session: what is asked of the outside goes out here, and what comes of it comes in, in one order.

Theory of operation
-------------------
Whatever the session waits for is an *errand* with a number, counted in the order in which the session begins them. What
comes of it are *arrivals*: a value, a failure, the end. An arrival does not go to whoever waits as soon as it is there,
but at the begin of the loop's next turn, in the order of arrival; so its turn and its place in the order are all that
has to be written down, and letting it in there again is the same.

What the session reads at once, such as how many bytes wait in a socket, is counted by a key, and written down when it
differs from the time before. Calls that give nothing (`live`) are made where there is somebody to be called.

A session that withdraws from an errand waits for its end, as it would wait for the provider that is to stop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from server.domain.ids import Ids
from server.journal.beyond import Act, Arrival, ArrivalKind, Arrived, Beyond, EnterContext, Notes
from server.journal.loops import FOLLOWED, FollowedLoop
from server.turntaking.floor import ImpossibleEvent
from stages.runtime.threads import SENDER

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class _Inbox:
    tell: Callable[[Any], None] | None = None
    """Who is told of each value; nobody waits for those."""
    on_end: Act | None = None
    """Called when an errand ends that should go on."""
    arrived: deque[Arrival] = field(default_factory=deque)
    waiting: asyncio.Future[None] | None = None


class Door:
    """The door of one session. Implements `server.journal.loops.Follower`."""

    def __init__(self, loop: FollowedLoop, ids: Ids, beyond: Beyond, notes: Notes) -> None:
        self.loop = loop
        self.beyond = beyond
        self.notes = notes
        self.ids = ids
        """The session's."""
        self._errands = 0
        self._tasks = 0
        self._inboxes: dict[int, _Inbox] = {}
        self._to_do: deque[Act] = deque()
        self._idle: asyncio.Future[None] | None = None
        self.deeds: dict[str, Callable[..., object]] = {}
        """What others may do to the session, by name: what a replay does in their place."""
        self.on_finish: list[Callable[[], None]] = []
        """For those who wait for something to be let in, when nothing is any more."""

        notes.open_to(self)

    async def run(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run the session: all that begins in here is followed. To be called in the turn in which the door was made,
        or later."""
        before, sender = FOLLOWED.set(self), SENDER.set(partial(_send, self))
        try:
            async with anyio.create_task_group() as own:
                own.start_soon(self._let_in)
                await self.call("begin", _nothing)
                await run()
                own.cancel_scope.cancel()
        finally:
            FOLLOWED.reset(before)
            SENDER.reset(sender)

    # --- errands, as the session has them ----------------------------------------------------------------------

    def open(self, what: str, tell: Callable[[Any], None] | None = None) -> int:
        """Begin an errand, of which `tell` is told each value, or else `next` gives the arrivals."""
        number, self._errands = self._errands, self._errands + 1
        self._inboxes[number] = _Inbox(tell)
        self.notes.asked(number, what)
        return number

    def close(self, number: int) -> None:
        """Take nothing more of an errand. May be called twice."""
        self._inboxes.pop(number, None)

    async def next(self, number: int) -> Arrival:
        """The next arrival. Cancel-safe."""
        inbox = self._inboxes[number]
        while not inbox.arrived:
            inbox.waiting = self.loop.create_future()
            try:
                await inbox.waiting
            finally:
                inbox.waiting = None
        return inbox.arrived.popleft()

    async def call(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """What comes of `work`, which is done outside. Raises what that raises. Cancel-safe: ends the work."""
        number = self.open(what)
        self.beyond.start(number, work)
        arrival: Arrival | None = None
        try:
            arrival = await self.next(number)
        finally:
            if arrival is None:
                self.beyond.stop(number)
                with anyio.CancelScope(shield=True):
                    await self.next(number)  # whatever it is, it is the last
            self.close(number)
        if arrival.kind is ArrivalKind.ERROR:
            raise arrival.value
        value: T = arrival.value
        return value

    async def stream(
        self, what: str, begin: Callable[[], AsyncGenerator[T, None]]
    ) -> AsyncGenerator[T, None]:
        """What a generator outside gives, asked for item by item. Closing this one closes that."""
        number, is_over = self.open(what), False
        self.beyond.start_stream(number, begin)
        try:
            while True:
                self.beyond.ask(number)
                arrival = await self.next(number)
                is_over = arrival.kind is not ArrivalKind.VALUE
                if arrival.kind is ArrivalKind.ERROR:
                    raise arrival.value
                if is_over:
                    return
                yield arrival.value
        finally:
            if not is_over:
                self.beyond.stop(number)
                await self._until_over(number)
            self.close(number)

    @asynccontextmanager
    async def context_of(
        self, what: str, enter: EnterContext, *, is_vital: bool = False
    ) -> AsyncIterator[int]:
        """A context outside, for as long as the block lasts; `beyond.value` of its number is what it has given. One
        that is vital cancels the block when it ends by itself, and its failure is raised."""
        number = self.open(what)
        last: Arrival = Arrived(ArrivalKind.VALUE)
        self.beyond.start_context(number, enter)
        try:
            last = await self.next(number)
            if last.kind is ArrivalKind.ERROR:
                raise last.value
            with anyio.CancelScope() as scope:
                if is_vital:
                    self._inboxes[number].on_end = scope.cancel
                yield number
            if scope.cancelled_caught:
                last = await self._until_over(number)
                if last.kind is ArrivalKind.ERROR:
                    raise last.value
        finally:
            if last.kind is ArrivalKind.VALUE:
                self.beyond.leave(number)
                await self._until_over(number)
            self.close(number)

    async def _until_over(self, number: int) -> Arrival:
        with anyio.CancelScope(shield=True):
            while (arrival := await self.next(number)).kind is ArrivalKind.VALUE:
                pass
        return arrival

    # --- what is let in ------------------------------------------------------------------------------------------

    def arrive(self, number: int, arrival: Arrival) -> None:
        """Let it in; only at the begin of a turn. What nobody waits for any more is dropped."""
        inbox = self._inboxes.get(number)
        if inbox is None:
            return
        if inbox.tell is not None:
            self.do(partial(_tell, self._inboxes, number, arrival.value))
            return
        inbox.arrived.append(arrival)
        _wake(inbox.waiting)
        if arrival.kind is not ArrivalKind.VALUE and inbox.on_end is not None:
            self.do(inbox.on_end)

    def do(self, act: Act) -> None:
        """Have a task of the session do it in this turn; only at its begin."""
        self._to_do.append(act)
        _wake(self._idle)

    async def _let_in(self) -> None:
        """In a task, because what is called may be in need of one."""
        while True:
            while self._to_do:
                try:
                    self._to_do.popleft()()
                except ImpossibleEvent:
                    raise
                except Exception:
                    log.exception("what was told to the session failed")
            self._idle = self.loop.create_future()
            await self._idle

    def next_task(self) -> int:
        """See `Follower`."""
        self._tasks += 1
        return self._tasks

    def turn_begins(self, number: int, now: float) -> None:
        """See `Follower`."""
        self.notes.turn_begins(number, now)

    def deliver(self, number: int, now: float) -> None:
        """See `Follower`."""
        self.notes.deliver(number, now)


def _tell(inboxes: dict[int, _Inbox], number: int, value: Any) -> None:
    inbox = inboxes.get(number)
    if inbox is not None and inbox.tell is not None:
        inbox.tell(value)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


async def _nothing() -> None:
    """The first errand: a turn in which the session begins, whatever went before."""


async def _send(door: Door, function: Callable[..., T], *arguments: Any) -> T:
    """Have it done in a thread. What came of it is not written down, only when: it is the same every time."""
    found = list[T]()

    async def work() -> None:
        found.append(await to_thread.run_sync(function, *arguments))

    await door.call("thread", work)
    return found[0] if found else function(*arguments)
