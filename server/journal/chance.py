"""Chance that can be had again: numbers that nobody can guess who does not have the seed. Pure."""

import hashlib
from collections.abc import Callable

SEED_BYTES = 32


def seeded(seed: bytes) -> Callable[[int], int]:
    """`chance(n)`, a number from 0 to below n, as `server.domain.ids.Ids` wants it."""
    drawn = 0

    def chance(below: int) -> int:
        nonlocal drawn
        drawn += 1
        # Twice the bits that are needed: how much likelier the small numbers are does not count.
        size_bytes = below.bit_length() // 4 + 8
        digest = hashlib.shake_256(seed + drawn.to_bytes(8, "little")).digest(size_bytes)
        return int.from_bytes(digest, "little") % below

    return chance
