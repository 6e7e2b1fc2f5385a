"""What connects a session with its client: one connection at a time, or for a while none.

A session is not a connection. When its connection is lost it is *detached*: what it sends is kept here, and when
another connection is attached in time, that gets all that the client has missed, from a ring of what was lately sent.
A client that says good-bye is not waited for. All that a session sends and receives passes here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol, cast

import anyio

from server.domain.wire import PromptWire, Wire, WireClosed
from server.output.replay_ring import Frame, ReplayRing

FAREWELLS = frozenset({1000, 1001, 1005})
"""Close codes with which a client leaves for good; browsers have the second for a page that is left."""


class LinkState(StrEnum):
    """What a session has of its client."""

    ATTACHED = "attached"
    LEAVING = "leaving"
    """The same, but the client was told to come back over another: what it says over this one is not heard."""
    CLOSING = "closing"
    """Nothing can be sent any more; what the client sent before is still received."""
    DETACHED = "detached"
    """The connection is gone, and the session waits for another until its deadline."""
    OVER = "over"
    """No other connection is waited for."""


_THERE = (LinkState.ATTACHED, LinkState.LEAVING)
"""States with somebody to send to."""


class HistoryLost(Exception):
    """Raised when frames that a client has missed are not kept any more, or never were."""


class LinkWatcher(Protocol):
    """Is told whether a client is there."""

    def link_moved(self) -> None:
        """The state has changed."""


class Link:
    """The connection that a session has now, as a `Wire`."""

    def __init__(
        self,
        wire: Wire,
        grace_s: float = 0.0,
        may_wait: Callable[[], bool] = lambda: True,
    ) -> None:
        """`grace_s` is how long the session waits for another connection, if it `may_wait` then; with 0 it is over with
        its first."""
        self.state = LinkState.ATTACHED
        self.received_events = 0
        """Text frames of the client that the session was given."""
        self.wire = wire
        """The one there is, or the last there was."""
        self.grace_s = grace_s
        self.watcher: LinkWatcher | None = None
        self._may_wait = may_wait
        self.ring = ReplayRing()
        """What was lately sent."""
        self.unsent: deque[Frame] = deque()
        """Frames for the connection that it has not been handed."""
        self._changed: anyio.Event | None = None
        """Somebody waits for another state."""
        self._reader: asyncio.Task[Any] | None = None
        """Waits for a frame of the connection there is."""
        self._sending: anyio.CancelScope | None = None
        """In which the writer waits for it."""
        self._deadline = 0.0

    def attach(self, wire: Wire, last_seq: int | None = None, greeting: str | None = None) -> Wire:
        """Go on over another connection; returns the one before, which its owner closes.

        It is sent `greeting`, which is not numbered, and then all frames after `last_seq`; without one, those that the
        connection before has not been handed. Raises WireClosed when the session is over, and HistoryLost when not all
        of the frames are there, and then nothing has changed.
        """
        if self.state is LinkState.OVER:
            raise WireClosed
        if last_seq is not None:
            missed = self.ring.after(last_seq)
            if missed is None:
                raise HistoryLost
            self.unsent = deque(missed)
        if greeting is not None:
            self.unsent.appendleft(greeting)
        before, self.wire = self.wire, wire
        self._move(LinkState.ATTACHED)
        return before

    def detach(self) -> None:
        """Go on without a connection for the time being; when it lasts too long the session is over."""
        if self.is_attached or self.state is LinkState.CLOSING:
            self._deadline = anyio.current_time() + self.grace_s
            self._move(LinkState.DETACHED if self.grace_s and self._may_wait() else LinkState.OVER)

    async def drop(self, code: int, reason: str, patience_s: float) -> bool:
        """Close a connection that is of no use, and wait for another; False, and nothing done, where none is waited
        for."""
        if not self.grace_s:
            return False
        wire = self.wire
        self.detach()
        with anyio.move_on_after(patience_s):
            await wire.close(code, reason)
        return True

    @property
    def is_attached(self) -> bool:
        """Whether there is anybody to send to."""
        return self.state in _THERE

    @property
    def is_detached(self) -> bool:
        """Whether another connection is waited for."""
        return self.state is LinkState.DETACHED

    @property
    def latency_s(self) -> float:
        """As `Wire` has it."""
        return self.wire.latency_s

    @property
    def unsent_bytes(self) -> int:
        """As `Wire` has it."""
        return self.wire.unsent_bytes if self.state in _THERE else 0

    @property
    def buffered_bytes(self) -> int:
        """As `Wire` has it."""
        return self.wire.buffered_bytes if self.state in _THERE else 0

    async def receive(self) -> Frame | None:
        """The next frame of whichever connection there is, or None when no other is waited for. Cancel-safe.

        The hot path: whoever takes over cancels the task by itself, as `asyncio.timeout` does it. A scope for each
        frame took a tenth of what a talking session costs.
        """
        task = asyncio.current_task() if self.grace_s else None
        while self.state is not LinkState.OVER:
            if self.state is LinkState.DETACHED:
                await self.wait_for_another(self._deadline)
                if self.is_detached:
                    self._move(LinkState.OVER)
                continue
            wire, frame = self.wire, None
            self._reader = task
            try:
                frame = await wire.receive()
            except asyncio.CancelledError:
                if task is None or self._reader is not None or task.uncancel():
                    raise
            finally:
                self._reader = None
            if self.grace_s and (wire is not self.wire or self.is_detached):
                continue  # another has taken over, and who held this one says nothing any more
            if frame is not None and self.state is LinkState.LEAVING:
                continue  # its client says it again over the next one
            if isinstance(frame, str):
                self.received_events += 1
            if frame is not None or not self.grace_s or wire.close_code in FAREWELLS:
                return frame  # without grace the session says good-bye into the last connection, heard or not
            self.detach()
        return None

    async def send(self, frame: Frame) -> None:
        """Hand one frame to the connection, or keep it for the next one. Raises WireClosed when none is waited for."""
        if self.grace_s:
            self.ring.append(frame, asyncio.get_running_loop().time())
        self.unsent.append(frame)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Send what was kept. Raises WireClosed when no connection is waited for."""
        while self.unsent and self.state in _THERE:
            wire, unsent = self.wire, self.unsent
            frame = unsent.popleft()
            try:
                if not self.grace_s or not wire.buffered_bytes:
                    await wire.send(frame)
                else:
                    with anyio.CancelScope() as self._sending:
                        await wire.send(frame)
            except WireClosed:
                unsent.appendleft(frame)  # of no use if another connection has been given its frames anew
                if wire is self.wire and self.state is LinkState.LEAVING:
                    self.detach()  # of what it said before nothing is waited for
                elif wire is self.wire:
                    self._move(LinkState.CLOSING)
        if self.state is LinkState.OVER or (self.state is LinkState.CLOSING and not self.grace_s):
            raise WireClosed

    async def wait_for_another(self, until: float) -> None:
        """Wait until a connection is attached, or until then (in the loop's seconds)."""
        with anyio.CancelScope(deadline=until):
            while not self.is_attached and self.state is not LinkState.OVER:
                self._changed = self._changed or anyio.Event()
                await self._changed.wait()

    async def close(self, code: int, reason: str) -> None:
        """Close for good; never raises."""
        self._move(LinkState.OVER)
        self.ring.clear()
        await self.wire.close(code, reason)

    def _move(self, state: LinkState) -> None:
        self.state = state
        if state is not LinkState.CLOSING:  # nobody waits any longer for a connection that is not the one
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.cancel()
            if self._sending is not None:
                self._sending.cancel()
        if self._changed is not None:
            self._changed.set()
            self._changed = None
        if self.watcher is not None:
            self.watcher.link_moved()


def send_now(link: Link, frame: Frame) -> bool:
    """Hand one frame to the connection if nothing is in its way; if not, nothing is done (False): `Link.send` waits.

    The same as that for the ordinary case, without a coroutine for each of three objects: it runs for each chunk.
    """
    if link.unsent or link.state not in _THERE or not hasattr(link.wire, "send_now"):
        return False
    if not cast("PromptWire", link.wire).send_now(frame):
        return False
    if link.grace_s:
        link.ring.append(frame, asyncio.get_running_loop().time())
    return True


def stop_hearing(link: Link) -> None:
    """Take nothing more of what comes over this connection: its client is told to come back over another, and says it
    again there."""
    if link.state is LinkState.ATTACHED:
        link.state = LinkState.LEAVING  # who waits for a frame waits on


def is_left(link: Link, ended_with: int | None) -> bool:
    """Whether its client is gone and not waited for, if the connection there is has ended with this close code; None
    for one that is open."""
    if link.state in (LinkState.DETACHED, LinkState.OVER):
        return link.state is LinkState.OVER
    return ended_with is not None and (not link.grace_s or ended_with in FAREWELLS)
