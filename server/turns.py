"""The floor: whose turn it is, as one table of states and events.

Theory of operation
-------------------
Two rules. Everything that decides a transition is in `TABLE`; a condition that does not fit a table was
turned into a different event before it got here ("may this speech interrupt?" is the difference between
SPEECH_STARTED and SPEECH_OVERHEARD). And there is no clock, task or socket: time comes in as `now`, what to
do goes out as commands, and the session obeys them in order, without an `await` in between.

A turn is what the person said and what they got for it; START opens the next one. Events of a turn carry
its number: those of a turn that no longer has the floor come too late and change nothing. An event that the
table calls impossible is a bug of ours: `feed` raises and the state has not moved.

While a turn lives there is a deadline (`deadline`, `tick`): a person is never left in silence without end.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Who has the floor."""

    LISTENING = "listening"
    """Nobody: the server waits for the person."""
    HEARING = "hearing"
    """The person."""
    THINKING = "thinking"
    """The server, not audible yet."""
    SPEAKING = "speaking"
    """The server, audible, up to the end of playout."""
    CLOSED = "closed"


class FloorEvent(StrEnum):
    """What happened."""

    SPEECH_STARTED = "speech started"
    """The person speaks, and may take the floor."""
    SPEECH_OVERHEARD = "speech overheard"
    """The person speaks, but the session is configured not to be interrupted by it."""
    SPEECH_ENDED = "speech ended"
    """The person has finished and wants an answer."""
    SPEECH_NOTED = "speech noted"
    """The person has finished; the client will say when to answer."""
    REPLY_REQUESTED = "reply requested"
    """The client, or a reminder that is due, asks for an answer."""
    AUDIBLE = "audible"
    """The first of the turn's audio has left."""
    ANSWERED = "answered"
    """The turn's run has ended and its audio has been played out."""
    ANSWERED_WITH_MORE = "answered, with more"
    """The same, and an utterance that was overheard meanwhile waits for its answer."""
    TIMED_OUT = "timed out"
    """The turn has lasted longer than it may."""
    CANCELLED = "cancelled"
    """The client asked for silence."""
    GONE = "gone"
    """The connection is over."""


class FloorCommand(StrEnum):
    """What the session must do, in this order."""

    START = "start"
    """Run the pipeline for the new turn."""
    CANCEL = "cancel"
    """Cancel the scope of the turn's run."""
    FLUSH = "flush"
    """Raise the epoch: nothing of the turn reaches the socket any more."""
    QUEUE = "queue"
    """Keep the utterance: it is answered when this turn ends."""
    APOLOGISE = "apologise"
    """Say aloud that the answer did not come."""
    CLOSE = "close"
    """End the session."""


@dataclass(frozen=True, slots=True)
class Row:
    """Where an event leads and what to do about it."""

    next: State
    commands: tuple[FloorCommand, ...] = ()


_START, _CANCEL, _FLUSH = FloorCommand.START, FloorCommand.CANCEL, FloorCommand.FLUSH
_QUEUE, _CLOSE, _APOLOGISE = FloorCommand.QUEUE, FloorCommand.CLOSE, FloorCommand.APOLOGISE
_S, _E = State, FloorEvent

