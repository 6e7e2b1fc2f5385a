"""What a person's words hold besides their meaning: times, dates, durations, people, names, yes and no. Pure.

All functions take `plain` text. `asked=True` says that the person was just asked for this very thing, so that
a bare "7" is one. What is not there is None: nothing is guessed.
"""

import re
from dataclasses import dataclass
from datetime import date, time, timedelta

from stages.text.plain import MONTHS

# --- durations ------------------------------------------------------------------------------------------

_UNIT_S = {"s": 1, "m": 60, "h": 3600}
_SPAN = re.compile(
    r"\b(?:(?P<number>\d+(?:\.\d+)?|an?)(?P<half_before> and a half)?|(?P<half>half)(?: an?)?"
    r"|(?:a )?(?P<quarter>quarter)(?: of)?(?: an?)?) "
    r"(?P<unit>s(?:ec(?:ond)?)?s?|m(?:in(?:ute)?)?s?|h(?:(?:ou)?r)?s?)\b"
    r"(?P<half_after> and a half\b)?(?: (?P<rest>\d+)$)?"
)


def find_duration_s(text: str, *, asked: bool = False) -> int | None:
    """Seconds in e.g. "an hour and a half" or "1 minute 30"; when asked for, a bare number is minutes."""
    total = 0.0
    for span in _SPAN.finditer(text):
        unit_s = _UNIT_S[span["unit"][0]]
        amount = 0.5 if span["half"] else 0.25 if span["quarter"] else _number(span["number"])
        if span["half_before"] or span["half_after"]:
            amount += 0.5
        total += amount * unit_s + int(span["rest"] or 0) * unit_s / 60  # "1 minute 30" is 30 seconds more
    if not total and asked and (bare := re.search(r"\b\d+(?:\.\d+)?\b", text)):
        total = float(bare[0]) * 60
    return round(total) or None


def _number(digits: str) -> float:
    return float(digits) if digits[0].isdigit() else 1.0


# --- times of day ---------------------------------------------------------------------------------------

