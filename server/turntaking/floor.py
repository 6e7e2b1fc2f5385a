"""The floor: whose turn it is, as one table of states and events.

Theory of operation
-------------------
Two rules. Everything that decides a transition is in `TABLE`; a condition that does not fit a table was
turned into a different event before it got here ("is this sound an interruption?" is the difference between
SPEECH_STARTED, BARGED_IN and SPEECH_OVERHEARD). And there is no clock, task or socket: time comes in as
`now`, what to do goes out as commands, and the session obeys them in order, without an `await` in between.

A *turn* is what the person said and what they got for it; OPEN begins the next one. A *revision* is one
attempt at answering it; START begins the next one. Answering may start before it is certain that the person
has finished (ENDING): what it makes is held back until COMMIT lets it out, and if the person goes on, DROP
throws it away and the same turn gets another revision. Events of a run carry its turn and revision: those of
a run that no longer has the floor come too late and change nothing.

A sound made during an answer need not be an interruption. The voice is lowered (DUCK), then held (PAUSE),
until the session has made up its mind: BARGED_IN takes the floor, FALSE_ALARM gives it back (RESUME), from the
exact sample. Speech that is configured not to interrupt is kept (QUEUE) and answered afterwards.

Whoever waits has a deadline (`deadline`, `tick`): a person is never left in silence without end. An event that
the table calls impossible is a bug of ours: `feed` raises and the state has not moved.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Who has the floor."""

    LISTENING = "listening"
    """Nobody: the server waits for the person."""
    HEARING = "hearing"
    """The person."""
    ENDING = "ending"
    """The person has paused; an answer is being prepared, unheard, in case that was all."""
    THINKING = "thinking"
    """The server, not audible yet."""
    HESITATING = "hesitating"
    """The server, not audible yet, and holding back because the person has made a sound."""
    SPEAKING = "speaking"
    """The server, audible, up to the end of playout."""
    DUCKED = "ducked"
    """The server, with its voice lowered because the person has made a sound."""
    PAUSED = "paused"
    """The server, with its voice held in the middle because the sound goes on."""
    CLOSED = "closed"


class FloorEvent(StrEnum):
    """What happened."""

    SPEECH_STARTED = "speech started"
    """The person has made a sound; whether it interrupts is not known yet."""
    SPEECH_PERSISTED = "speech persisted"
    """The sound made during an answer goes on."""
    BARGED_IN = "barged in"
    """The person speaks and takes the floor."""
    FALSE_ALARM = "false alarm"
    """The sound was a cough, an echo, a "mhm": no interruption."""
    SPEECH_OVERHEARD = "speech overheard"
    """The person speaks, but the session is configured not to be interrupted by it."""
    SPEECH_PAUSED = "speech paused"
    """The person may have finished."""
    SPEECH_RESUMED = "speech resumed"
    """The person had not finished."""
    SPEECH_ENDED = "speech ended"
    """The person has finished and wants an answer."""
    SPEECH_NOTED = "speech noted"
    """The person has finished; no answer, or none yet, is wanted."""
    RESPONSE_REQUESTED = "response requested"
    """The client, or a reminder that is due, asks for an answer."""
    AUDIBLE = "audible"
    """The first of the run's audio has left."""
    ANSWERED = "answered"
    """The run has ended and its audio has been played out."""
    ANSWERED_WITH_MORE = "answered, with more"
    """The same, and a turn that was overheard meanwhile or cut off by a sound without words, or a request, waits for
    its answer."""
    KEPT_WAITING = "kept waiting"
    """The person has waited for a while, and has heard nothing."""
    TIMED_OUT = "timed out"
    """What was waited for has not come in time."""
    CANCELLED = "cancelled"
    """The client asked for silence."""
    GONE = "gone"
    """The connection is over."""


