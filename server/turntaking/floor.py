"""The floor: whose turn it is, by one table of states and events.

Theory of operation
-------------------
Two rules. Everything that decides a transition is in `TABLE` (`server.turntaking.floor_table`): who feeds an event
says what happened and which facts hold, and never looks at the state to choose the event. And there is no clock, task
or socket: time comes in as `now`, what to do goes out as commands, and the session obeys them in order, without an
`await` in between.

A *turn* is what the person said and what they got for it; OPEN begins the next one. A *revision* is one
attempt at answering it; START begins the next one. Answering may start before it is certain that the person
has finished (ENDING): what it makes is held back until COMMIT lets it out, and if the person goes on, DROP
throws it away and the same turn gets another revision. Events of a run carry its turn and revision: those of
a run that no longer has the floor come too late and change nothing.

A sound made during an answer need not be an interruption. The voice is lowered (DUCK), then held (PAUSE),
until the session has made up its mind: BARGED_IN takes the floor, FALSE_ALARM gives it back (RESUME), from the
exact sample. Speech that must not interrupt is kept (QUEUE) and answered afterwards.

Whoever waits has a deadline (`deadline`, `due`): a person is never left in silence without end. An event that
the table calls impossible is a bug of ours: `feed` raises and the state has not moved; `FloorKeeper` counts it and goes
on, or lets it through to a test.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from server.turntaking.floor_table import (
    IMPOSSIBLE,
    OF_A_RUN,
    OVERLAP,
    TABLE,
    Fact,
    FloorCommand,
    FloorEvent,
    Row,
    State,
)

NO_FACTS: frozenset[Fact] = frozenset()


class RunId(NamedTuple):
    """Which revision of which turn a run is for."""

    turn: int
    revision: int


@dataclass(frozen=True, slots=True)
class FloorLimits:
    """How long each wait may last. They end what is stuck, they do not hurry what is slow."""

    think_s: float = 30.0
    """For an answer that is not audible yet, from one sign of life to the next."""
    audible_s: float | None = None
    """From COMMIT to something audible: then FILL."""
    write_s: float = 300.0
    """For the same in all."""
    speak_s: float = 600.0
    overlap_s: float = 5.0
    """A sound during an answer that is neither an interruption nor over by then is none."""
    stall_s: float = 2.0
    """Audio that stops coming in the middle of speech: the client is gone, or has muted itself."""
    idle_s: float | None = None
    """Nobody has spoken since the last answer was played out."""


class ImpossibleEvent(AssertionError):
    """An event that the table calls impossible in this state: a bug of ours."""


class Floor:
    """The floor of one session, by `TABLE`: the state, the run that has the floor, and the deadline of its wait."""

    def __init__(self, limits: FloorLimits | None = None) -> None:
        self.limits = limits or FloorLimits()
        self.state = State.LISTENING
        self.run = RunId(0, 0)
        """The run that has, or last had, the floor; turn 0 before the first, revision 0 before its first."""
        self._answer_by = 0.0
        self._fill_by = math.inf
        self._silent_until = 0.0
        """When an answer that is not audible by then is too late, however much alive."""
        self._audio_by = 0.0
        self._verdict_by = 0.0
        self._silent_since: float | None = None

    def feed(
        self,
        event: FloorEvent,
        now: float,
        run: RunId | None = None,
        facts: frozenset[Fact] = NO_FACTS,
    ) -> tuple[FloorCommand, ...]:
        """Move on `event` and say what to do. An event of a run names it in `run`.

        Raises ImpossibleEvent, and then the state has not moved.
        """
        if event in OF_A_RUN and run != self.run:
            return ()
        if event in IMPOSSIBLE[self.state]:
            raise ImpossibleEvent(f"{event!r} in {self.state!r}")
        cell = TABLE[self.state].get(event)
        if cell is None:
            return ()
        row = cell.given(facts)
        if FloorCommand.OPEN in row.commands:
            self.run = RunId(self.run.turn + 1, 0)
        if FloorCommand.START in row.commands:
            self.run = RunId(self.run.turn, self.run.revision + 1)
        if FloorCommand.REFUSE not in row.commands:
            self._arm(row, now)
        self.state = row.next
        return row.commands

    def audio_came(self, now: float) -> None:
        """The client sends audio: it is still there. Cheap, for the hot path."""
        self._audio_by = now + self.limits.stall_s

    def postpone(self, seconds: float) -> None:
        """Nobody was there for so long: what waited has not waited meanwhile."""
        self._answer_by += seconds
        self._fill_by += seconds
        self._silent_until += seconds
        self._audio_by += seconds
        self._verdict_by += seconds
        if self._silent_since is not None:
            self._silent_since += seconds

    def alive(self, run: RunId, now: float) -> None:
        """The run gives a sign of life: what thinks, or writes what nobody hears, is not stuck."""
        if run == self.run and self.state in (State.THINKING, State.HESITATING):
            self._answer_by = min(now + self.limits.think_s, self._silent_until)

    def set_idle_s(self, idle_s: float | None, now: float) -> None:
        """Nudge after so much silence, or never; counts from the last answer, if nobody has spoken since, or from now,
        if nobody has been listened for meanwhile."""
        if self.limits.idle_s is None and self._silent_since is not None:
            self._silent_since = now
        self.limits = replace(self.limits, idle_s=idle_s)

    @property
    def deadline(self) -> float | None:
        """When `due` must be asked, in the caller's seconds; None when nothing is waited for."""
        match self.state:
            case State.LISTENING:
                idle_s = self.limits.idle_s
                return None if idle_s is None or self._silent_since is None else self._silent_since + idle_s
            case State.HEARING | State.ENDING:
                return self._audio_by
            case State.THINKING:
                return min(self._fill_by, self._answer_by)
            case State.SPEAKING:
                return self._answer_by
            case State.HESITATING | State.DUCKED | State.PAUSED:
                return min(self._verdict_by, self._audio_by)
            case State.CLOSED:
                return None

    def due(self, now: float) -> FloorEvent | None:
        """What happens because `deadline` has come; nothing when it has not."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return None
        if self.state is State.THINKING and deadline < self._answer_by:
            return FloorEvent.KEPT_WAITING
        return FloorEvent.TIMED_OUT

    def _arm(self, row: Row, now: float) -> None:
        limits = self.limits
        if row.next in OVERLAP and self.state not in OVERLAP:
            self._verdict_by = now + limits.overlap_s
        if FloorCommand.COMMIT in row.commands:
            self._answer_by = now + limits.think_s
            self._fill_by = math.inf if limits.audible_s is None else now + limits.audible_s
            self._silent_until = now + limits.write_s
        elif row.next is State.SPEAKING and self.state is State.THINKING:
            self._answer_by = now + limits.speak_s
        if row.next in (State.HEARING, State.ENDING) or row.next in OVERLAP:
            self._audio_by = now + limits.stall_s
        if FloorCommand.FILL in row.commands:
            self._fill_by = math.inf  # once a turn
        if row.next is State.LISTENING:
            # Once a silence: the next one begins when somebody has spoken again.
            self._silent_since = None if FloorCommand.NUDGE in row.commands else now
