"""Identifiers: a readable prefix and 21 characters of chance, as stock clients of the protocol expect."""

import os
import string
import threading
from collections.abc import Callable

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21
_COUNT = len(_ALPHABET) ** _LENGTH


class Letters:
    """Letters and digits that nobody can guess, from the system's source of chance: of one look at it, which is a call
    into the kernel, many are made. From any thread."""

    _OF_BYTES = (_ALPHABET * 5)[:256].encode()
    _UNEVEN = bytes(range(len(_ALPHABET) * 4, 256))
    """Bytes that would make some letters more frequent than others."""

    def __init__(self) -> None:
        self._waiting = ""
        self._lock = threading.Lock()

    def take(self, count: int) -> str:
        """The next ones; nobody gets them again."""
        with self._lock:
            while len(self._waiting) < count:
                self._waiting += os.urandom(1024).translate(self._OF_BYTES, self._UNEVEN).decode("ascii")
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


_LETTERS = Letters()


class Ids:
    """Where the ids of one session come from; by the same chance come the same ids."""

    def __init__(self, chance: Callable[[int], int] | None = None) -> None:
        """`chance(n)` is a number from 0 to below n; without it nobody can guess one."""
        self._chance = chance
        self.told = 0
        """How many events have an id."""

    def new(self, prefix: str) -> str:
        """`new("item")` -> `item_5T1q...`: 21 base-62 characters, 125 bits."""
        if self._chance is None:
            return f"{prefix}_{_LETTERS.take(_LENGTH)}"
        rest, characters = self._chance(_COUNT), [prefix, "_"]
        for _ in range(_LENGTH):
            rest, digit = divmod(rest, len(_ALPHABET))
            characters.append(_ALPHABET[digit])
        return "".join(characters)

    def new_event(self) -> str:
        """The id of the next thing that a client of the session is told: `event_1`, `event_2`, and so on."""
        self.told += 1
        return f"event_{self.told}"


new_id = Ids().new
"""For what belongs to no session."""
