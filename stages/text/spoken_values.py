"""Times, dates, durations and numbers out of what people say: the other way round than `phrases`. English. Pure.

All functions take `stages.text.plain` text. `asked=True` says that the person was just asked for this very thing, so
that a bare "7" is one. What is not there is None: nothing is guessed.
"""

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from stages.text.plain import MONTHS
from stages.text.wording import Wording

_WORDING = Wording(tomllib.loads(Path(__file__).with_name("spoken_values.toml").read_text("utf-8")))
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNIT_S = {"second": 1, "minute": 60, "hour": 3600}
_SPAN = re.compile(r"\b(\d{1,9}(?:\.\d+)?) (second|minute|hour)\b")


def find_number(text: str) -> int | None:
    """The first whole number in `text`."""
    number = _WORDING.read("whole_number", text)
    return int(number) if number else None


def find_duration_s(text: str, *, asked: bool = False) -> int | None:
    """Seconds in e.g. "an hour and a half" or "1 minute 30"; when asked for, a bare number is minutes."""
    spans = _SPAN.findall(_WORDING.rewritten("duration", text))
    if not spans and asked and (bare := _WORDING.read("number", text)):
        spans = [(bare, "minute")]
    return round(sum(float(amount) * _UNIT_S[unit] for amount, unit in spans)) or None


def find_times(text: str, *, asked: bool = False) -> Sequence[time]:
    """The time of day in `text`, e.g. "quarter past 7" or "noon"; two where it may be that of morning or evening."""
    text = _WORDING.rewritten("time", text)
    said = _WORDING.read("time", text) or (_WORDING.read("hour", text) if asked else None)
    hour, minute = map(int, said.split(":")) if said else (24, 0)
    if hour > 23 or minute > 59:
        return ()
    if minute < 0:  # "quarter to 1" is written 1:-15, and is 12:45
        hour, minute = (hour - 2) % 12 + 1, minute + 60
    if not 0 < hour <= 12:
        return (time(hour, minute),)
    halves = (
        (0,)
        if _WORDING.is_about("morning", text)
        else (12,)
        if _WORDING.is_about("evening", text)
        else (0, 12)
    )
    return [time(hour % 12 + half, minute) for half in halves]


def find_date(text: str, today: date) -> date | None:
    """The day in `text` as seen from `today`, e.g. "tomorrow", "next friday", "november 25th"."""
    match (_WORDING.read("date", text) or "").split():
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


def seconds_until(times: Sequence[time], now: datetime) -> int | None:
    """Seconds to the next time that a clock shows what was said."""
    today = [now.replace(hour=at.hour, minute=at.minute, second=0) for at in times]
    ahead = [moment if moment > now else moment + timedelta(days=1) for moment in today]
    return round((min(ahead) - now).total_seconds()) if ahead else None