_NO_PEOPLE = r"(?! (?:people|persons?|guests|adults|of us|minutes?|hours?|seconds?|days|%))"
_CLOCKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?P<hour>\d{1,2})[:.](?P<minute>[0-5]\d)\b",
        r"\b(?P<minutes>half|quarter|\d{1,2})(?: minutes?)? (?P<side>past|after|to|till|before) "
        r"(?P<hour>\d{1,2})\b",
        rf"\b(?P<hour>\d{{1,2}}) (?P<minute>[0-5]\d)\b{_NO_PEOPLE}",
        r"\b(?P<hour>\d{1,2})(?P<minute>[0-5]\d)(?= (?:am|pm)\b)",
        r"\bat (?P<hour>\d{1,2})(?P<minute>[0-5]\d)\b",
        r"\b(?P<hour>\d{1,2}) (?:o'?clock\b|o clock\b|(?=am\b|pm\b|in the|at night|tonight))",
        rf"\b(?:at|around|about|make it) (?P<hour>\d{{1,2}})\b{_NO_PEOPLE}",
    )
)
_BARE_HOUR = re.compile(r"\b(?P<hour>\d{1,2})\b")
_MORNING = re.compile(r"\b(?:am|in the morning|this morning)\b")
_EVENING = re.compile(r"\b(?:pm|in the (?:afternoon|evening)|at night|tonight|this (?:afternoon|evening))\b")


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A time as it was said; `certain` if it cannot be meant twelve hours earlier or later."""

    at: time
    certain: bool

    def within(self, opens: time, closes: time) -> time:
        """Of its two readings the one in opening hours, if there is just one; otherwise as it was said."""
        other = self.at.replace(hour=(self.at.hour + 12) % 24)
        fits = not self.certain and opens <= other <= closes and not opens <= self.at <= closes
        return other if fits else self.at


def find_time(text: str, *, asked: bool = False) -> ClockTime | None:
    """The time of day in `text`, e.g. "quarter past 7", "7 30 pm", "19:30", "noon", "at 7"."""
    text = re.sub(r"\b(?:12 )?(?:noon|midday)\b", "12 pm", re.sub(r"\b(?:12 )?midnight\b", "12 am", text))
    patterns = (*_CLOCKS, _BARE_HOUR) if asked else _CLOCKS
    match = next((match for pattern in patterns if (match := pattern.search(text))), None)
    if match is None:
        return None
    hour, minute = _hour_and_minute(match.groupdict())
    if hour > 23 or minute > 59:
        return None
    if hour == 0 or hour > 12:
        return ClockTime(time(hour, minute), certain=True)
    if _MORNING.search(text) or _EVENING.search(text):
        return ClockTime(time(hour % 12 + (0 if _MORNING.search(text) else 12), minute), certain=True)
    return ClockTime(time(hour, minute), certain=False)


def _hour_and_minute(said: dict[str, str | None]) -> tuple[int, int]:
    hour = int(said["hour"] or 0)
    if minutes := said.get("minutes"):
        away = {"half": 30, "quarter": 15}.get(minutes) or int(minutes)
        of_day = hour * 60 + (away if said["side"] in ("past", "after") else -away)
        return (of_day // 60 - 1) % 12 + 1, of_day % 60  # "quarter to 1" is 12:45
    return hour, int(said.get("minute") or 0)


# --- dates ----------------------------------------------------------------------------------------------

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = "|".join(f"{month}|{month[:3]}" for month in MONTHS)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?P<year>\d{4})-(?P<number>\d\d)-(?P<day>\d\d)\b",
        rf"\b(?P<month>{_MONTH}) (?:the )?{_DAY}\b",
        rf"\b{_DAY} (?:of )?(?P<month>{_MONTH})\b",
        r"\b(?P<number>\d{1,2}) / (?P<day>\d{1,2})\b",
        r"\bthe (?P<day>\d{1,2})(?:st|nd|rd|th)\b(?! 1\b)",
    )
)
_DAYS_AHEAD = {"today": 0, "tonight": 0, "this evening": 0, "this afternoon": 0, "tomorrow": 1}
_IN_DAYS = re.compile(
    r"\bin (?P<count>\d+|an?) (?P<unit>day|week)s?\b|\b(?P<later>a week) from (?:today|now)\b"
)


def find_date(text: str, today: date) -> date | None:
    """The day in `text` as seen from `today`, e.g. "tomorrow", "next friday", "november 25th"."""
    if re.search(r"\bday after tomorrow\b", text):
        return today + timedelta(days=2)
    if match := _IN_DAYS.search(text):
        count = int(match["count"]) if (match["count"] or "").isdigit() else 1
        return today + timedelta(days=min(count, 1000) * (1 if match["unit"] == "day" else 7))
    for words, days in _DAYS_AHEAD.items():
        if re.search(rf"\b{words}\b", text):
            return today + timedelta(days=days)
    return _find_calendar_date(text, today) or _find_weekday(text, today)


def _find_weekday(text: str, today: date) -> date | None:
    match = re.search(rf"\b(?P<next>next )?(?P<day>{'|'.join(_WEEKDAYS)})s?\b", text)
    if match is None:
        return None
    ahead = (_WEEKDAYS.index(match["day"]) - today.weekday()) % 7
    next_week = match["next"] and today.weekday() + ahead < 7  # "next friday", said on a monday
    return today + timedelta(days=ahead + 7 if next_week else ahead)


def _find_calendar_date(text: str, today: date) -> date | None:
    match = next((match for pattern in _DATES if (match := pattern.search(text))), None)
    if match is None:
        return None
    said = match.groupdict()
    day, year = int(match["day"]), said.get("year")
    try:
        if year:
            return date(int(year), int(match["number"]), day)
        if name := said.get("month"):
            month = next(number for number, full in enumerate(MONTHS, start=1) if full.startswith(name))
            return _next_occurrence(today, month, day)
        if said.get("number"):
            return _next_occurrence(today, int(match["number"]), day)
        return _next_day_of_month(today, day)
    except ValueError:  # there is no such day
        return None


def _next_occurrence(today: date, month: int, day: int) -> date:
    this_year = date(today.year, month, day)
    return this_year if this_year >= today else date(today.year + 1, month, day)


def _next_day_of_month(today: date, day: int) -> date:
    if day >= today.day:
        return today.replace(day=day)
    return (today.replace(day=1) + timedelta(days=31)).replace(day=day)


# --- people and names -----------------------------------------------------------------------------------

_PEOPLE = (
    re.compile(r"\b(\d+) (?:people|persons?|guests?|adults|of us|friends and me|seats)\b"),
    re.compile(r"\b(?:table|party|group|booking|reservation) (?:for|of) (\d+)\b(?! ?(?:am|pm|:|o'?clock))"),
    re.compile(r"\bfor (\d+)\b(?!:| (?:am|pm|o'?clock|minutes?|hours?|seconds?|[0-5]\d\b))"),
)
_TWO = re.compile(
    r"\b(?:me and my|my) (?:wife|husband|partner|girlfriend|boyfriend|friend|date)(?: and (?:i|me))?\b"
    r"|\ba couple\b"
)
_FILLER = (
    r"(?:uh|um|er|oh|well|so|yes|yeah|sure|okay|ok|and|it's|it is|its|is|that's|that is|that would be|this is"
    r"|i'm|i am|my name's|my name is|the name's|the name is|name is|name|call me|put it|book it|under|for|on"
    r"|of|the|just|please)"
)
_FILLERS = re.compile(rf"^(?:{_FILLER} )*{_FILLER}?$|^(?:{_FILLER} )+|(?: {_FILLER})+$")
_NAMED = re.compile(
    r"\b(?:(?:my|the) name(?:'s| is)|under (?:the )?name(?: of)?|in the name of|name of|call me|under)"
    r" (?P<name>[^\W\d_]+(?:'[^\W\d_]+)?(?: [^\W\d_]+(?:'[^\W\d_]+)?)?)"
)
_NOT_A_NAME = re.compile(
    r"a|an|the|for|at|on|in|to|of|and|or|with|please|thanks?|today|tomorrow|tonight|my|me|i|it|is|be|that|this"
    r"|no|not|yes|people|table|book|want|would|like|what|what's|when|where|why|how|who|you|can|could|do|i'm"
    r"|don't|know|sure|okay|never|mind|cancel|stop|day|next|after|noon|midnight|half|quarter|past|hello|hi|help"
    rf"|{'|'.join(_WEEKDAYS)}"
)


def find_people(text: str, *, asked: bool = False) -> int | None:
    """How many people, e.g. "table for 4", "3 of us", "just me"."""
    if re.search(r"\b(?:just me|only me|myself|by myself|alone)\b", text):
        return 1
    if _TWO.search(text):
        return 2
    match = next((match for pattern in _PEOPLE if (match := pattern.search(text))), None)
    if match is None and asked:
        match = re.search(r"\b(\d+)\b", text)
    return int(match[1]) if match else None


def find_name(text: str, *, asked: bool = False) -> str | None:
    """The name a person gave, capitalised: after "my name is" or "under"; when asked for, all they said."""
    if match := _NAMED.search(text):
        words = match["name"].split()
    elif asked:
        words = _FILLERS.sub("", text).split()
    else:
        return None
    while words and _NOT_A_NAME.fullmatch(words[-1]):
        words.pop()
    if not 0 < len(words) <= 3:
        return None
    plausible = all(word[0].isalpha() and not _NOT_A_NAME.fullmatch(word) for word in words)
    return " ".join(words).title() if plausible else None


# --- sums -----------------------------------------------------------------------------------------------

_SPOKEN_SUMS = (
    (r"\badd (\S+) (?:and|to|with) (\S+)", r"\1 + \2"),
    (r"\bsubtract (\S+) from (\S+)", r"\2 - \1"),
    (r"\bmultiply (\S+) (?:by|with|and) (\S+)", r"\1 * \2"),
    (r"\bdivide (\S+) by (\S+)", r"\1 / \2"),
    (r"\b(?:the )?sum of (\S+) and (\S+)", r"\1 + \2"),
    (r"\b(?:the )?(?:square )?root of (\S+)", r"\1 ^ 0.5"),
    (r"\bhalf of (?=\d)", "0.5 * "),
    (r"\b(?:double|twice) (?=\d)", "2 * "),
    (r"\b(?:multiplied by|times|x)\b|×", "*"),
    (r"\b(?:divided by|over)\b|÷", "/"),
    (r"\b(?:to the power(?: of)?|raised to)\b", "^"),
    (r"\bplus\b|\band (?=\d+ (?:is|equals|make)\b)", "+"),
    (r"\bminus\b|−", "-"),
    (r"\bsquared\b", "^ 2"),
    (r"\bcubed\b", "^ 3"),
    (r"\bpercent\b", "%"),
)  # fmt: skip
_TERM = r"(?:[-(] )*\d+(?:\.\d+)?(?: [%)])*"
_SUM = re.compile(rf"{_TERM}(?: (?:[-+*/^]|of) {_TERM})+")


def find_sum(text: str) -> str | None:
    """The sum in `text` as the calculator reads it: "12 times 7" is "12 * 7"; at least two numbers."""
    for pattern, written in _SPOKEN_SUMS:
        text = re.sub(pattern, written, text)
    match = _SUM.search(text)
    return match[0] if match else None
