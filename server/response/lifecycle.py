"""The lifecycle of one response, from its first preparation to its end: one table of states and events.

Theory of operation
-------------------
A response is *held* until it is certain that it is wanted (CONFIRMED) and that it may be said (GUARD_PASSED): what it
says waits in its output stream. When the second of the two has come, LET_OUT opens the stream, and all of it leaves at
once. This is the commit gate; nothing else opens a stream.

The client is told every step at most once and in order: the response, its message, the message's end, the response's
end. It may know of a response that is still held, because it has asked for it by name or has been told that it takes a
moment: such a response (ANNOUNCED) always ends in something that is told. One of which the client knows nothing can be
dropped, and nobody has ever heard of it.

Everything that decides a transition is in `TABLE`. There is no clock, task or socket: events come in with their facts,
commands go out, and `server.response.output` obeys them in order, without an `await` in between. What comes after the
end comes from a run that has not obeyed its cancellation, and changes nothing.
"""

from enum import StrEnum

from server.domain import table


class LifecycleState(StrEnum):
    """Where a response stands."""

    PREPARING = "preparing"
    """Held: neither is it certain that it is wanted, nor has the guard passed."""
    PASSED = "passed"
    """Held: the guard has passed, and the end of the turn is not certain."""
    CONFIRMED = "confirmed"
    """Held: it is wanted, and the guard has not passed."""
    ANNOUNCED = "announced"
    """The same, and the client has been told of the response."""
    OPEN = "open"
    """Let out; there is nothing to tell yet."""
    STARTED = "started"
    """Let out; the client has been told of the response, and of no message that goes on."""
    MESSAGE = "message"
    """Let out, and saying something."""
    ENDED = "ended"
    """Its end has been told, or there was nothing to tell; its last sounds may still be played."""
    DROPPED = "dropped"
    """Thrown away; the client has never heard of it."""


class LifecycleEvent(StrEnum):
    """What happened to a response."""

    CONFIRMED = "confirmed"
    """The end of the turn is certain, or the client has asked for it: it is wanted."""
    GUARD_PASSED = "guard passed"
    """The last guard lets the words pass, or what is said needs none."""
    MESSAGE_BEGAN = "message began"
    """The first token or sample of a message."""
    KEPT_WAITING = "kept waiting"
    """The person has heard nothing for a while, and there is something to say about that."""
    BROKEN_OFF = "broken off"
    """What was said of the message has been heard to its end; what is said next is another."""
    RESTARTED = "restarted"
    """Something else is to be said instead."""
    FINISHED = "finished"
    """The run is over, and all that it had to say has left."""
    INTERRUPTED = "interrupted"
    """The person, the client or a deadline takes the floor from it."""
    UNWANTED = "unwanted"
    """The person had not finished: it was prepared in vain."""
    CRASHED = "crashed"
    """The run has failed by a bug of ours."""


class LifecycleFact(StrEnum):
    """What is true at an event, and decides where it leads."""

    REQUESTED = "requested"
    """The client has asked for it by name."""
    DRAFTED = "drafted"
    """A message has begun, and is held."""
    SILENT = "silent"
    """A message has begun, and has no sound yet."""
    TO_TELL = "to tell"
    """It is an answer, or has failed: the client must be told, whether or not anything was said."""


class LifecycleCommand(StrEnum):
    """What to do, in this order."""

    ANNOUNCE = "announce"
    """Tell the client at once that the response was created, past what is held."""
    START = "start"
    """Tell the same through the stream, ahead of what it says."""
    BEGIN_MESSAGE = "begin message"
    """Make the message's entry and tell of it through the stream."""
    SAY_FIRST = "say first"
    """Say past the stream that it takes a moment, as a message of its own."""
    SAY_NOW = "say now"
    """Have the message begin with saying that it takes a moment."""
    LET_OUT = "let out"
    """Open the output stream."""
    END_MESSAGE = "end message"
    """Tell the end of the message where its voice has ended."""
    RENEW = "renew"
    """Go on in another stream, which is open if this one was."""
    SHUT = "shut"
    """Nothing more of this stream leaves."""
    SILENCE = "silence"
    """The same, and what the client holds of it is thrown away."""
    FORGET = "forget"
    """Take back what it has said, of which nothing was let out."""
    CUT = "cut"
    """Cut what it has said to what was heard."""
    UNDO = "undo"
    """Take back what it has done, and that the person had finished."""
    TELL_END = "tell end"
    """Tell the end of the response and note it."""
    NOTE_END = "note end"
    """Note how it ended; there is nobody to tell."""