TABLE: dict[State, dict[FloorEvent, Row]] = {
    _S.LISTENING: {
        _E.SPEECH_STARTED: Row(_S.HEARING),
        _E.SPEECH_OVERHEARD: Row(_S.HEARING),
        # Overheard speech may end after the answer that it could not interrupt.
        _E.SPEECH_ENDED: Row(_S.THINKING, (_START,)),
        _E.SPEECH_NOTED: Row(_S.LISTENING),
        _E.REPLY_REQUESTED: Row(_S.THINKING, (_START,)),
        _E.CANCELLED: Row(_S.LISTENING),
        _E.GONE: Row(_S.CLOSED, (_CLOSE,)),
    },
    _S.HEARING: {
        _E.SPEECH_ENDED: Row(_S.THINKING, (_START,)),
        _E.SPEECH_NOTED: Row(_S.LISTENING),
        _E.REPLY_REQUESTED: Row(_S.THINKING, (_START,)),
        _E.CANCELLED: Row(_S.HEARING),
        _E.GONE: Row(_S.CLOSED, (_CLOSE,)),
    },
    _S.THINKING: {
        _E.SPEECH_STARTED: Row(_S.HEARING, (_CANCEL, _FLUSH)),
        _E.SPEECH_OVERHEARD: Row(_S.THINKING),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_QUEUE,)),
        _E.SPEECH_NOTED: Row(_S.THINKING),
        _E.AUDIBLE: Row(_S.SPEAKING),
        _E.ANSWERED: Row(_S.LISTENING),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, (_START,)),
        _E.TIMED_OUT: Row(_S.LISTENING, (_CANCEL, _FLUSH, _APOLOGISE)),
        _E.CANCELLED: Row(_S.LISTENING, (_CANCEL, _FLUSH)),
        _E.GONE: Row(_S.CLOSED, (_CANCEL, _FLUSH, _CLOSE)),
    },
    _S.SPEAKING: {
        _E.SPEECH_STARTED: Row(_S.HEARING, (_CANCEL, _FLUSH)),
        _E.SPEECH_OVERHEARD: Row(_S.SPEAKING),
        _E.SPEECH_ENDED: Row(_S.SPEAKING, (_QUEUE,)),
        _E.SPEECH_NOTED: Row(_S.SPEAKING),
        # The last answer is complete for the client, but still being played.
        _E.REPLY_REQUESTED: Row(_S.SPEAKING, (_QUEUE,)),
        _E.AUDIBLE: Row(_S.SPEAKING),
        _E.ANSWERED: Row(_S.LISTENING),
        _E.ANSWERED_WITH_MORE: Row(_S.THINKING, (_START,)),
        _E.TIMED_OUT: Row(_S.LISTENING, (_CANCEL, _FLUSH)),
        _E.CANCELLED: Row(_S.LISTENING, (_CANCEL, _FLUSH)),
        _E.GONE: Row(_S.CLOSED, (_CANCEL, _FLUSH, _CLOSE)),
    },
    _S.CLOSED: {},
}

OF_A_TURN = frozenset({_E.AUDIBLE, _E.ANSWERED, _E.ANSWERED_WITH_MORE, _E.TIMED_OUT})
"""Events that belong to a turn, and are late once that turn has lost the floor."""

IMPOSSIBLE: dict[State, frozenset[FloorEvent]] = {
    _S.LISTENING: frozenset(),
    # The detector's events alternate: no second start while the person speaks.
    _S.HEARING: frozenset({_E.SPEECH_STARTED, _E.SPEECH_OVERHEARD}),
    # One reply at a time: the session refuses the client's request before it gets here.
    _S.THINKING: frozenset({_E.REPLY_REQUESTED}),
    _S.SPEAKING: frozenset(),
    # Nothing is fed to a session that has ended; what still trickles in is late.
    _S.CLOSED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class FloorLimits:
    """How long a turn may last. Both are generous: they end what is stuck, they do not hurry what is slow."""

    think_s: float = 30.0
    speak_s: float = 600.0


class ImpossibleEvent(AssertionError):
    """An event that the table calls impossible in this state: a bug of ours."""


class Floor:
    """The machine over `TABLE`: the state, the number of the turn, and its deadline."""

    def __init__(self, limits: FloorLimits | None = None) -> None:
        self._limits = limits or FloorLimits()
        self.state = State.LISTENING
        self.turn = 0
        """Number of the turn that has, or last had, the floor; 0 before the first."""
        self.deadline: float | None = None
        """When `tick` must be called, in the caller's seconds; None when no turn lives."""

    def feed(self, event: FloorEvent, now: float, turn: int | None = None) -> tuple[FloorCommand, ...]:
        """Move on `event` and say what to do. An event of a turn names it in `turn`.

        Raises ImpossibleEvent, and then the state has not moved.
        """
        if event in OF_A_TURN and (turn != self.turn or self.deadline is None):
            return ()
        if event in IMPOSSIBLE[self.state]:
            raise ImpossibleEvent(f"{event!r} in {self.state!r}")
        row = TABLE[self.state].get(event)
        if row is None:
            return ()
        if FloorCommand.START in row.commands:
            self.turn += 1
        self._arm(row.next, now, fresh=FloorCommand.START in row.commands)
        self.state = row.next
        return row.commands

    def tick(self, now: float) -> tuple[FloorCommand, ...]:
        """What to do when `deadline` has come; nothing when it has not."""
        if self.deadline is None or now < self.deadline:
            return ()
        return self.feed(FloorEvent.TIMED_OUT, now, self.turn)

    def _arm(self, state: State, now: float, *, fresh: bool) -> None:
        if state is State.THINKING:
            if fresh or self.deadline is None:
                self.deadline = now + self._limits.think_s
        elif state is State.SPEAKING:
            if self.state is not State.SPEAKING:
                self.deadline = now + self._limits.speak_s
        else:
            self.deadline = None