class FloorCommand(StrEnum):
    """What the session must do, in this order."""

    OPEN = "open"
    """A new turn has begun."""
    START = "start"
    """Run the pipeline for the turn's next revision, unheard."""
    COMMIT = "commit"
    """Let out what the run has made, as soon as the guard has passed."""
    DROP = "drop"
    """Cancel the run and forget what it made: nobody has heard of it."""
    CANCEL = "cancel"
    """Cancel the scope of the run."""
    FLUSH = "flush"
    """Raise the epoch: nothing of the run reaches the socket any more."""
    DUCK = "duck"
    """Tell the client to lower the voice."""
    PAUSE = "pause"
    """Hold the voice, here and at the client; nothing is lost."""
    RESUME = "resume"
    """Undo DUCK and PAUSE."""
    QUEUE = "queue"
    """Keep the question: it is answered when this turn ends."""
    FILL = "fill"
    """Say aloud that the answer takes a moment."""
    APOLOGISE = "apologise"
    """Say aloud that the answer did not come."""
    END_SPEECH = "end speech"
    """End the utterance here: no more audio comes."""
    NUDGE = "nudge"
    """Nobody has spoken for long: say something."""
    CLOSE = "close"
    """End the session."""


class RunId(NamedTuple):
    """Which attempt at which answer."""

    turn: int
    revision: int


@dataclass(frozen=True, slots=True)
class Row:
    """Where an event leads and what to do about it."""

    next: State
    commands: tuple[FloorCommand, ...] = ()


_S, _E, _C = State, FloorEvent, FloorCommand
_ANSWER = (_C.OPEN, _C.START, _C.COMMIT)
_YIELD = (_C.CANCEL, _C.FLUSH, _C.OPEN)
_SILENCE = (_C.CANCEL, _C.FLUSH)
_END = (_C.CANCEL, _C.FLUSH, _C.CLOSE)