Row = table.Row[LifecycleState, LifecycleCommand, LifecycleFact]
"""A row of `TABLE`."""

_S, _E, _C, _F = LifecycleState, LifecycleEvent, LifecycleCommand, LifecycleFact
_AGAIN = (_C.SHUT, _C.FORGET, _C.RENEW)
_NEVER = (_C.SHUT, _C.FORGET)
_CUT_SHORT = (_C.SILENCE, _C.CUT, _C.TELL_END)
_MESSAGE = (_C.START, _C.BEGIN_MESSAGE)


def _held(state: LifecycleState) -> dict[LifecycleEvent, Row]:
    """What a held response of which the client knows nothing does, whatever it waits for."""
    return {
        _E.MESSAGE_BEGAN: Row(state, _MESSAGE),
        _E.RESTARTED: Row(state, _AGAIN),
        _E.INTERRUPTED: Row(_S.DROPPED, (_C.SILENCE, _C.FORGET)),
        _E.CRASHED: Row(_S.DROPPED, _NEVER),
    }


def _let_out(state: LifecycleState) -> Row:
    """Into this state, or into the message that has begun."""
    return Row(_S.MESSAGE, (_C.LET_OUT,), when=_F.DRAFTED, otherwise=Row(state, (_C.LET_OUT,)))


TABLE: dict[LifecycleState, dict[LifecycleEvent, Row]] = {
    _S.PREPARING: {
        **_held(_S.PREPARING),
        _E.UNWANTED: Row(_S.DROPPED, (*_NEVER, _C.UNDO)),
        _E.CONFIRMED: Row(_S.ANNOUNCED, (_C.ANNOUNCE,), when=_F.REQUESTED, otherwise=Row(_S.CONFIRMED)),
        _E.GUARD_PASSED: Row(_S.PASSED),
    },
    _S.PASSED: {
        **_held(_S.PASSED),
        _E.UNWANTED: Row(_S.DROPPED, (*_NEVER, _C.UNDO)),
        _E.CONFIRMED: Row(
            _S.STARTED,
            (_C.ANNOUNCE, _C.LET_OUT),
            when=_F.REQUESTED,
            otherwise=_let_out(_S.OPEN),
        ),
        _E.GUARD_PASSED: Row(_S.PASSED),
    },
    _S.CONFIRMED: {
        **_held(_S.CONFIRMED),
        _E.GUARD_PASSED: _let_out(_S.OPEN),
        _E.KEPT_WAITING: Row(_S.ANNOUNCED, (_C.ANNOUNCE, _C.SAY_FIRST)),
    },
    _S.ANNOUNCED: {
        _E.GUARD_PASSED: _let_out(_S.STARTED),
        _E.MESSAGE_BEGAN: Row(_S.ANNOUNCED, (_C.BEGIN_MESSAGE,)),
        _E.KEPT_WAITING: Row(_S.ANNOUNCED, (_C.SAY_FIRST,)),
        _E.RESTARTED: Row(_S.ANNOUNCED, _AGAIN),
        _E.INTERRUPTED: Row(_S.ENDED, (_C.SILENCE, _C.FORGET, _C.CUT, _C.TELL_END)),
        _E.CRASHED: Row(_S.ENDED, (_C.SILENCE, _C.FORGET, _C.TELL_END)),
    },
    _S.OPEN: {
        _E.GUARD_PASSED: Row(_S.OPEN),
        _E.MESSAGE_BEGAN: Row(_S.MESSAGE, _MESSAGE),
        _E.KEPT_WAITING: Row(_S.STARTED, (_C.ANNOUNCE, _C.SAY_FIRST)),
        _E.BROKEN_OFF: Row(_S.OPEN, (_C.SHUT, _C.RENEW)),
        _E.RESTARTED: Row(_S.OPEN, _AGAIN),
        _E.FINISHED: Row(
            _S.ENDED,
            (_C.START, _C.TELL_END),
            when=_F.TO_TELL,
            otherwise=Row(_S.ENDED, (_C.NOTE_END,)),
        ),
        _E.INTERRUPTED: Row(_S.ENDED, (_C.SILENCE, _C.NOTE_END)),
        _E.CRASHED: Row(_S.ENDED, (_C.SHUT, _C.NOTE_END)),
    },
    _S.STARTED: {
        _E.GUARD_PASSED: Row(_S.STARTED),
        _E.MESSAGE_BEGAN: Row(_S.MESSAGE, (_C.BEGIN_MESSAGE,)),
        _E.KEPT_WAITING: Row(_S.STARTED, (_C.SAY_FIRST,)),
        _E.BROKEN_OFF: Row(_S.STARTED, (_C.SHUT, _C.RENEW)),
        _E.RESTARTED: Row(_S.STARTED, _AGAIN),
        _E.FINISHED: Row(_S.ENDED, (_C.TELL_END,)),
        _E.INTERRUPTED: Row(_S.ENDED, _CUT_SHORT),
        _E.CRASHED: Row(_S.ENDED, (_C.SILENCE, _C.TELL_END)),
    },
    _S.MESSAGE: {
        _E.GUARD_PASSED: Row(_S.MESSAGE),
        _E.KEPT_WAITING: Row(_S.MESSAGE, (_C.SAY_NOW,), when=_F.SILENT, otherwise=Row(_S.MESSAGE)),
        _E.BROKEN_OFF: Row(_S.STARTED, (_C.SHUT, _C.END_MESSAGE, _C.RENEW)),
        _E.FINISHED: Row(_S.ENDED, (_C.TELL_END,)),
        _E.INTERRUPTED: Row(_S.ENDED, _CUT_SHORT),
        _E.CRASHED: Row(_S.ENDED, (_C.SILENCE, _C.TELL_END)),
    },
    _S.ENDED: {
        # Its last sounds are still being played: what was heard of them is known only now.
        _E.INTERRUPTED: Row(_S.ENDED, (_C.SILENCE, _C.CUT)),
    },
    _S.DROPPED: {},
}

