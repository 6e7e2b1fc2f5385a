"""What many sessions do at once, spread over turns of the loop, so that nobody else waits for all of them.

A model and a voice that are faster than the person hears give work without end, and twenty sessions that each do a
little of it make a long turn of the loop. So every token, every stretch of speech and every few events that leave are a
*step*, and only so many steps are taken in a turn; whoever comes after them goes first in the next.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial


class LoopShare:
    """Spreads the steps of one kind of work in one process over turns of the loop."""

    def __init__(self, steps_a_turn: int) -> None:
        self._steps_a_turn = steps_a_turn
        self._left = steps_a_turn
        self._waiting: deque[Callable[[], bool]] = deque()
        """Each takes its step, and says whether it was one."""
        self._renewal: asyncio.Handle | None = None

    async def step(self) -> None:
        """Return when it is this step's turn: at once as long as few are taken. Cancel-safe."""
        self._expect_renewal()
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(partial(_wake, turn))
        await turn

    def later(self, go_on: Callable[[], None]) -> None:
        """Call when it is its turn, and not before another turn of the loop."""
        self._waiting.append(partial(_call, go_on))
        self._expect_renewal()

    def _expect_renewal(self) -> None:
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        """Another turn of the loop has begun."""
        self._left = self._steps_a_turn
        for _ in range(len(self._waiting)):  # and not who comes by what is called here
            if not self._left:
                break
            self._left -= self._waiting.popleft()()
        self._renewal = None
        if self._waiting or self._left < self._steps_a_turn:
            self._expect_renewal()


def _wake(turn: asyncio.Future[None]) -> bool:
    if turn.done():  # who waited has been cancelled
        return False
    turn.set_result(None)
    return True


def _call(go_on: Callable[[], None]) -> bool:
    go_on()
    return True
