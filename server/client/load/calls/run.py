"""What has happened in a run, here or in several processes: its calls, and how the generator did. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from server.client.counted import counted
from server.client.load.calls.audit import Audit, Lateness
from server.client.load.calls.turns import CallRecord, Ending, Outcome, Turn, TurnKind

WORST = 10
"""Turns whose audio is kept."""
DRAWN = 200
"""The newest turns, whose packets and marks are kept, so that they can be drawn; those of the worst are, too."""

_TOLD = ("gaps", "missed", "lost", "refused")


@dataclass(slots=True)
class Findings:
    """All that is known of a run when it is over."""

    calls: list[CallRecord]
    lasted_s: float
    audit: Audit
    faults: tuple[str, ...] = ()
    """Why it says nothing, besides what the audit finds."""

    @property
    def worst(self) -> list[Turn]:
        """The turns that were waited for longest, of those that were answered; the last first."""
        return worst_of([turn for call in self.calls for turn in call.turns])

    @classmethod
    def of_all(cls, parts: Sequence["Findings"]) -> "Findings":
        """Join the findings of several processes, as if it had been one."""
        calls = sorted((call for part in parts for call in part.calls), key=lambda call: call.number)
        return cls(
            calls,
            max((part.lasted_s for part in parts), default=0.0),
            Audit.of_all([part.audit for part in parts]),
            tuple(fault for part in parts for fault in part.faults),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run goes."""

    lasted_s: float = 0.0
    talking: int = 0
    turns: int = 0
    slowest_ms: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Of what is not to be, as far as there was any."""

    @classmethod
    def of_all(cls, parts: Sequence["Progress"]) -> "Progress":
        """Join the progress of several processes."""
        slowest = [part.slowest_ms for part in parts if part.slowest_ms is not None]
        return cls(
            max((part.lasted_s for part in parts), default=0.0),
            sum(part.talking for part in parts),
            sum(part.turns for part in parts),
            max(slowest, default=None),
            {name: sum(part.counts.get(name, 0) for part in parts) for name in _TOLD},
        )

    def __str__(self) -> str:
        slowest = "none answered yet" if self.slowest_ms is None else f"slowest {self.slowest_ms:.0f} ms"
        worst = [f"{name} {count}" for name, count in self.counts.items() if count]
        return ", ".join([counted(self.talking, "call"), counted(self.turns, "turn"), slowest, *worst])


Watch = Callable[[Progress], object]
"""Is told how far a load is."""


@dataclass(slots=True)
class Run:
    """All that has happened in the run of this process so far."""

    calls: list[CallRecord] = field(default_factory=list)
    since_s: float = 0.0
    """What was said before, while the load was rising, is not told of in the progress, as it is not in the report."""
    talking: int = 0
    lasted_s: float = 0.0
    late: Lateness = field(default_factory=Lateness)
    lag: Lateness = field(default_factory=Lateness)
    cpu_s: float = 0.0
    due_frames: int = 0
    worst: list[Turn] = field(default_factory=list)
    _newest: list[Turn] = field(default_factory=list)
    _live: dict[int, CallRecord] = field(default_factory=dict)
    _over: Progress = field(default_factory=Progress)
    """Of the calls that are over: a long run is not counted anew each second."""

    def began(self, call: CallRecord) -> None:
        """Note that a call begins."""
        self.calls.append(call)
        self._live[call.number] = call

    def ended(self, call: CallRecord) -> None:
        """Note that a call is over, or never came about."""
        del self._live[call.number]
        self._over = Progress.of_all([self._over, _progress_of(call, self.since_s)])
        self._keep_some(call)

    def audit(self) -> Audit:
        """What the generator did."""
        late, lag = self.late, self.lag
        return Audit(
            late.n, late.percentile(50), late.percentile(99), late.most_ms,
            lag.percentile(50), lag.percentile(99), lag.most_ms,
            self.cpu_s / self.lasted_s if self.lasted_s else 0.0,
            min(1.0, late.n / self.due_frames) if self.due_frames else 1.0,
        )  # fmt: skip

    def findings(self) -> Findings:
        """What is known by now."""
        return Findings(self.calls, self.lasted_s, self.audit())

    def progress(self) -> Progress:
        """How it goes."""
        live = (_progress_of(call, self.since_s - (call.connected_s or 0.0)) for call in self._live.values())
        known = Progress.of_all([self._over, *live])
        return replace(known, lasted_s=self.lasted_s, talking=self.talking)

    def _keep_some(self, call: CallRecord) -> None:
        """Keep audio and packets of the turns that will be shown, and of no others: a run may be long."""
        found, newest = [*self.worst, *call.turns], [*self._newest, *call.turns]
        self.worst, self._newest = worst_of(found), newest[-DRAWN:]
        drop_audio(found, self.worst)
        drop_packets([*found, *newest[:-DRAWN]], [*self.worst, *self._newest])


def _progress_of(call: CallRecord, since_s: float) -> Progress:
    """Of what was said since then, on the clock of the call's turns."""
    turns = [
        turn for turn in call.turns if turn.outcome is not Outcome.DISCARDED and turn.said_s[0] >= since_s
    ]
    answered = [turn for turn in turns if turn.kind is TurnKind.RESPOND and not turn.is_early]
    slowest = [turn.v2v_ms for turn in answered if turn.v2v_ms is not None]
    counts = {
        "gaps": sum(len(turn.gaps_ms) for turn in turns),
        "missed": sum(turn.outcome is Outcome.MISSED for turn in turns),
        "lost": int(call.ending is Ending.LOST),
        "refused": int(call.ending is Ending.REFUSED),
    }
    return Progress(turns=len(turns), slowest_ms=max(slowest, default=None), counts=counts)


def worst_of(turns: Sequence[Turn]) -> list[Turn]:
    """The ten that were waited for longest, of those that say something."""
    found = [turn for turn in turns if turn.v2v_ms is not None and turn.outcome is not Outcome.DISCARDED]
    return sorted(found, key=lambda turn: turn.v2v_ms or -inf, reverse=True)[:WORST]


def drop_audio(turns: Sequence[Turn], kept: Sequence[Turn]) -> None:
    """Keep the audio of these alone."""
    ids = {id(turn) for turn in kept}
    for turn in turns:
        if id(turn) not in ids:
            turn.audio = None


def drop_packets(turns: Sequence[Turn], kept: Sequence[Turn]) -> None:
    """Keep the packets and marks of these alone."""
    ids = {id(turn) for turn in kept}
    for turn in turns:
        if id(turn) not in ids:
            turn.packets, turn.marks = [], []
