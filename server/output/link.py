"""What connects a session with its client: one connection at a time, or for a while none.

A session is not a connection. When its connection is gone it is *detached*: what it sends is kept here, and when
another connection is attached in time, that is sent first. All that a session sends and receives passes here.
"""

from collections import deque
from enum import StrEnum

import anyio

from server.domain.wire import Wire, WireClosed


class LinkState(StrEnum):
    """What a session has of its client."""

    ATTACHED = "attached"
    CLOSING = "closing"
    """Nothing can be sent any more; what the client sent before is still received."""
    DETACHED = "detached"
    """The connection is gone, and the session waits for another until its deadline."""
    OVER = "over"
    """No other connection is waited for."""


class Link:
    """The connection that a session has now, as a `Wire`."""

    def __init__(self, wire: Wire, grace_s: float = 0.0) -> None:
        """`grace_s` is how long the session waits for another connection; with 0 it is over with its first."""
        self.state = LinkState.ATTACHED
        self._wire = wire
        """The one there is, or the last there was."""
        self._grace_s = grace_s
        self._unsent: deque[str | bytes] = deque()
        """Frames of the event that was being sent when the connection was lost: the writer takes no other then."""
        self._changed = anyio.Event()
        self._deadline = 0.0

    def attach(self, wire: Wire) -> Wire:
        """Go on over another connection; returns the one before, which its owner closes.

        Raises WireClosed when the session is over.
        """
        if self.state is LinkState.OVER:
            raise WireClosed
        before, self._wire = self._wire, wire
        self._move(LinkState.ATTACHED)
        return before

    def detach(self) -> None:
        """Go on without a connection for the time being; when it lasts too long the session is over."""
        if self.state in (LinkState.ATTACHED, LinkState.CLOSING):
            self._deadline = anyio.current_time() + self._grace_s
            self._move(LinkState.DETACHED if self._grace_s else LinkState.OVER)

    @property
    def is_attached(self) -> bool:
        """Whether there is anybody to send to."""
        return self.state is LinkState.ATTACHED

    @property
    def latency_s(self) -> float:
        """As `Wire` has it."""
        return self._wire.latency_s

    @property
    def close_code(self) -> int | None:
        """As `Wire` has it; of the last connection."""
        return self._wire.close_code

    @property
    def unsent_bytes(self) -> int:
        """As `Wire` has it."""
        return self._wire.unsent_bytes if self.is_attached else 0

    @property
    def buffered_bytes(self) -> int:
        """As `Wire` has it."""
        return self._wire.buffered_bytes if self.is_attached else 0

    async def receive(self) -> str | bytes | None:
        """The next frame of whichever connection there is, or None when no other is waited for. Cancel-safe."""
        while self.state is not LinkState.OVER:
            if self.state is LinkState.DETACHED:
                await self._wait_out()
                continue
            wire = self._wire
            frame = await wire.receive()
            if wire is not self._wire:
                continue  # another has taken over, and who held this one says nothing any more
            if frame is not None or not self._grace_s:
                return frame  # without grace the session says good-bye into the last connection, heard or not
            self.detach()
        return None

    async def send(self, frame: str | bytes) -> None:
        """Hand one frame to the connection, or keep it for the next one. Raises WireClosed when none is waited for."""
        self._unsent.append(frame)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Send what was kept. Raises WireClosed when no connection is waited for."""
        while self._unsent and self.is_attached:
            wire, frame = self._wire, self._unsent.popleft()
            try:
                await wire.send(frame)
            except WireClosed:
                self._unsent.appendleft(frame)
                if wire is self._wire:
                    self._move(LinkState.CLOSING)
        if self.state is LinkState.OVER or (self.state is LinkState.CLOSING and not self._grace_s):
            raise WireClosed

    async def _wait_out(self) -> None:
        await self.wait_for_another(self._deadline)
        if not self.is_attached:
            self._move(LinkState.OVER)

    async def wait_for_another(self, until: float) -> None:
        """Wait until a connection is attached, or until then (in the loop's seconds)."""
        with anyio.CancelScope(deadline=until):
            while not self.is_attached and self.state is not LinkState.OVER:
                await self._changed.wait()

    async def close(self, code: int, reason: str) -> None:
        """Close for good; never raises."""
        self._move(LinkState.OVER)
        await self._wire.close(code, reason)

    def _move(self, state: LinkState) -> None:
        self.state = state
        self._changed.set()
        self._changed = anyio.Event()
