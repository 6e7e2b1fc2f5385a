"""Dates and times of day, as people say them."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.quantities import Quantities
from stages.text.rules.rule import DIGIT, Rule, alternatives, before, rule

_HALF = r"(?P<half>[AaPp])\.?\s?[Mm](?![\w])(?:\.(?=\s+[a-z\d]|[,;:!?)–-]))?"
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Sept": 9, "Oct": 10, "Nov": 11,
    "Dec": 12,
}  # fmt: skip
_AT = frozenset(
    ("at", "by", "until", "till", "since", "um", "bis", "à", "las", "la", "le", "alle", "dalle", "ore")
)
_DECADE = "the|his|her|their|my|your|our|mid|early|late|in"


class _Dates:
    def __init__(self, language: Language) -> None:
        self._language = language

    def date(self, match: re.Match[str]) -> str:
        """A day, its month, and the year if there is one; what is no date is left as it is."""
        found = match.groupdict()
        month, day = found["month"], int(found["day"])
        number = int(month) if month.isdigit() else self._month(month)
        if month.isdigit() and number > 12 >= day and found.get("swap") is not None:
            number, day = day, number
        if not (1 <= number <= 12 and 1 <= day <= 31):
            return self._parts(match)
        said = self._language.day(day, self._language.months[number - 1], before(match))
        year = found.get("year")
        if not year:
            return said
        whole = int(year) if len(year) == 4 else 2000 + int(year) - (100 if int(year) > 50 else 0)
        time_follows = ", " if match[0].endswith("T") else ""
        return said + self._language.year_joint + self._year(whole) + time_follows

    def _parts(self, match: re.Match[str]) -> str:
        numbers = (self._language.cardinal(int(part)) for part in re.findall(r"\d+", match[0]))
        return f" {self._language.words['slash']} ".join(numbers)

    def _year(self, number: int) -> str:
        return self._language.year(number) if 1100 <= number < 3000 else self._language.cardinal(number)

    def _month(self, name: str) -> int:
        name = name.rstrip(".")
        months = [month.casefold() for month in self._language.months]
        return months.index(name.casefold()) + 1 if name.casefold() in months else _MONTHS[name]

    def named_day(self, match: re.Match[str]) -> str:
        """ "on Sun"."""
        return match["front"] + _DAYS[match["day"]]

    def named_month(self, match: re.Match[str]) -> str:
        """ "in Jan"."""
        return match["front"] + self._language.months[_MONTHS[match["month"]] - 1]

    def short_month(self, match: re.Match[str]) -> str:
        """ "Nov."."""
        return self._language.months[_MONTHS[match[0].rstrip(".")] - 1]

    def day_first(self, match: re.Match[str]) -> str:
        """ "3 May 2026"."""
        if self._language.code != "en":
            return self.date(match)
        month = self._language.months[self._month(match["month"]) - 1]
        the = "" if match.string[max(match.start() - 4, 0) : match.start()].casefold() == "the " else "the "
        year = f" {self._year(int(match['year']))}" if match["year"] else ""
        return f"{the}{self._language.ordinal(int(match['day']))} of {month}{year}"

    def clock(self, match: re.Match[str]) -> str:
        """A time with its half of the day, or without; how long something takes, where it has seconds: "1:02:03"."""
        is_time = match[0][-1].isalpha() or len(match["hour"]) > 1 or before(match).casefold() in _AT
        if match.groupdict().get("second") and not is_time:
            return _duration(self._language, match)
        hour, minute, half = int(match["hour"]), int(match["minute"] or 0), match["half"]
        if hour > 24 or minute > 59:
            return f"{self._language.cardinal(hour)} {self._language.cardinal(minute)}"
        if self._language.code != "en":
            return self._language.clock(hour, minute)
        if half is None:
            if hour > 12 or match["hour"] == "00":
                return self._language.clock(hour % 24, minute)
            return self._hour(hour, minute) + ("" if minute else " o'clock")
        return f"{self._hour(hour % 12 or 12, minute)} {half.upper()}M"

    def _hour(self, hour: int, minute: int) -> str:
        minutes = f" {'oh ' if minute < 10 else ''}{self._language.cardinal(minute)}" if minute else ""
        return self._language.cardinal(hour) + minutes

    def hours(self, match: re.Match[str]) -> str:
        """ "9-5pm"."""
        return f"{self._hour(int(match['from']), int(match['past'] or 0))} to "

    def decade(self, match: re.Match[str]) -> str:
        """ "1990s", "the '90s"."""
        tens = self._language.cardinal(int(match["tens"]))
        tens = f"{tens[:-1]}ies" if tens.endswith("y") else f"{tens}s" if tens != "zero" else "hundreds"
        century = f"{self._language.cardinal(int(match['century']))} " if match["century"] else ""
        return "two thousands" if match[0].startswith("2000") else century + tens

    def decade_or_seconds(self, match: re.Match[str]) -> str:
        """ "in his 30s", "wait 30s"."""
        if re.search(rf"(?<!\w)(?:{_DECADE})[ -]$", match.string[max(match.start() - 7, 0) : match.start()]):
            return self.decade(match)
        return f"{self._language.cardinal(int(match['tens']))} {self._language.units['s'][1]}"

    def preceded(self, match: re.Match[str]) -> str:
        """ "on 11/22"."""
        return f"{match['what']} {self.date(match)}"


def _duration(language: Language, match: re.Match[str]) -> str:
    """ "one hour two minutes three seconds"."""
    say = Quantities(language).measure
    parts = zip(("hour", "minute", "second"), ("h", "min", "s"), strict=True)
    said = " ".join(say(str(int(match[part])), unit) for part, unit in parts if int(match[part]))
    return said or say("0", "s")


def rules(language: Language) -> Iterator[Rule]:
    """In the order of `language`: English has the month first where only numbers stand."""
    say, year = _Dates(language), r"(?P<year>\d{4}|\d{2})"
    names = [*language.months, *(_MONTHS if language.code == "en" else ())]
    months = rf"(?P<month>{alternatives(names)})"
    day = r"(?P<day>\d{1,2})"
    yield rule(
        r"(?<![\d.-])(?P<year>\d{4})-(?P<month>0\d|1[0-2])-(?P<day>[0-3]\d)(?!\d)(?:T(?=\d))?", say.date, "-"
    )
    if language.code == "en":
        yield rule(rf"(?<![\d/])(?P<swap>)(?P<month>\d{{1,2}})/{day}/{year}(?![\d/])", say.date, "/")
        yield rule(
            r"(?<![\d.])(?P<day>[0-3]?\d)\.(?P<month>1[0-2]|0?[1-9])\.(?P<year>(?:19|20)\d\d)(?![\d.]*\d)",
            say.date,
            ".",
        )
        yield rule(
            rf"\b(?P<what>[Oo]n|[Bb]y|[Ss]ince|[Uu]ntil|[Bb]efore|[Aa]fter) (?P<month>\d{{1,2}})/{day}(?![\d/])",
            say.preceded,
            "/",
        )
        yield rule(
            rf"(?<!\w){months}\.? {day}(?:st|nd|rd|th)?(?![\w:%]|[.,/]\d)(?:,? (?P<year>\d{{4}})(?![\w%]))?",
            say.date,
            DIGIT,
        )
        yield rule(
            rf"(?<![\w.,:/-]){day}(?:st|nd|rd|th)? (?:of )?{months}(?!\w)(?:\.(?= [a-z\d]))?"
            r"(?:,? (?P<year>\d{4})(?!\w))?",
            say.day_first,
            DIGIT,
        )
        yield from _english(say)
    else:
        yield from _day_first(language, say, months, day, year)


def _day_first(language: Language, say: _Dates, months: str, day: str, year: str) -> Iterator[Rule]:
    """Dates and times of languages with a twenty-four-hour clock."""
    yield rule(rf"(?<![\d/.])(?P<swap>){day}[/.](?P<month>\d{{1,2}})[/.]{year}(?![\d/]|\.\d)", say.date, "/.")
    yield rule(rf"(?<![\d/.-]){day}-(?P<month>\d{{1,2}})-(?P<year>(?:19|20)\d\d)(?![\d-])", say.date, "-")
    if language.code == "de":
        yield rule(rf"(?<![\d/.]){day}\.(?P<month>1[0-2]|0?[1-9])\.(?!\d)", say.date, ".")
    else:
        front = r"(?P<what>\b(?:[Ee]l|[Aa]l|[Dd]el|[Ll]e|[Dd]u|[Aa]u|[Ii]l|[Dd]al))"
        yield rule(rf"{front} {day}/(?P<month>1[0-2]|0?[1-9])(?![\d/])", say.preceded, "/")
    dot = r"\." if language.code == "de" else r"(?:[º°]|er)?"
    of = r"(?:de )?" if language.code == "es" else ""
    yield rule(
        rf"(?i)(?<![\w.,:/-]){day}{dot}\s{of}{months}(?!\w)(?: (?:de(?:l)? )?(?P<year>\d{{4}})(?!\w))?",
        say.day_first,
        DIGIT,
    )
    tail = {"de": r"(?: ?Uhr\b)?", "fr": "", "es": r"(?: ?h\b)?", "it": ""}[language.code]
    yield rule(
        rf"(?<![\d:.])(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])(?P<half>)?{tail}",
        say.clock,
        ":",
    )
    if language.code == "fr":
        yield rule(
            r"(?<![\d:.])(?P<hour>\d{1,2}) ?h(?: ?(?P<minute>[0-5]\d))?(?![\w/])(?P<half>)?", say.clock, "h"
        )
    if language.code == "de":
        yield rule(r"(?<![\d:.])(?P<hour>\d{1,2})(?:\.(?P<minute>[0-5]\d))? Uhr\b(?P<half>)?", say.clock, "U")


def _english(say: _Dates) -> Iterator[Rule]:
    yield from _english_hours(say)
    yield from _decades(say)
    yield from _english_days_and_months(say)


def _english_hours(say: _Dates) -> Iterator[Rule]:
    past = r"(?::(?P<past>[0-5]\d))?"
    yield rule(
        rf"(?<![\d:.$£€-])(?P<from>1[0-2]|\d){past}\s?[-–]\s?"
        r"(?=(?:1[0-2]|\d)(?::[0-5]\d)?\s?(?:[ap]\.?m\b|[AP]\.?M\b))",
        say.hours,
        "-–",
    )
    yield rule(
        r"(?<![\d:.])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])(?:\s?"
        + _HALF
        + ")?",
        say.clock,
        ":",
    )
    yield rule(r"(?=\d)(?<![\d:.])(?P<hour>\d{1,2})(?:\.(?P<minute>[0-5]\d))?\s?" + _HALF, say.clock, "mM")
    yield rule(r"(?<=[\dmM.])\s?[-–]\s?(?=\d{1,2}(?::\d\d|\s?[ap]\.?m\b))", " to ", "-–")


def _decades(say: _Dates) -> Iterator[Rule]:
    yield rule(r"(?<![\w.,])(?P<century>1\d|20)(?P<tens>[1-9]0|00)['’]?s\b", say.decade, "s")
    yield rule(r"(?<!\w)['’](?P<century>)?(?P<tens>[1-9]0)['’]?s\b", say.decade, "s")
    yield rule(r"(?<![\w.,:$£€])(?P<century>)?(?P<tens>[2-9]0)['’]?s\b", say.decade_or_seconds, "s")


def _english_days_and_months(say: _Dates) -> Iterator[Rule]:
    days = alternatives(_DAYS)
    yield rule(
        rf"(?<!\w)({days})\.?\s?[-–]\s?({days})(?!\w)\.?", lambda m: f"{_DAYS[m[1]]} to {_DAYS[m[2]]}", "-–"
    )
    yield rule(
        rf"(?P<front>\b(?:on|until|till|by|since|every|this|next|last|and|or) )(?P<day>{days})(?!\w)",
        say.named_day,
        "n ",
    )
    yield rule(
        rf"(?P<front>\b(?:in|until|by|since|this|next|last|early|late|mid) )(?P<month>{alternatives(_MONTHS)})(?!\w)",
        say.named_month,
        "n ",
    )
    yield rule(rf"(?<!\w)(?:{days})\.(?=,? [a-z\d])", lambda m: _DAYS[m[0].rstrip(".")], ".")
    yield rule(r"(?<!\w)(?:Tue|Tues|Wed|Thu|Thur|Thurs|Fri)(?!\w)", lambda m: _DAYS[m[0]], "TWF")
    yield rule(
        r"(?<!\w)(Feb|Aug|Sept|Oct|Nov|Dec)(?=\.)",
        say.short_month,
        "FASOND",
    )
    yield rule(
        rf"(?<!\w)(?:{alternatives(_MONTHS)})\.(?=,? [a-z\d])",
        say.short_month,
        ".",
    )
    yield rule(
        r"(?<!\w)(?:Jan|Feb|Aug|Sept?|Oct|Nov|Dec|Apr)(?= (?:\d|and|or|to)|\.?[-–/])",
        say.short_month,
        "JFASOND",
    )
