"""What a person's words hold besides their meaning, as the tools want it: the slots of the script's tasks. Pure.

All functions take `plain` text, and `asked` as those of `stages.text.spoken_values`; how people say things is in the
script. What is not there is None: nothing is guessed.
"""

import re
from collections.abc import Container
from datetime import datetime
from typing import Any

from stages.demo.script import WORDING
from stages.text.spoken_values import find_date, find_duration_s, find_number, find_times, seconds_until

_OPEN_HOURS = range(12, 23)
"""In these a time like "7" is meant when a table is wanted."""

_TERM = r"(?:[-(] )*\d+(?:\.\d+)?(?: [%)])*"
_SUM = re.compile(rf"{_TERM}(?: (?:[-+*/^]|of) {_TERM})+")


def heard_slots(slots: Container[str], text: str, asked: str, now: datetime) -> dict[str, Any]:
    """What is said of `slots`, as the tools have it; `asked` is the one that the person was asked for."""
    times = find_times(text, asked=asked in ("time", "moment"))
    at = next((at for at in times if at.hour in _OPEN_HOURS), next(iter(times), None))
    day = find_date(text, now.date())
    heard = {
        "people": find_people(text, asked=asked == "people"),
        "date": day and day.isoformat(),
        "time": at and f"{at:%H:%M}",
        "name": find_name(text, asked=asked == "name"),
        "seconds": find_duration_s(text, asked=asked == "seconds") or seconds_until(times, now),
        "label": (WORDING.read("label", text) or "")[:80],
        "expression": find_sum(text),
    }
    return {slot: value for slot, value in heard.items() if value and slot in slots}


def find_people(text: str, *, asked: bool = False) -> int | None:
    """How many people, e.g. "table for 4", "3 of us", "just me"."""
    people = WORDING.read("people", text)
    return int(people) if people else find_number(text) if asked else None


def find_name(text: str, *, asked: bool = False) -> str | None:
    """The name a person gave, capitalised: after "my name is" or "under"; when asked for, all they said."""
    words = (WORDING.read("name", text) or (WORDING.rewritten("name", text) if asked else "")).split()
    no_name = WORDING.patterns["no_name"].fullmatch
    while words and no_name(words[-1]):
        words.pop()
    plausible = 0 < len(words) <= 3 and all(word[0].isalpha() and not no_name(word) for word in words)
    return " ".join(words).title() if plausible else None


def find_sum(text: str) -> str | None:
    """The sum in `text` as the calculator reads it: "12 times 7" is "12 * 7"; at least two numbers."""
    match = _SUM.search(WORDING.rewritten("sum", text))
    return match[0] if match else None
