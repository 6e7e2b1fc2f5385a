"""The silence after an answer, and when it has lasted long enough for the server to break it."""

import math
from dataclasses import dataclass

from server.events import TurnDetection


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody has spoken since the last answer was played out, or cut off."""

    since_s: float
    """In seconds of the event loop."""
    from_ms: int
    """The same moment in milliseconds of audio received."""

    def over_at(self, detection: TurnDetection | None) -> float:
        """When to speak into it, as the client has configured; infinity for never."""
        timeout_ms = None if detection is None else detection.idle_timeout_ms
        return math.inf if timeout_ms is None else self.since_s + timeout_ms / 1000
