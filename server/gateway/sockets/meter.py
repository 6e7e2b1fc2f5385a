"""What the input of one client costs, and when it may send more. Pure.

Input costs its bytes and, for each frame, however small, `FRAME_COST_BYTES`. It is paid afterwards, so the bucket may
go below zero by one slice; then the client waits until it is refilled.
"""

from dataclasses import dataclass

from server.domain.token_bucket import TokenBucket

SLICE_BYTES = 2048
"""Parsed in one go: at most 341 frames of a client, the smallest of which is 6 bytes long."""

FRAME_COST_BYTES = 768
"""What a frame costs beside its bytes. So a microphone that sends every block of 128 samples, 375 frames a second, is
within the limit, and a flood of empty frames is slowed down to 680 a second, which are some percent of a core."""

STEP_BYTES = 64 << 10
"""Parsed in one turn of the loop, at the same cost: 85 frames, a millisecond."""


PING_S = 4.0
"""How often a client is asked whether it is there."""

RESUMABLE_SILENCE_S = 10.0
"""After so long without a byte a client is gone that can come back to its session; two pings were lost by then."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much one client may send. 24 kHz PCM in base64 JSON at 50 frames a second is 70 kB/s, 110 with its frames."""

    bytes_per_s: int = 512 << 10
    burst_bytes: int = 4 << 20
    silence_s: float = 40.0
    """After so long without a byte, though pings were sent, the client is gone."""


class Meter:
    """The costs of one client. `frames` counts what was found in the slice that is paid next."""

    def __init__(self, limits: IntakeLimits, now: float) -> None:
        self.frames = 0
        self._bucket = TokenBucket(limits.bytes_per_s, limits.burst_bytes, now, least=STEP_BYTES / 8)
        self._step_bytes = 0

    def begin_step(self) -> None:
        """There is another turn of the loop."""
        self._step_bytes = 0

    def pay(self, size_bytes: int, now: float) -> float | None:
        """How long the client must wait after so much input: None is not at all, 0.0 until others had their turn."""
        cost_bytes = size_bytes + self.frames * FRAME_COST_BYTES
        self._step_bytes += cost_bytes
        if self._bucket.spend(cost_bytes, now) <= 0:
            return self._bucket.wait_s(now)
        return 0.0 if self._step_bytes >= STEP_BYTES else None
