"""What a record of a session consists of, in the order of happening, and what it weighs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from server.journal.beyond import ArrivalKind


@dataclass(slots=True)
class Record:
    """One entry. `turn` counts the turns of the loop in which the session did something, the first is 0."""

    turn: int


@dataclass(slots=True)
class Asked(Record):
    """The session began an errand."""

    number: int
    what: str


@dataclass(slots=True)
class Came(Record):
    """Something came of an errand."""

    number: int
    kind: ArrivalKind
    value: Any


@dataclass(slots=True)
class Deed(Record):
    """Something was done to the session from outside."""

    name: str
    arguments: list[Any]


@dataclass(slots=True)
class Told(Record):
    """The session sent a frame; in the file, without its audio (`server.journal.frames`)."""

    wire: int
    frame: str | bytes


@dataclass(slots=True)
class Over(Record):
    """The end, and how it came: `over`, or why there is no more."""

    how: str


@dataclass(slots=True)
class Numbers:
    """The times of some turns, or some scores of the detector: float64."""

    name: str
    data: bytes


@dataclass(slots=True)
class Read:
    """A value that was read at once, from the `count`th time on."""

    key: str
    count: int
    value: Any


@dataclass(slots=True)
class Raised:
    """The `count`th call that was made at once has failed."""

    count: int
    error: Exception


Entry = Record | Numbers | Read | Raised


def weight_bytes(value: Any) -> int:
    """About what a value weighs: what is long in it."""
    match value:
        case str() | bytes():
            return len(value)
        case np.ndarray():
            return int(value.nbytes)
        case list() | tuple():
            return sum(map(weight_bytes, value))
        case _:
            samples = getattr(value, "samples", None)
            return 64 if samples is None else weight_bytes(samples)


def told_bytes(frame: str | bytes) -> int:
    """What a frame that the session sends weighs in the file, where its audio is not kept."""
    return min(len(frame), 512)
