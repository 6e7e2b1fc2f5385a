"""Identifiers: a readable prefix and 21 characters of chance, as stock clients of the protocol expect."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21
_COUNT = len(_ALPHABET) ** _LENGTH


def new_id(prefix: str) -> str:
    """`new_id("item")` -> `item_5T1q...`: 21 base-62 characters, 125 bits."""
    # One look at the system's source of chance, which costs a call into the kernel, and not one a character.
    rest, characters = secrets.randbelow(_COUNT), [prefix, "_"]
    for _ in range(_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)
