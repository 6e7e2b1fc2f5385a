"""One thing after the other: what comes while something is being handled waits until that is done."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class InOrder(Generic[Item]):
    """Handles items in the order in which they come, never one within another. Plain calls."""

    def __init__(self, handle: Callable[[Item], None]) -> None:
        self._handle = handle
        self._waiting: deque[Item] = deque()
        """Bounded by what handling one item brings about: empty when nothing is being handled."""
        self._is_handling = False

    @property
    def is_waiting(self) -> bool:
        """Whether something else is to be handled after this."""
        return bool(self._waiting)

    def take(self, item: Item) -> None:
        """Handle it now, and what comes of it; or, while another is being handled, after that.

        Raises what handling raises, once all has been handled.
        """
        self._waiting.append(item)
        if not self._is_handling:
            self._drain()

    def _drain(self) -> None:
        self._is_handling = True
        try:
            while self._waiting:
                self._handle(self._waiting.popleft())
        finally:
            self._is_handling = False
            if self._waiting:
                self._drain()  # one has failed: that is no reason to forget the others