TABLE: dict[State, dict[FloorEvent, Row]] = {
    _S.LISTENING: {
        _E.SPEECH_STARTED: Row(_S.HEARING, (_C.OPEN,)),
        _E.SPEECH_OVERHEARD: Row(_S.HEARING, (_C.OPEN,)),
        # Overheard speech may outlast the answer that it could not interrupt.
        _E.SPEECH_PAUSED: Row(_S.ENDING, (_C.OPEN, _C.START)),
        _E.SPEECH_RESUMED: Row(_S.HEARING, (_C.OPEN,)),
        _E.SPEECH_ENDED: Row(_S.THINKING, _ANSWER),
        _E.SPEECH_NOTED: Row(_S.LISTENING),
        _E.RESPONSE_REQUESTED: Row(_S.THINKING, _ANSWER),
        _E.TIMED_OUT: Row(_S.LISTENING, (_C.NUDGE,)),
        _E.CANCELLED: Row(_S.LISTENING),
        _E.GONE: Row(_S.CLOSED, (_C.CLOSE,)),
    },
    _S.HEARING: {
        _E.SPEECH_PAUSED: Row(_S.ENDING, (_C.START,)),
        _E.SPEECH_RESUMED: Row(_S.HEARING),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_C.START, _C.COMMIT)),
        _E.SPEECH_NOTED: Row(_S.LISTENING),
        _E.RESPONSE_REQUESTED: Row(_S.THINKING, (_C.START, _C.COMMIT)),
        _E.TIMED_OUT: Row(_S.HEARING, (_C.END_SPEECH,)),
        _E.CANCELLED: Row(_S.HEARING),
        _E.GONE: Row(_S.CLOSED, (_C.CLOSE,)),
    },
    _S.ENDING: {
        _E.SPEECH_RESUMED: Row(_S.HEARING, (_C.DROP,)),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_C.COMMIT,)),
        _E.SPEECH_NOTED: Row(_S.LISTENING, (_C.DROP,)),
        _E.RESPONSE_REQUESTED: Row(_S.THINKING, (_C.DROP, _C.START, _C.COMMIT)),
        # A run that fails while nobody waits for it is tried again when somebody does.
        _E.ANSWERED: Row(_S.HEARING),
        _E.ANSWERED_WITH_MORE: Row(_S.HEARING),
        _E.TIMED_OUT: Row(_S.ENDING, (_C.END_SPEECH,)),
        _E.CANCELLED: Row(_S.HEARING, (_C.DROP,)),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.THINKING: {
        _E.SPEECH_STARTED: Row(_S.HESITATING, (_C.PAUSE,)),
        _E.BARGED_IN: Row(_S.HEARING, _YIELD),
        _E.SPEECH_OVERHEARD: Row(_S.THINKING),
        _E.SPEECH_PAUSED: Row(_S.THINKING),
        _E.SPEECH_RESUMED: Row(_S.THINKING),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_C.QUEUE,)),
        _E.SPEECH_NOTED: Row(_S.THINKING),
        _E.AUDIBLE: Row(_S.SPEAKING),
        _E.ANSWERED: Row(_S.LISTENING),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, _ANSWER),
        _E.KEPT_WAITING: Row(_S.THINKING, (_C.FILL,)),
        _E.TIMED_OUT: Row(_S.LISTENING, (*_SILENCE, _C.APOLOGISE)),
        _E.CANCELLED: Row(_S.LISTENING, _SILENCE),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.HESITATING: {
        _E.SPEECH_PERSISTED: Row(_S.HESITATING),
        _E.SPEECH_NOTED: Row(_S.HESITATING),
        _E.BARGED_IN: Row(_S.HEARING, _YIELD),
        _E.FALSE_ALARM: Row(_S.THINKING, (_C.RESUME,)),
        _E.ANSWERED: Row(_S.HEARING, (_C.RESUME, _C.OPEN)),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, (_C.RESUME, *_ANSWER)),
        _E.TIMED_OUT: Row(_S.THINKING, (_C.RESUME,)),
        _E.CANCELLED: Row(_S.HEARING, _YIELD),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.SPEAKING: {
        _E.SPEECH_STARTED: Row(_S.DUCKED, (_C.DUCK,)),
        _E.BARGED_IN: Row(_S.HEARING, _YIELD),
        _E.SPEECH_OVERHEARD: Row(_S.SPEAKING),
        _E.SPEECH_PAUSED: Row(_S.SPEAKING),
        _E.SPEECH_RESUMED: Row(_S.SPEAKING),
        _E.SPEECH_ENDED: Row(_S.SPEAKING, (_C.QUEUE,)),
        _E.SPEECH_NOTED: Row(_S.SPEAKING),
        # The last answer is complete for the client, but still being played.
        _E.RESPONSE_REQUESTED: Row(_S.SPEAKING, (_C.QUEUE,)),
        _E.AUDIBLE: Row(_S.SPEAKING),
        _E.ANSWERED: Row(_S.LISTENING),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, _ANSWER),
        _E.TIMED_OUT: Row(_S.LISTENING, _SILENCE),
        _E.CANCELLED: Row(_S.LISTENING, _SILENCE),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.DUCKED: {
        _E.SPEECH_PERSISTED: Row(_S.PAUSED, (_C.PAUSE,)),
        _E.SPEECH_NOTED: Row(_S.DUCKED),
        _E.BARGED_IN: Row(_S.HEARING, _YIELD),
        _E.FALSE_ALARM: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.RESPONSE_REQUESTED: Row(_S.DUCKED, (_C.QUEUE,)),
        _E.AUDIBLE: Row(_S.DUCKED),
        _E.ANSWERED: Row(_S.HEARING, (_C.RESUME, _C.OPEN)),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, (_C.RESUME, *_ANSWER)),
        _E.TIMED_OUT: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.CANCELLED: Row(_S.HEARING, _YIELD),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.PAUSED: {
        _E.SPEECH_PERSISTED: Row(_S.PAUSED),
        _E.SPEECH_NOTED: Row(_S.PAUSED),
        _E.BARGED_IN: Row(_S.HEARING, _YIELD),
        _E.FALSE_ALARM: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.RESPONSE_REQUESTED: Row(_S.PAUSED, (_C.QUEUE,)),
        _E.ANSWERED: Row(_S.HEARING, (_C.RESUME, _C.OPEN)),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, (_C.RESUME, *_ANSWER)),
        _E.TIMED_OUT: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.CANCELLED: Row(_S.HEARING, _YIELD),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.CLOSED: {},
}

OF_A_RUN = frozenset({_E.AUDIBLE, _E.ANSWERED, _E.ANSWERED_WITH_MORE})
"""Events that belong to a run, and are late once that run has lost the floor."""

