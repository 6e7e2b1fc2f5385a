"""How long what was sent has waited for the network, from how many bytes still wait. Pure.

The system takes what is sent long before the network does, so a stall of a second shows nowhere but in the count of
bytes that the other side has not acknowledged.
"""

import math
from collections import deque

MAX_REMEMBERED = 64
"""Frames looked back at: some seconds of speech."""

STALL_S = 0.5
"""Audio that has waited so long for the network was held up by it."""


class Line:
    """The network between the server and one client, by what was sent lately."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque(maxlen=MAX_REMEMBERED)
        self._same_stall_until_s = 0.0
        self._oldest_s = -math.inf
        """When the oldest was sent of what waited when it was last looked at; what is older has been taken."""

    def sent(self, size_bytes: int, now: float) -> None:
        """So many bytes were handed to the system at `now`."""
        self._sent.append((now, size_bytes))

    def may_stall(self, now: float) -> bool:
        """Whether anything may have waited for so long: what was sent in order is taken in order, so that the system
        need not be asked for each frame."""
        return now - self._oldest_s >= STALL_S

    def waited_s(self, unsent_bytes: int, now: float) -> float:
        """For how long the oldest of `unsent_bytes` has waited; 0.0 for none."""
        return now - self._oldest(unsent_bytes, now)

    def _oldest(self, unsent_bytes: int, now: float) -> float:
        since = now
        for at, size_bytes in reversed(self._sent):
            if unsent_bytes <= 0:
                break
            unsent_bytes -= size_bytes
            since = at
        return since

    def stalls(self, unsent_bytes: int, now: float) -> bool:
        """Whether a stall has begun: what goes on of one that was told is the same."""
        self._oldest_s = self._oldest(unsent_bytes, now)
        if now - self._oldest_s < STALL_S:
            return False
        is_new = now >= self._same_stall_until_s
        self._same_stall_until_s = now + STALL_S
        return is_new
