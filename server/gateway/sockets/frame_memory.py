"""Memory for frames that are large, shared by all connections of a process. Pure.

A frame is kept until it is whole, and then until the session has dealt with it. Small ones are nothing; of the
large ones each is promised the most that a frame may take, so that whoever has begun can finish. When all is
promised, the next client waits: it is not read. A client that does not finish its frame is not waited for without
end: while somebody waits, it has `FINISH_S`.
"""

from collections.abc import Callable

LARGE_BYTES = 256 << 10
"""Five seconds of 24 kHz PCM in base64: microphones never get there."""

FINISH_S = 60.0


OnEvicted = Callable[[], None]
"""Is told that the memory of a connection has been taken for another."""


class Claim:
    """The memory of one frame."""

    __slots__ = ("_memory", "began_at", "on_evicted", "size_bytes")

    def __init__(
        self, memory: "FrameMemory", size_bytes: int, began_at: float, on_evicted: OnEvicted
    ) -> None:
        self._memory = memory
        self.size_bytes = size_bytes
        self.began_at: float | None = began_at
        """None once the frame is whole."""
        self.on_evicted = on_evicted

    def keep(self, size_bytes: int) -> None:
        """The frame is whole, and takes no more than this."""
        self.size_bytes = size_bytes
        self.began_at = None

    def release(self) -> None:
        """The frame is gone. May be called twice."""
        self._memory.forget(self)


class FrameMemory:
    """The memory for large frames, and which connection has how much of it."""

    def __init__(self, total_bytes: int, frame_bytes: int) -> None:
        """`frame_bytes` is the most that one frame takes; one is taken at a time, however little there is."""
        self._total_bytes = total_bytes
        self._frame_bytes = frame_bytes
        self._claims: list[Claim] = []

    @property
    def used_bytes(self) -> int:
        """How many bytes are promised to frames that are under way."""
        return sum(claim.size_bytes for claim in self._claims)

    def claim(self, on_evicted: OnEvicted, now: float) -> Claim | None:
        """Room for one frame, or None: try again a little later.

        `on_evicted` is called when the frame has taken too long to arrive, and others wait; the memory is free then.
        """
        if self._claims and self.used_bytes + self._frame_bytes > self._total_bytes:
            self._evict(now)
            return None
        claim = Claim(self, self._frame_bytes, now, on_evicted)
        self._claims.append(claim)
        return claim

    def forget(self, claim: Claim) -> None:
        """See `Claim.release`."""
        if claim in self._claims:
            self._claims.remove(claim)

    def _evict(self, now: float) -> None:
        late = [c for c in self._claims if c.began_at is not None and now - c.began_at > FINISH_S]
        for claim in late:
            self.forget(claim)
            claim.on_evicted()
