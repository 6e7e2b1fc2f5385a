"""Identifiers: a readable prefix and 21 characters of chance, as stock clients of the protocol expect."""

import secrets
import string
from collections.abc import Callable

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21
_COUNT = len(_ALPHABET) ** _LENGTH


class Ids:
    """Where the ids of one session come from; by the same chance come the same ids."""

    def __init__(self, chance: Callable[[int], int] = secrets.randbelow) -> None:
        """`chance(n)` is a number from 0 to below n; without it nobody can guess one."""
        self._chance = chance
        self.told = 0
        """How many events have an id."""

    def new(self, prefix: str) -> str:
        """`new("item")` -> `item_5T1q...`: 21 base-62 characters, 125 bits."""
        # One look at the system's source of chance, which costs a call into the kernel, and not one a character.
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
