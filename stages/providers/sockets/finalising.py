"""Which requests to make audio final are still without an answer, and what an answer makes final. Pure."""

from collections import deque
from collections.abc import Iterator

from stages.providers.sockets.hearing import Final, Guess
from stages.providers.sockets.replay import Replay

_NEAR_MS = 100
"""Services round where their text ends; audio without an answer that is shorter has no word in it."""


class Finalising:
    """The requests of one connection, each by the sample up to which it goes."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._asked: deque[int] = deque()
        self._near_samples = _NEAR_MS * replay.rate_hz // 1000

    @property
    def is_waiting(self) -> bool:
        """Whether a request is without an answer."""
        return bool(self._asked)

    def ask(self, end: int) -> bool:
        """Note a request for everything before `end`; False when there is one already."""
        if self._asked and self._asked[-1] >= end:
            return False
        self._asked.append(end)
        return True

    def answered(self, end_s: float | None) -> Iterator[int]:
        """The samples up to which an answer makes audio final. `end_s`: where it says so; None answers one request."""
        if end_s is None:
            if self._asked:
                yield self._asked.popleft()
            return
        reached = self._replay.sample_at(end_s) + self._near_samples
        while self._asked and self._asked[0] <= reached:
            yield self._asked.popleft()

    def forget(self) -> int | None:
        """There is a new connection, or nobody waits: the newest request, which no answer will come to."""
        newest = self._asked[-1] if self._asked else None
        self._asked.clear()
        return newest

    def is_told(self, event: Final | Guess) -> bool:
        """Whether all of its audio was final before, as when a service answers twice."""
        end_s = event.end_s if isinstance(event, Final) else None
        return end_s is not None and self._replay.sample_at(end_s) <= self._replay.settled_sample

    def is_nearly_final(self, end: int) -> bool:
        """Whether what is missing before `end` is too short for a word."""
        return end - self._replay.settled_sample <= self._near_samples
