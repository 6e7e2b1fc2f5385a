"""The live sessions of one process, and whether another may come.

A server that is to stop takes no more of them. Those that there are may go on for a while (`drain`); then they are
told that it is over (`end`).
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import anyio

from server.domain.errors import SessionOver
from server.gateway.door.backstage import Unready
from server.gateway.returns.returning import Returns
from server.session.session import Session

LOOK_S = 0.1
MOST_A_LOOK = 10
"""Sessions that are sent to other nodes between two looks at them: a hundred in a second."""

NEW_S = 3.0
"""As long as that a session is new in which nobody has said or written anything yet: about what passes until then."""

LEAVING_S = 3.0
"""How long it may take to write down, for other nodes, what they were about."""

GOODBYE_S = 5.0
"""How long all sessions together may take to say good-bye."""


class Roster:
    """The live sessions of one process."""

    def __init__(self, max_sessions: int, returns: Returns) -> None:
        self.returns = returns
        """Those of them whose clients may come back."""
        self._max_sessions = max_sessions
        self._sessions: dict[Session, float] = {}
        """With the times at which they began."""
        self._is_draining = False
        self._idle = anyio.Event()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def unready(self) -> Unready | None:
        """Why no session can be opened now; None when one can."""
        if self._is_draining:
            return Unready.DRAINING
        return Unready.FULL if len(self._sessions) >= self._max_sessions else None

    def asking(self) -> int:
        """How many sessions are about to ask the models: somebody speaks, or is about to as they are new."""
        new_since = anyio.current_time() - NEW_S
        return sum(session.asks_soon(is_new=began > new_since) for session, began in self._sessions.items())

    @contextmanager
    def has(self, session: Session) -> Iterator[None]:
        """The session is live within."""
        self._sessions[session] = anyio.current_time()
        try:
            yield
        finally:
            self._sessions.pop(session, None)
            self._idle.set()

    async def drain(self, patience_s: float, *, may_move: Callable[[], bool] | None = None) -> None:
        """Take no more sessions, and return when the last one is over, or patience is. As long as they `may_move` each
        is sent to another node at the end of its turn. Cancel-safe."""
        self._is_draining = True
        with anyio.move_on_after(patience_s) as scope:
            asked = set[Session]()
            while may_move is not None and self._sessions:
                if may_move():
                    self._send_away(asked, scope.deadline - anyio.current_time())
                await anyio.sleep(LOOK_S)
            await self._until_empty()

    def _send_away(self, asked: set[Session], time_left_s: float) -> None:
        """A few at a time: who is sent away comes to the others at once."""
        ready = (session for session in self._sessions.keys() - asked if session.may_leave)
        for session in islice(ready, MOST_A_LOOK):
            session.leave(time_left_s)
            asked.add(session)

    async def end(self, leave_behind: Callable[[], Awaitable[None]] | None = None) -> None:
        """End every session with 1001, but for those that it can `leave_behind` for other nodes, and return when they
        are gone."""
        self._is_draining = True
        if leave_behind is not None:
            with anyio.move_on_after(LEAVING_S, shield=True):
                await leave_behind()
        for session in tuple(self._sessions):
            session.end(SessionOver(1001, "the server is stopping"))
        with anyio.move_on_after(GOODBYE_S, shield=True):
            await self._until_empty()

    async def _until_empty(self) -> None:
        while self._sessions:
            self._idle = anyio.Event()
            await self._idle.wait()
