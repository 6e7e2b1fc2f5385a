"""The floor's table: states × events → next state and commands. Data alone; `server.turntaking.floor` is the machine.

Events say what happened and carry facts ("the answer is protected", "the client can hold the voice"); which of the
rows of a cell applies is decided by the facts, in the order of the rows, and nowhere else.
"""

from enum import StrEnum

from server.domain import table


class State(StrEnum):
    """The states of the floor: whose turn it is, and what is awaited."""

    LISTENING = "listening"
    """Nobody: the server waits for the person."""
    HEARING = "hearing"
    """The person has the floor."""
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
    """The person has made a sound; the facts say what it may do to an answer."""
    SOUND_WAITS = "sound waits"
    """A sound of before has not been judged yet, although a turn was made of another since."""
    SPEECH_PERSISTED = "speech persisted"
    """The sound made during an answer goes on."""
    BARGED_IN = "barged in"
    """The person speaks and takes the floor."""
    FALSE_ALARM = "false alarm"
    """The sound was a cough, an echo, a "mhm": no interruption."""
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
    KEPT_WAITING = "kept waiting"
    """The person has waited for a while, and has heard nothing."""
    TIMED_OUT = "timed out"
    """What was waited for has not come in time."""
    CANCELLED = "cancelled"
    """The client asked for the end of the response."""
    SILENCED = "silenced"
    """The client asked for silence at once, though it may have been told all of the answer."""
    GONE = "gone"
    """The connection is over."""


class Fact(StrEnum):
    """What is true at an event, and decides where it leads."""

    UNINTERRUPTIBLE = "uninterruptible"
    """The session is configured not to be interrupted by speech."""
    PROTECTED = "protected"
    """So little of the answer has been heard that speech must not interrupt it yet."""
    HOLDS_VOICE = "holds the voice"
    """The client can lower and hold the voice."""
    MORE_WAITS = "more waits"
    """A turn that was overheard meanwhile or cut off by a sound without words, or a request, waits for its answer."""
    RESPONSE_OPEN = "response open"
    """The client has been told of a response, and not of its end."""


class FloorCommand(StrEnum):
    """What the session must do, in this order."""

    TELL_START = "tell start"
    """Tell the client that the person speaks."""
    HIDE_START = "hide start"
    """Keep it from a client that would fall silent if it knew."""
    WEIGH = "weigh"
    """Judge the sound until it is known whether it interrupts."""
    REFUSE = "refuse"
    """Tell the client that its request cannot be met now."""
    TELL_CLEARED = "tell cleared"
    """Tell the client that its output was cleared."""

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


Row = table.Row[State, FloorCommand, Fact]
"""A row of `TABLE`."""

_S, _E, _C, _F = State, FloorEvent, FloorCommand, Fact
_ANSWER = (_C.OPEN, _C.START, _C.COMMIT)
_YIELD = (_C.CANCEL, _C.FLUSH, _C.OPEN)
_SILENCE = (_C.CANCEL, _C.FLUSH)
_END = (_C.CANCEL, _C.FLUSH, _C.CLOSE)


def _if_idle(state: State, commands: tuple[FloorCommand, ...]) -> Row:
    """Answer a request, unless the client knows of a response that is not over."""
    return Row(state, (_C.REFUSE,), when=_F.RESPONSE_OPEN, otherwise=Row(_S.THINKING, commands))


def _if_told(state: State, row: Row) -> Row:
    """Cancel the response that the client knows of, or refuse."""
    return Row(row.next, row.commands, when=_F.RESPONSE_OPEN, otherwise=Row(state, (_C.REFUSE,)))


def _queued(state: State) -> Row:
    """The last answer may be complete for the client, but still being played: then a request waits for its end."""
    return Row(state, (_C.REFUSE,), when=_F.RESPONSE_OPEN, otherwise=Row(state, (_C.QUEUE,)))


def _unless_kept(state: State, row: Row) -> Row:
    """Speech over an answer is kept for later while it must not interrupt."""
    protected = Row(state, (_C.HIDE_START,), when=_F.PROTECTED, otherwise=row)
    return Row(state, (_C.TELL_START,), when=_F.UNINTERRUPTIBLE, otherwise=protected)


_TAKEN = Row(_S.HEARING, (_C.TELL_START, *_YIELD))

