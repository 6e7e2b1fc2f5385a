"""The memory of one connection's large message, while it arrives and while the session deals with it. Pure."""

from server.gateway.sockets.frame_memory import LARGE_BYTES, Claim, FrameMemory, OnEvicted


class LargeMessage:
    """The large message of one connection, at most one at a time; messages that are not large need nothing."""

    def __init__(self, memory: FrameMemory, on_evicted: OnEvicted) -> None:
        """`on_evicted`: it took too long to arrive, and others wait; its memory is free then."""
        self._memory = memory
        self._on_evicted = on_evicted
        self._claim: Claim | None = None
        self._fragment_bytes = 0
        """Of a message whose last frame has not come."""

    def take(self, size_bytes: int, *, is_last: bool) -> bool:
        """A frame of a message has come; whether that made a large message whole."""
        self._fragment_bytes = 0 if is_last else self._fragment_bytes + size_bytes
        if not is_last or self._claim is None:
            return False
        self._claim.keep(size_bytes)
        return True

    def has_room(self, buffered_bytes: int, now: float) -> bool:
        """Whether more of it may come; `buffered_bytes` are those of the frame that is not whole."""
        if self._claim is None and buffered_bytes + self._fragment_bytes > LARGE_BYTES:
            self._claim = self._memory.claim(self._evicted, now)
            return self._claim is not None
        return True

    def release(self) -> None:
        """The message is dealt with, or the connection is over."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _evicted(self) -> None:
        self._claim = None
        self._on_evicted()
