"""What a person's words hold besides their meaning: times, dates, durations, people, names, sums. Pure.

All functions take `plain` text; how people say things is in the script. `asked=True` says that the person was just
asked for this very thing, so that a bare "7" is one. What is not there is None: nothing is guessed.
"""

import re
from collections.abc import Sequence
from datetime import date, time, timedelta

from stages.demo.script import PATTERNS, is_about, read, rewritten
from stages.text.plain import MONTHS

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNIT_S = {"second": 1, "minute": 60, "hour": 3600}
_SPAN = re.compile(r"\b(\d{1,9}(?:\.\d+)?) (second|minute|hour)\b")
_TERM = r"(?:[-(] )*\d+(?:\.\d+)?(?: [%)])*"
_SUM = re.compile(rf"{_TERM}(?: (?:[-+*/^]|of) {_TERM})+")


def find_duration_s(text: str, *, asked: bool = False) -> int | None:
    """Seconds in e.g. "an hour and a half" or "1 minute 30"; when asked for, a bare number is minutes."""
    spans = _SPAN.findall(rewritten("duration", text))
    if not spans and asked and (bare := read("number", text)):
        spans = [(bare, "minute")]
    return round(sum(float(amount) * _UNIT_S[unit] for amount, unit in spans)) or None


def find_times(text: str, *, asked: bool = False) -> Sequence[time]:
    """The time of day in `text`, e.g. "quarter past 7" or "noon"; two where it may be that of morning or evening."""
    text = rewritten("time", text)
    said = read("time", text) or (read("hour", text) if asked else None)
    hour, minute = map(int, said.split(":")) if said else (24, 0)
    if hour > 23 or minute > 59:
        return ()
    if minute < 0:  # "quarter to 1" is written 1:-15, and is 12:45
        hour, minute = (hour - 2) % 12 + 1, minute + 60
    if not 0 < hour <= 12:
        return (time(hour, minute),)
    halves = (0,) if is_about("morning", text) else (12,) if is_about("evening", text) else (0, 12)
    return [time(hour % 12 + half, minute) for half in halves]


def find_date(text: str, today: date) -> date | None:
    """The day in `text` as seen from `today`, e.g. "tomorrow", "next friday", "november 25th"."""
    match (read("date", text) or "").split():
        case "in", count, unit:
            return today + timedelta(days=min(int(count), 1000) * (7 if unit == "week" else 1))
        case "weekday", name, *following:
            ahead = (_WEEKDAYS.index(name) - today.weekday()) % 7
            next_week = following and today.weekday() + ahead < 7  # "next friday", said on a monday
            return today + timedelta(days=ahead + 7 if next_week else ahead)
        case "on", year, month, day:
            first = today if year == "any" else date(int(year), 1, 1)
            year_long = (first + timedelta(days=ahead) for ahead in range(366))
            return next((each for each in year_long if _is_day(each, month, int(day))), None)
        case _:
            return None


def _is_day(each: date, month: str, day: int) -> bool:
    names = ("any", str(each.month), MONTHS[each.month - 1], MONTHS[each.month - 1][:3])
    return each.day == day and month in names


def find_people(text: str, *, asked: bool = False) -> int | None:
    """How many people, e.g. "table for 4", "3 of us", "just me"."""
    people = read("people", text) or (read("whole_number", text) if asked else None)
    return int(people) if people else None


def find_name(text: str, *, asked: bool = False) -> str | None:
    """The name a person gave, capitalised: after "my name is" or "under"; when asked for, all they said."""
    words = (read("name", text) or (rewritten("name", text) if asked else "")).split()
    no_name = PATTERNS["no_name"].fullmatch
    while words and no_name(words[-1]):
        words.pop()
    plausible = 0 < len(words) <= 3 and all(word[0].isalpha() and not no_name(word) for word in words)
    return " ".join(words).title() if plausible else None


def find_sum(text: str) -> str | None:
    """The sum in `text` as the calculator reads it: "12 times 7" is "12 * 7"; at least two numbers."""
    match = _SUM.search(rewritten("sum", text))
    return match[0] if match else None