TABLE: dict[State, dict[FloorEvent, Row]] = {
    _S.LISTENING: {
        _E.SPEECH_STARTED: Row(_S.HEARING, (_C.TELL_START, _C.OPEN)),
        _E.SOUND_WAITS: Row(_S.LISTENING),
        # Overheard speech may outlast the answer that it could not interrupt.
        _E.SPEECH_PAUSED: Row(_S.ENDING, (_C.OPEN, _C.START)),
        _E.SPEECH_RESUMED: Row(_S.HEARING, (_C.OPEN,)),
        _E.SPEECH_ENDED: Row(_S.THINKING, _ANSWER),
        _E.SPEECH_NOTED: Row(_S.LISTENING),
        _E.RESPONSE_REQUESTED: _if_idle(_S.LISTENING, _ANSWER),
        _E.TIMED_OUT: Row(_S.LISTENING, (_C.NUDGE,)),
        _E.CANCELLED: _if_told(_S.LISTENING, Row(_S.LISTENING)),
        _E.SILENCED: Row(_S.LISTENING),
        _E.GONE: Row(_S.CLOSED, (_C.CLOSE,)),
    },
    _S.HEARING: {
        _E.SOUND_WAITS: Row(_S.HEARING),
        _E.SPEECH_PAUSED: Row(_S.ENDING, (_C.START,)),
        _E.SPEECH_RESUMED: Row(_S.HEARING),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_C.START, _C.COMMIT)),
        _E.SPEECH_NOTED: Row(_S.LISTENING),
        _E.RESPONSE_REQUESTED: _if_idle(_S.HEARING, (_C.START, _C.COMMIT)),
        _E.TIMED_OUT: Row(_S.HEARING, (_C.END_SPEECH,)),
        _E.CANCELLED: _if_told(_S.HEARING, Row(_S.HEARING)),
        _E.SILENCED: Row(_S.HEARING),
        _E.GONE: Row(_S.CLOSED, (_C.CLOSE,)),
    },
    _S.ENDING: {
        _E.SOUND_WAITS: Row(_S.ENDING),
        _E.SPEECH_RESUMED: Row(_S.HEARING, (_C.DROP,)),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_C.COMMIT,)),
        _E.SPEECH_NOTED: Row(_S.LISTENING, (_C.DROP,)),
        _E.RESPONSE_REQUESTED: _if_idle(_S.ENDING, (_C.DROP, _C.START, _C.COMMIT)),
        # A run that fails while nobody waits for it is tried again when somebody does.
        _E.ANSWERED: Row(_S.HEARING),
        _E.TIMED_OUT: Row(_S.ENDING, (_C.END_SPEECH,)),
        _E.CANCELLED: _if_told(_S.ENDING, Row(_S.HEARING, (_C.DROP,))),
        _E.SILENCED: Row(_S.ENDING),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.THINKING: {
        _E.SPEECH_STARTED: _unless_kept(_S.THINKING, Row(_S.HESITATING, (_C.WEIGH, _C.PAUSE))),
        _E.SOUND_WAITS: Row(_S.HESITATING, (_C.PAUSE,)),
        # The verdict on a sound whose time was up.
        _E.SPEECH_PERSISTED: Row(_S.THINKING),
        _E.FALSE_ALARM: Row(_S.THINKING),
        _E.BARGED_IN: _TAKEN,
        _E.SPEECH_PAUSED: Row(_S.THINKING),
        _E.SPEECH_RESUMED: Row(_S.THINKING),
        _E.SPEECH_ENDED: Row(_S.THINKING, (_C.QUEUE,)),
        _E.SPEECH_NOTED: Row(_S.THINKING),
        # One response at a time.
        _E.RESPONSE_REQUESTED: Row(_S.THINKING, (_C.REFUSE,)),
        _E.AUDIBLE: Row(_S.SPEAKING),
        _E.ANSWERED: Row(_S.THINKING, _ANSWER, when=_F.MORE_WAITS, otherwise=Row(_S.LISTENING)),
        _E.KEPT_WAITING: Row(_S.THINKING, (_C.FILL,)),
        _E.TIMED_OUT: Row(_S.LISTENING, (*_SILENCE, _C.APOLOGISE)),
        _E.CANCELLED: Row(_S.LISTENING, _SILENCE),
        _E.SILENCED: Row(_S.LISTENING, (*_SILENCE, _C.TELL_CLEARED)),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.HESITATING: {
        _E.SPEECH_STARTED: Row(_S.HESITATING, (_C.WEIGH,)),
        _E.SOUND_WAITS: Row(_S.HESITATING),
        _E.SPEECH_PERSISTED: Row(_S.HESITATING),
        _E.SPEECH_NOTED: Row(_S.HESITATING),
        _E.BARGED_IN: _TAKEN,
        _E.FALSE_ALARM: Row(_S.THINKING, (_C.RESUME,)),
        _E.RESPONSE_REQUESTED: Row(_S.HESITATING, (_C.REFUSE,)),
        _E.ANSWERED: Row(
            _S.THINKING,
            (_C.RESUME, *_ANSWER),
            when=_F.MORE_WAITS,
            otherwise=Row(_S.HEARING, (_C.RESUME, _C.OPEN)),
        ),
        _E.TIMED_OUT: Row(_S.THINKING, (_C.RESUME,)),
        _E.CANCELLED: Row(_S.HEARING, _YIELD),
        _E.SILENCED: Row(_S.HEARING, (*_YIELD, _C.TELL_CLEARED)),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.SPEAKING: {
        _E.SPEECH_STARTED: _unless_kept(
            _S.SPEAKING, Row(_S.DUCKED, (_C.WEIGH, _C.DUCK), when=_F.HOLDS_VOICE, otherwise=_TAKEN)
        ),
        _E.SOUND_WAITS: Row(_S.DUCKED, (_C.DUCK,)),
        _E.SPEECH_PERSISTED: Row(_S.SPEAKING),
        _E.FALSE_ALARM: Row(_S.SPEAKING),
        _E.BARGED_IN: _TAKEN,
        _E.SPEECH_PAUSED: Row(_S.SPEAKING),
        _E.SPEECH_RESUMED: Row(_S.SPEAKING),
        _E.SPEECH_ENDED: Row(_S.SPEAKING, (_C.QUEUE,)),
        _E.SPEECH_NOTED: Row(_S.SPEAKING),
        _E.RESPONSE_REQUESTED: _queued(_S.SPEAKING),
        _E.AUDIBLE: Row(_S.SPEAKING),
        _E.ANSWERED: Row(_S.THINKING, _ANSWER, when=_F.MORE_WAITS, otherwise=Row(_S.LISTENING)),
        _E.TIMED_OUT: Row(_S.LISTENING, _SILENCE),
        _E.CANCELLED: _if_told(_S.SPEAKING, Row(_S.LISTENING, _SILENCE)),
        _E.SILENCED: Row(_S.LISTENING, (*_SILENCE, _C.TELL_CLEARED)),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.DUCKED: {
        _E.SPEECH_STARTED: Row(_S.DUCKED, (_C.WEIGH,)),
        _E.SOUND_WAITS: Row(_S.DUCKED),
        _E.SPEECH_PERSISTED: Row(_S.PAUSED, (_C.PAUSE,)),
        _E.SPEECH_NOTED: Row(_S.DUCKED),
        _E.BARGED_IN: _TAKEN,
        _E.FALSE_ALARM: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.RESPONSE_REQUESTED: _queued(_S.DUCKED),
        _E.AUDIBLE: Row(_S.DUCKED),
        _E.ANSWERED: Row(
            _S.THINKING,
            (_C.RESUME, *_ANSWER),
            when=_F.MORE_WAITS,
            otherwise=Row(_S.HEARING, (_C.RESUME, _C.OPEN)),
        ),
        _E.TIMED_OUT: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.CANCELLED: _if_told(_S.DUCKED, Row(_S.HEARING, _YIELD)),
        _E.SILENCED: Row(_S.HEARING, (*_YIELD, _C.TELL_CLEARED)),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.PAUSED: {
        _E.SPEECH_STARTED: Row(_S.PAUSED, (_C.WEIGH,)),
        _E.SOUND_WAITS: Row(_S.PAUSED),
        _E.SPEECH_PERSISTED: Row(_S.PAUSED),
        _E.SPEECH_NOTED: Row(_S.PAUSED),
        _E.BARGED_IN: _TAKEN,
        _E.FALSE_ALARM: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.RESPONSE_REQUESTED: _queued(_S.PAUSED),
        _E.ANSWERED: Row(
            _S.THINKING,
            (_C.RESUME, *_ANSWER),
            when=_F.MORE_WAITS,
            otherwise=Row(_S.HEARING, (_C.RESUME, _C.OPEN)),
        ),
        _E.TIMED_OUT: Row(_S.SPEAKING, (_C.RESUME,)),
        _E.CANCELLED: _if_told(_S.PAUSED, Row(_S.HEARING, _YIELD)),
        _E.SILENCED: Row(_S.HEARING, (*_YIELD, _C.TELL_CLEARED)),
        _E.GONE: Row(_S.CLOSED, _END),
    },
    _S.CLOSED: {},
}

OF_A_RUN = frozenset({_E.AUDIBLE, _E.ANSWERED})
"""Events that belong to a run, and are late once that run has lost the floor."""

OVERLAP = frozenset({_S.HESITATING, _S.DUCKED, _S.PAUSED})
"""States in which the person has made a sound during an answer, and what it is has not been decided."""

_TURN = frozenset({_E.SPEECH_PAUSED, _E.SPEECH_RESUMED, _E.SPEECH_ENDED})
_WAITED = frozenset({_E.KEPT_WAITING})
_VERDICTS = frozenset({_E.SPEECH_PERSISTED, _E.FALSE_ALARM, _E.BARGED_IN})

# Nobody is kept waiting but by an answer that is not audible yet (`_WAITED`).
IMPOSSIBLE: dict[State, frozenset[FloorEvent]] = {
    # Where nothing is said nobody is interrupted: every sound of before has become a turn, or is forgotten.
    _S.LISTENING: _WAITED | _VERDICTS,
    # The detector's events alternate: no second start while the person speaks.
    _S.HEARING: _WAITED | _VERDICTS | {_E.SPEECH_STARTED},
    # Held back, a run cannot be heard.
    _S.ENDING: _WAITED | _VERDICTS | {_E.SPEECH_STARTED, _E.SPEECH_PAUSED, _E.AUDIBLE},
    _S.THINKING: frozenset(),
    # What speech does in an overlap is the verdict's, not the detector's; but a client that has switched the
    # detector off may commit what it has appended.
    _S.HESITATING: _WAITED | _TURN | {_E.AUDIBLE},
    _S.SPEAKING: _WAITED,
    _S.DUCKED: _WAITED | _TURN,
    _S.PAUSED: _WAITED | _TURN | {_E.AUDIBLE},
    # Nothing is fed to a session that has ended; what still trickles in is late.
    _S.CLOSED: frozenset(),
}