_BEFORE = frozenset({_E.UNWANTED, _E.CONFIRMED})

IMPOSSIBLE: dict[LifecycleState, frozenset[LifecycleEvent]] = {
    # Nobody waits for what may not be wanted; and what is held can neither be broken off nor end.
    _S.PREPARING: frozenset({_E.KEPT_WAITING, _E.BROKEN_OFF, _E.FINISHED}),
    _S.PASSED: frozenset({_E.KEPT_WAITING, _E.BROKEN_OFF, _E.FINISHED}),
    # What is wanted is so for good.
    _S.CONFIRMED: _BEFORE | {_E.BROKEN_OFF, _E.FINISHED},
    _S.ANNOUNCED: _BEFORE | {_E.BROKEN_OFF, _E.FINISHED},
    _S.OPEN: _BEFORE,
    _S.STARTED: _BEFORE,
    # A message goes on; what was let out is not taken back, but broken off.
    _S.MESSAGE: _BEFORE | {_E.MESSAGE_BEGAN, _E.RESTARTED},
    _S.ENDED: frozenset(),
    _S.DROPPED: frozenset(),
}
"""What cannot happen in a state: a bug of ours."""

OVER = frozenset({_S.ENDED, _S.DROPPED})
"""States in which whatever else happens is late."""

HELD = frozenset({_S.PREPARING, _S.PASSED, _S.CONFIRMED, _S.ANNOUNCED})
"""States in which nothing leaves its stream."""

UNCONFIRMED = frozenset({_S.PREPARING, _S.PASSED})
"""States in which it is not certain that it is wanted."""

TOLD = frozenset({_S.ANNOUNCED, _S.STARTED, _S.MESSAGE})
"""States in which the client knows of the response, and has not been told of its end."""


class ImpossibleInLifecycle(AssertionError):
    """An event that the table calls impossible in this state: a bug of ours."""


class Lifecycle:
    """The state of one response, by `TABLE`."""

    def __init__(self) -> None:
        self.state = LifecycleState.PREPARING

    def feed(
        self, event: LifecycleEvent, facts: frozenset[LifecycleFact] = frozenset()
    ) -> tuple[LifecycleCommand, ...]:
        """Move on `event` and say what to do. Raises ImpossibleInLifecycle, and then the state has not moved."""
        if event in IMPOSSIBLE[self.state]:
            raise ImpossibleInLifecycle(f"{event!r} in {self.state!r}")
        cell = TABLE[self.state].get(event)
        if cell is None:
            return ()  # it is over
        row = cell.given(facts)
        self.state = row.next
        return row.commands
