"""What waits for an answer while another one is still being played: at most one request of the client's, and one turn.

Pure: `TABLE` is states × happenings → next state and what to do. A request that is accepted has been told of (its
response is created), so it ends in a response that is over, or is refused before: never in nothing. Turns that come
one after the other become one, as the newest is answered with all that was said before it. A turn is settled by the
first answer about the conversation that is let out; until then it waits, whatever becomes of the answer before it.
"""

from enum import StrEnum
from typing import NamedTuple

from server.turntaking.question import Question


class Waiting(StrEnum):
    """Which questions wait for an answer."""

    NOTHING = "nothing"
    TURN = "turn"
    REQUEST = "request"
    BOTH = "both"


class Happening(StrEnum):
    """What happened to the questions that wait."""

    TURN_CAME = "turn came"
    REQUEST_CAME = "request came"
    TAKEN = "taken"
    """The floor is free for the next of them."""
    SILENCED = "silenced"
    """The person took the floor, or the client wants no more answers."""
    ANSWERED = "answered"
    """An answer about the conversation, all turns included, was let out."""


class PendingAction(StrEnum):
    """What to do with what waits."""

    NOTHING = "nothing"
    KEEP_TURN = "keep turn"
    ANNOUNCE = "announce"
    """Keep the request, and tell its client that its response has been created."""
    REFUSE = "refuse"
    """Tell the client that one is waiting already."""
    START_TURN = "start turn"
    START_REQUEST = "start request"
    END_REQUEST = "end request"
    """Tell the client that its response was cancelled."""
    FORGET_TURN = "forget turn"


class PendingRow(NamedTuple):
    """Where a happening leads, and what to do."""

    next: Waiting
    deed: PendingAction = PendingAction.NOTHING


_W, _H, _D = Waiting, Happening, PendingAction

TABLE: dict[Waiting, dict[Happening, PendingRow]] = {
    _W.NOTHING: {
        _H.TURN_CAME: PendingRow(_W.TURN, _D.KEEP_TURN),
        _H.REQUEST_CAME: PendingRow(_W.REQUEST, _D.ANNOUNCE),
        _H.TAKEN: PendingRow(_W.NOTHING),
        _H.SILENCED: PendingRow(_W.NOTHING),
        _H.ANSWERED: PendingRow(_W.NOTHING),
    },
    _W.TURN: {
        _H.TURN_CAME: PendingRow(_W.TURN, _D.KEEP_TURN),
        _H.REQUEST_CAME: PendingRow(_W.BOTH, _D.ANNOUNCE),
        _H.TAKEN: PendingRow(_W.NOTHING, _D.START_TURN),
        _H.SILENCED: PendingRow(_W.TURN),
        _H.ANSWERED: PendingRow(_W.NOTHING, _D.FORGET_TURN),
    },
    _W.REQUEST: {
        _H.TURN_CAME: PendingRow(_W.BOTH, _D.KEEP_TURN),
        _H.REQUEST_CAME: PendingRow(_W.REQUEST, _D.REFUSE),
        _H.TAKEN: PendingRow(_W.NOTHING, _D.START_REQUEST),
        _H.SILENCED: PendingRow(_W.NOTHING, _D.END_REQUEST),
        _H.ANSWERED: PendingRow(_W.REQUEST),
    },
    _W.BOTH: {
        _H.TURN_CAME: PendingRow(_W.BOTH, _D.KEEP_TURN),
        _H.REQUEST_CAME: PendingRow(_W.BOTH, _D.REFUSE),
        # The response to a request about the conversation settles the turn as well; one about other things does not.
        _H.TAKEN: PendingRow(_W.TURN, _D.START_REQUEST),
        _H.SILENCED: PendingRow(_W.TURN, _D.END_REQUEST),
        _H.ANSWERED: PendingRow(_W.REQUEST, _D.FORGET_TURN),
    },
}


class Pending:
    """The questions that wait. What it says is to be done at once, before the next happening."""

    def __init__(self) -> None:
        self.state = Waiting.NOTHING
        self._turn: Question | None = None
        self._request: Question | None = None

    def __bool__(self) -> bool:
        return self.state is not Waiting.NOTHING

    @property
    def request(self) -> Question | None:
        """The request that waits; its client has been told of its response."""
        return self._request

    def came(self, question: Question) -> PendingAction:
        """A question came while another is being answered; a request must have its `response`."""
        if question.response is None:
            deed = self._move(Happening.TURN_CAME)
            self._turn = question
            return deed
        deed = self._move(Happening.REQUEST_CAME)
        if deed is PendingAction.ANNOUNCE:
            self._request = question
        return deed

    def take(self) -> Question | None:
        """The next to be answered, if any waits."""
        deed = self._move(Happening.TAKEN)
        taken = self._request if deed is PendingAction.START_REQUEST else self._turn
        self._forget(deed)
        return taken

    def silence(self) -> Question | None:
        """The request that must be told to have been cancelled, if one waited; turns wait on."""
        request = self._request
        self._forget(self._move(Happening.SILENCED))
        return request

    def answered(self, question: Question) -> None:
        """The answer to `question` was let out."""
        if question.answers_turns:
            self._forget(self._move(Happening.ANSWERED))

    def _move(self, happening: Happening) -> PendingAction:
        self.state, deed = TABLE[self.state][happening]
        return deed

    def _forget(self, deed: PendingAction) -> None:
        if deed in (PendingAction.START_REQUEST, PendingAction.END_REQUEST):
            self._request = None
        elif deed in (PendingAction.START_TURN, PendingAction.FORGET_TURN):
            self._turn = None
