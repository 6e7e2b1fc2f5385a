"""Times, dates and durations as people say them, in the spelling that a voice reads well. Pure."""

from collections.abc import Sequence
from datetime import date, time


def say_time(at: time) -> str:
    """ "7 pm", "7:30 pm", "noon", "midnight"."""
    if at.minute == 0 and at.hour in (0, 12):
        return "noon" if at.hour else "midnight"
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes} {'pm' if at.hour >= 12 else 'am'}"


def say_date(day: date, today: date) -> str:
    """ "today", "tomorrow", "on Friday" within a week, "on Friday, December 4th" beyond."""
    ahead = (day - today).days
    if ahead in (0, 1):
        return "tomorrow" if ahead else "today"
    return f"on {day:%A}" if 1 < ahead < 7 else f"on {day:%A}, {say_calendar_date(day)}"


def say_calendar_date(day: date) -> str:
    """ "December 4th"."""
    suffix = "th" if day.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{day:%B} {day.day}{suffix}"


def say_duration(seconds: float) -> str:
    """ "20 seconds", "5 minutes", "1 hour and 30 minutes"; whole seconds, and none of them beyond an hour."""
    whole = max(round(seconds), 0)
    if whole > 3600:
        whole = round(whole / 60) * 60
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [
        _counted(count, unit)
        for count, unit in ((hours, "hour"), (minutes, "minute"), (secs, "second"))
        if count
    ]
    return say_list(parts) or "no time"


def say_list(parts: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
