"""Identifiers: a readable prefix and 21 characters of chance, as stock clients of the protocol expect."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """`new_id("item")` -> `item_5T1q...`: 21 base-62 characters, 125 bits."""
    return prefix + "_" + "".join(secrets.choice(_ALPHABET) for _ in range(21))
