"""Whether a session said the same again: the first difference, with what is around it. Pure."""

from collections.abc import Sequence
from itertools import zip_longest

from server.journal.records import Asked, Told

NEIGHBOURS = 5
"""Lines that are shown before a difference."""
_MAX_CHARS = 400


def first_difference(then: Sequence[Told], now: Sequence[Told], times_s: Sequence[float]) -> list[str]:
    """What to print of it; nothing if there is none. `times_s` are the times of the turns."""
    pairs = enumerate(zip_longest(then, now))
    place, was, one = next(((n, was, one) for n, (was, one) in pairs if was != one), (-1, None, None))
    if place < 0:
        return []
    lines = [f"the session differs from its recording at what it said as number {place + 1}:"]
    lines += [f"      {_line(told, times_s)}" for told in then[max(0, place - NEIGHBOURS) : place]]
    lines.append(f"then  {_line(was, times_s)}")
    lines.append(f"now   {_line(one, times_s)}")
    return lines


def first_other_errand(then: Sequence[Asked], now: Sequence[Asked], times_s: Sequence[float]) -> str:
    """What the session asked for that it did not ask for then; often the reason. Empty if there is nothing."""
    for was, one in zip_longest(then, now):
        if was != one:
            return f"before or after, it asked for {_errand(one, times_s)}; then for {_errand(was, times_s)}"
    return ""


def _line(told: Told | None, times_s: Sequence[float]) -> str:
    if told is None:
        return "nothing more"
    frame = str(told.frame)
    shown = frame if len(frame) <= _MAX_CHARS else f"{frame[:_MAX_CHARS]}… ({len(frame)} characters)"
    return f"{seconds(told.turn, times_s):8.3f} s  {shown}"


def _errand(asked: Asked | None, times_s: Sequence[float]) -> str:
    return "nothing more" if asked is None else f"{asked.what!r} at {seconds(asked.turn, times_s):.3f} s"


def seconds(turn: int, times_s: Sequence[float]) -> float:
    """A time as seconds since the session began."""
    if not times_s:
        return 0.0
    return times_s[min(max(turn, 0), len(times_s) - 1)] - times_s[0]
