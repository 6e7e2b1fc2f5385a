"""The timeline of one answer: when each of its steps happened, and how it came to its end.

Pure: time comes in as `now`, in the session's seconds. Zero is the last voiced sample of the person's turn, or,
where nobody spoke, the moment at which the answer was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from server.domain.voice_events import EndedBy, InterruptedBy, ProviderUse, Step, TurnEnded, TurnTimed
from server.turntaking.floor import RunId
from stages.providers.calls import ProviderCall

Status = Literal["completed", "incomplete", "cancelled", "failed"]


class StepMarks:
    """When each step happened, in seconds. What is marked twice counts from the first time."""

    def __init__(self, zero: float, *, is_spoken: bool) -> None:
        self._zero = zero
        self._at: dict[Step, float] = {"speech_end": zero} if is_spoken else {}

    def __contains__(self, step: Step) -> bool:
        return step in self._at

    def add(self, step: Step, now: float) -> None:
        """The step has happened."""
        self._at.setdefault(step, now)

    def remove(self, step: Step) -> None:
        """What the step made was thrown away."""
        self._at.pop(step, None)

    def ms(self, at: float) -> int:
        """A time, counted from zero."""
        return round((at - self._zero) * 1000)

    def all_ms(self) -> dict[str, int]:
        """All steps, in the order in which they happened."""
        steps: dict[str, float] = dict(self._at.items())
        heard_at = steps.pop("heard", None)
        if heard_at is not None:  # an estimate, which takes the way to the client for half of there and back
            steps["heard"] = max(heard_at, steps.get("first_audio", heard_at))
        return {step: self.ms(at) for step, at in sorted(steps.items(), key=lambda mark: mark[1])}


@dataclass(frozen=True, slots=True)
class _Commitment:
    """The moment at which it was certain that the answer is wanted."""

    ended_by: EndedBy
    silence_ms: int | None
    """How long the person had been silent by then; None when nobody spoke."""
    saved_ms: int
    """How long the answer had been on its way by then."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """When the answer was begun, and what it answers."""

    at: float
    item_id: str | None
    heard_by: Sequence[ProviderCall]


_NOT_COMMITTED = _Commitment("server", None, 0)


class Timeline:
    """One revision of one turn: its steps, and what became of it."""

    def __init__(
        self,
        run: RunId,
        now: float,
        *,
        item_id: str | None = None,
        silence_ms: int | None = None,
        heard_by: Sequence[ProviderCall] = (),
    ) -> None:
        """`silence_ms`: how long ago the person's voice was last heard; None when nobody spoke. `heard_by`: the calls
        of recognisers for its words, which may still grow."""
        self.run = run
        self.response_id: str | None = None
        """The response that the client was told the end of."""
        self.guard: Literal["passed", "blocked"] | None = None
        self.route: str | None = None
        self.status: Status | None = None
        self.failed_stage: str | None = None
        """The stage whose failure the answer told of."""
        self.tool_errors: list[str] = []
        """How calls of the server's own tools failed."""
        self.interrupted_by: InterruptedBy | None = None
        self.calls: list[ProviderCall] = []
        """Of models and voices."""
        self._began = _Beginning(now, item_id, heard_by)
        self._marks = StepMarks(now - (silence_ms or 0) / 1000, is_spoken=silence_ms is not None)
        self._commitment = _NOT_COMMITTED

    def mark(self, step: Step, now: float) -> None:
        """The step has happened."""
        self._marks.add(step, now)

    def unmark(self, step: Step) -> None:
        """What the step made was thrown away."""
        self._marks.remove(step)

    def end(self, status: Status) -> None:
        """So the answer ended; what becomes afterwards of its last sounds changes nothing about that."""
        self.status = self.status or status

    def commit(self, ended_by: EndedBy, now: float) -> None:
        """The answer is certainly wanted."""
        silence_ms = None
        if "speech_end" in self._marks:
            self._marks.add("endpoint", now)
            silence_ms = self._marks.ms(now)
        self._commitment = _Commitment(ended_by, silence_ms, round((now - self._began.at) * 1000))

    @property
    def is_committed(self) -> bool:
        """Whether the answer was wanted; one that was not is no turn's."""
        return self._commitment is not _NOT_COMMITTED

    @property
    def saved_ms(self) -> int:
        """How long the answer had been on its way when it became certain that it was wanted."""
        return self._commitment.saved_ms

    def ended(self) -> TurnEnded:
        """How the turn came to its end."""
        return TurnEnded(
            self.run.turn,
            self.run.revision,
            self._began.item_id,
            self._commitment.ended_by,
            self._commitment.silence_ms,
            self.saved_ms > 0,
            self.saved_ms,
            self.guard,
            self.route,
            self.interrupted_by,
        )

    def timed(self) -> TurnTimed:
        """When its steps happened, in the order in which they did."""
        return TurnTimed(self.run.turn, self.response_id or "", self._marks.all_ms(), self._providers())

    def _providers(self) -> tuple[ProviderUse, ...]:
        return tuple(
            ProviderUse(
                call.kind,
                call.provider,
                None if call.first_s is None else round(call.first_s * 1000),
                call.error,
                call.is_hedge,
            )
            for call in (*self._began.heard_by, *self.calls)
        )

    @property
    def ending(self) -> str:
        """The turn's ending in a word, for counting."""
        if self.interrupted_by is not None:
            return f"interrupted_by_{self.interrupted_by}"
        return "blocked" if self.guard == "blocked" else self.status or "failed"

    def line(self) -> str:
        """The turn on one line of a log; nothing that anybody said is in it."""
        timed, ended = self.timed(), self.ended()
        steps = " ".join(f"{step}={ms}" for step, ms in timed.ms.items())
        asked = " ".join(
            f"{use.kind}={use.provider}{f'({use.error})' if use.error else ''}" for use in timed.providers
        )
        return (
            f"turn {ended.turn}.{ended.revision} {self.ending}, ended by {ended.ended_by}, "
            f"saved {ended.saved_ms} ms; ms: {steps}" + (f"; asked: {asked}" if asked else "")
        )
