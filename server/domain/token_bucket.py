"""What may be spent now: refilled at a steady rate up to a burst, and paid afterwards. Pure."""


class TokenBucket:
    """A bucket of whatever is limited: bytes, seconds of audio, requests. It starts full."""

    __slots__ = ("_as_of", "_burst", "_least", "_level", "_per_s")

    def __init__(self, per_s: float, burst: float, now: float, *, least: float = 1.0) -> None:
        """`least` is how much whoever has to wait waits for, so that they are not woken for crumbs."""
        self._per_s = per_s
        self._burst = burst
        self._least = min(least, burst)
        self._level = burst
        self._as_of = now

    def spend(self, amount: float, now: float) -> float:
        """Take `amount` out, whether or not it is there, and tell what is left."""
        # As `level` has it, without the call: this runs twice for each frame of a microphone.
        level = self._level + (now - self._as_of) * self._per_s
        self._level = level = (level if level < self._burst else self._burst) - amount
        self._as_of = now
        return level

    def level(self, now: float) -> float:
        """What is in it; below zero after more was taken than there was."""
        level = self._level + (now - self._as_of) * self._per_s
        return level if level < self._burst else self._burst

    def wait_s(self, now: float) -> float:
        """How long until there is something to spend; 0 for now."""
        level = self.level(now)
        return 0.0 if level > 0 else (self._least - level) / self._per_s