OVERLAP = frozenset({_S.HESITATING, _S.DUCKED, _S.PAUSED})
"""States in which the person has made a sound during an answer, and what it is has not been decided."""

_UNDECIDED = frozenset(
    {
        _E.SPEECH_STARTED,
        _E.SPEECH_OVERHEARD,
        _E.SPEECH_PAUSED,
        _E.SPEECH_RESUMED,
        _E.SPEECH_ENDED,
    }
)
_WAITED = frozenset({_E.KEPT_WAITING})
_VERDICTS = frozenset({_E.SPEECH_PERSISTED, _E.FALSE_ALARM})

# Nobody is kept waiting but by an answer that is not audible yet (`_WAITED`).
IMPOSSIBLE: dict[State, frozenset[FloorEvent]] = {
    # Where nothing is said nobody is interrupted: the session asks for a verdict in an overlap only.
    _S.LISTENING: _WAITED | _VERDICTS | {_E.BARGED_IN},
    # The detector's events alternate: no second start while the person speaks.
    _S.HEARING: _WAITED | _VERDICTS | {_E.SPEECH_STARTED, _E.SPEECH_OVERHEARD, _E.BARGED_IN},
    # Held back, a run cannot be heard; and nothing is overheard.
    _S.ENDING: _WAITED
    | _VERDICTS
    | {
        _E.SPEECH_STARTED,
        _E.SPEECH_OVERHEARD,
        _E.BARGED_IN,
        _E.SPEECH_PAUSED,
        _E.AUDIBLE,
    },
    # One response at a time: the session refuses the client's request before it gets here.
    _S.THINKING: _VERDICTS | {_E.RESPONSE_REQUESTED},
    # What speech does in an overlap is the session's verdict, not the detector's; but a client that has switched the
    # detector off may commit what it has appended.
    _S.HESITATING: _WAITED | _UNDECIDED | {_E.AUDIBLE, _E.RESPONSE_REQUESTED},
    _S.SPEAKING: _WAITED | _VERDICTS,
    _S.DUCKED: _WAITED | _UNDECIDED,
    _S.PAUSED: _WAITED | _UNDECIDED | {_E.AUDIBLE},
    # Nothing is fed to a session that has ended; what still trickles in is late.
    _S.CLOSED: frozenset(),
}


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
    """The machine over `TABLE`: the state, the run that has the floor, and the deadline of its wait."""

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

    def feed(self, event: FloorEvent, now: float, run: RunId | None = None) -> tuple[FloorCommand, ...]:
        """Move on `event` and say what to do. An event of a run names it in `run`.

        Raises ImpossibleEvent, and then the state has not moved.
        """
        if event in OF_A_RUN and run != self.run:
            return ()
        if event in IMPOSSIBLE[self.state]:
            raise ImpossibleEvent(f"{event!r} in {self.state!r}")
        row = TABLE[self.state].get(event)
        if row is None:
            return ()
        if FloorCommand.OPEN in row.commands:
            self.run = RunId(self.run.turn + 1, 0)
        if FloorCommand.START in row.commands:
            self.run = RunId(self.run.turn, self.run.revision + 1)
        self._arm(row, now)
        self.state = row.next
        return row.commands

    def audio_came(self, now: float) -> None:
        """The client sends audio: it is still there. Cheap, for the hot path."""
        self._audio_by = now + self.limits.stall_s

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
        """When `tick` must be called, in the caller's seconds; None when nothing is waited for."""
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

    def tick(self, now: float) -> tuple[FloorCommand, ...]:
        """What to do when `deadline` has come; nothing when it has not."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return ()
        if self.state is State.THINKING and deadline < self._answer_by:
            self._fill_by = math.inf  # once a turn
            return self.feed(FloorEvent.KEPT_WAITING, now)
        return self.feed(FloorEvent.TIMED_OUT, now)

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
        if row.next is State.LISTENING:
            # Once a silence: the next one begins when somebody has spoken again.
            self._silent_since = None if FloorCommand.NUDGE in row.commands else now
