"""What has happened in a run so far: its calls, and how the generator did. Pure."""

from dataclasses import dataclass, field
from math import inf

from server.client.load.audit import Audit, Lateness
from server.client.load.turns import CallRecord, Turn

WORST = 10
"""Turns whose audio is kept."""


@dataclass(slots=True)
class Run:
    """What has happened so far."""

    calls: list[CallRecord] = field(default_factory=list)
    talking: int = 0
    lasted_s: float = 0.0
    late: Lateness = field(default_factory=Lateness)
    lag: Lateness = field(default_factory=Lateness)
    cpu_s: float = 0.0
    due_frames: int = 0
    worst: list[Turn] = field(default_factory=list)

    def audit(self) -> Audit:
        """What the generator did."""
        late, lag = self.late, self.lag
        return Audit(
            late.n, late.percentile(50), late.percentile(99), late.most_ms,
            lag.percentile(50), lag.percentile(99), lag.most_ms,
            self.cpu_s / self.lasted_s if self.lasted_s else 0.0,
            late.n / self.due_frames if self.due_frames else 1.0,
        )  # fmt: skip

    def keep_worst(self, call: CallRecord) -> None:
        """Keep the audio of the ten turns that were waited for longest, and of no others."""
        found = sorted([*self.worst, *call.turns], key=lambda turn: turn.v2v_ms or -inf, reverse=True)
        self.worst = [turn for turn in found if turn.v2v_ms is not None][:WORST]
        kept = {id(turn) for turn in self.worst}
        for turn in found:
            if id(turn) not in kept:
                turn.audio = None
