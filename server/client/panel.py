"""How loud the microphone is, whether it is muted, and how long the last answer was waited for, on one line. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from audio.formats import Samples

SHOWN_S = 0.1
BARS = 10
QUIET_DB = -50.0
"""Below this the meter is empty."""


class Panel:
    """The line that a terminal shows while nobody says anything."""

    def __init__(self) -> None:
        self.is_muted = False
        self._level_db = -math.inf
        self._wait_ms: float | None = None
        self._shown_s = -math.inf

    def heard(self, samples: Samples) -> Samples:
        """What is to be sent of `int16[n]` from the microphone: silence while it is muted."""
        peak = int(np.abs(samples.astype(np.int32)).max(initial=0))
        self._level_db = max(self._level_db, 20 * math.log10(peak / 32768) if peak else -math.inf)
        return np.zeros_like(samples) if self.is_muted else samples

    def note(self, event: Mapping[str, Any]) -> None:
        """Follow one event of the server."""
        match event:
            case {"type": "x_metrics", "ms": {"heard": wait_ms} | {"first_audio": wait_ms}}:
                self._wait_ms = wait_ms

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to show it again."""
        if now_s - self._shown_s < SHOWN_S:
            return False
        self._shown_s = now_s
        return True

    @property
    def line(self) -> str:
        """How things are; the meter begins anew."""
        share = max(0.0, min(1.0, 1 - self._level_db / QUIET_DB))
        bars = 0 if self.is_muted else round(share * BARS)
        self._level_db = -math.inf
        meter = "muted".ljust(BARS) if self.is_muted else "▮" * bars + "▯" * (BARS - bars)
        return meter if self._wait_ms is None else f"{meter}  last wait {self._wait_ms:.0f} ms"
