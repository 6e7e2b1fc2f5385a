"""Which answers of a run are kept with their sound where not all are: those that were waited for longest. Pure."""

from heapq import heappush, heappushpop
from itertools import count

from server.client.load.calls.turns import Turn
from server.client.load.hearing.answers import HeardAnswer, Keeps


class Slowest:
    """The slowest turns of one process: so many turns of callers who do not keep all that they hear, and no more at a
    time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._numbers = count(0, -1)
        """Of two that were waited for equally long the older one is kept."""
        self._kept: list[tuple[float, int, Turn, HeardAnswer]] = []
        """A heap: first the one that was waited for least."""

    def offer(self, turn: Turn, answer: HeardAnswer) -> None:
        """The turn is answered, and it is known how long that took: all that is heard of it is kept, or nothing."""
        if turn.v2v_ms is None or answer.keeps is not Keeps.BEGINNING:
            return
        answer.keeps = Keeps.ALL
        one = (turn.v2v_ms, next(self._numbers), turn, answer)
        if len(self._kept) < self._most:
            heappush(self._kept, one)
            return
        _, _, least, its_answer = heappushpop(self._kept, one)
        its_answer.keep_nothing()
        least.audio, least.packets = None, []
