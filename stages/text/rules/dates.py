"""Dates and times of day, as people say them."""

import re
from collections.abc import Iterable, Iterator

from stages.text.languages.language import Language
from stages.text.rules.quantities import Quantities
from stages.text.rules.rule import DIGIT, Rule, alternatives, before, before_series, rule

SHORT_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Sept": 9, "Oct": 10, "Nov": 11,
    "Dec": 12,
}  # fmt: skip
_AT = frozenset(
    ("at", "by", "until", "till", "since", "um", "bis", "à", "las", "la", "le", "alle", "dalle", "ore")
)


_DATED = (
    "[Oo]n|[Bb]y|[Ss]ince|[Uu]ntil|[Bb]efore|[Aa]fter|[Ww]eek of|[Dd]ue|[Tt]hrough|[Ss]tarting|[Ee]nding|[Dd]ated|"
    "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?"
)
"""In front of a date in numbers."""


def _recased(name: str, names: Iterable[str]) -> str:
    return next(each for each in names if each.casefold() == name.casefold())


class Dates:
    def __init__(self, language: Language) -> None:
        self.language = language

    def date(self, match: re.Match[str]) -> str:
        """A day, its month, and the year if there is one; what is no date is left as it is."""
        found = match.groupdict()
        month, day = found["month"], int(found["day"])
        number = int(month) if month.isdigit() else self.month_number(month)
        if month.isdigit() and number > 12 >= day and found.get("swap") is not None:
            number, day = day, number
        if not (1 <= number <= 12 and 1 <= day <= 31):
            return self._parts(match)
        said = self.language.day(day, self.language.months[number - 1], before_series(match))
        year = found.get("year")
        if not year:
            return said
        whole = int(year) if len(year) == 4 else 2000 + int(year) - (100 if int(year) > 50 else 0)
        time_follows = ", " if match[0].endswith("T") else ""
        return said + self.language.year_joint + self.year(whole) + time_follows

    def days(self, match: re.Match[str]) -> str:
        """ "March third to fifth"."""
        last = int(match["last"])
        if not int(match["day"]) < last:
            return self._parts(match)
        month, ordinal = self.language.months[self.month_number(match["month"]) - 1], self.language.ordinal
        year = f", {self.year(int(match['year']))}" if match["year"] else ""
        return f"{month} {ordinal(int(match['day']))} {self.language.words['to']} {ordinal(last)}{year}"

    def span(self, match: re.Match[str]) -> str:
        """ "vom ersten bis fünften Mai"."""
        front, own = before_series(match), self.language
        first, last = (own.ordinal_form(own.ordinal(int(match[day])), ".", front) for day in ("day", "last"))
        return f"{first} {own.words['to']} {last} {own.months[self.month_number(match['month']) - 1]}"

    def _parts(self, match: re.Match[str]) -> str:
        """ "thirteen slash thirteen", "45 mai"."""
        say = self.language.cardinal
        if not match["month"].isdigit():
            return re.sub(r"\d+", lambda number: say(int(number[0])), match[0])
        numbers = (say(int(part)) for part in re.findall(r"\d+", match[0]))
        return f" {self.language.words['slash']} ".join(numbers)

    def year(self, number: int) -> str:
        return self.language.year(number) if 1100 <= number < 3000 else self.language.cardinal(number)

    def month_number(self, name: str) -> int:
        name = name.rstrip(".")
        months = [month.casefold() for month in self.language.months]
        if name.casefold() in months:
            return months.index(name.casefold()) + 1
        short = self.language.short_months
        return SHORT_MONTHS[name] if not short else short.get(name) or short[_recased(name, short)]

    def day_first(self, match: re.Match[str]) -> str:
        """ "3 May 2026"."""
        if self.language.code != "en":
            return self.date(match)
        month = self.language.months[self.month_number(match["month"]) - 1]
        the = "" if match.string[max(match.start() - 4, 0) : match.start()].casefold() == "the " else "the "
        year = f" {self.year(int(match['year']))}" if match["year"] else ""
        return f"{the}{self.language.ordinal(int(match['day']))} of {month}{year}"

    def clock(self, match: re.Match[str]) -> str:
        """A time with its half of the day, or without; how long something takes, where it has seconds: "1:02:03"."""
        is_time = match[0][-1].isalpha() or len(match["hour"]) > 1 or before(match).casefold() in _AT
        if match.groupdict().get("second") and not is_time:
            return _duration(self.language, match)
        hour, minute, half = int(match["hour"]), int(match["minute"] or 0), match["half"]
        if hour > 24 or minute > 59:
            return f"{self.language.cardinal(hour)} {self.language.cardinal(minute)}"
        if self.language.code != "en":
            return self.language.clock(hour, minute)
        if half is None:
            if hour > 12 or match["hour"] == "00":
                return self.language.clock(hour % 24, minute)
            return self.hour(hour, minute) + ("" if minute else " o'clock")
        return f"{self.hour(hour % 12 or 12, minute)} {half.upper()}M"

    def hour(self, hour: int, minute: int) -> str:
        minutes = f" {'oh ' if minute < 10 else ''}{self.language.cardinal(minute)}" if minute else ""
        return self.language.cardinal(hour) + minutes

    def lasting(self, match: re.Match[str]) -> str:
        """ "one hour thirty", "two hours fifteen minutes"."""
        say = Quantities(self.language).measure
        hours, minute = say(match["hour"], "h"), str(int(match["minute"]))
        if not int(minute):
            return hours
        if match["unit"]:
            return f"{hours} {say(minute, 'min')}"
        return f"{hours}{' e ' if self.language.code == 'it' else ' '}{self.language.cardinal(int(minute))}"

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
    say, year = Dates(language), r"(?P<year>\d{4}|\d{2})"
    short = SHORT_MONTHS if language.code == "en" else language.short_months
    names = [*language.months, *short]
    months = rf"(?P<month>{alternatives(names)})"
    if language.short_months:
        months = rf"(?P<month>{alternatives(language.months)}|(?:{alternatives(short)})\.?)"
    day = r"(?P<day>\d{1,2})"
    yield rule(
        r"(?<![\d.-])(?P<year>\d{4})-(?P<month>0\d|1[0-2])-(?P<day>[0-3]\d)(?!\d)(?:T(?=\d))?",
        say.date,
        "-" + DIGIT,
    )
    yield from _lasting(language, say)
    if language.code == "en":
        yield from _month_first(say, months, day, year)
    else:
        yield from _day_first(language, say, months, day, year)


def _lasting(language: Language, say: Dates) -> Iterator[Rule]:
    """How long something takes; in French it is written as a time of day."""
    if language.code != "fr":
        minutes = r"(?P<minute>[0-5]\d|\d(?= ?m))(?P<unit> ?(?:m|mins?)(?!\w)\.?)?(?!\w)"
        yield rule(rf"(?<![\w:.,])(?P<hour>\d{{1,2}}) ?h ?{minutes}", say.lasting, "h" + DIGIT)


def _month_first(say: Dates, months: str, day: str, year: str) -> Iterator[Rule]:
    """Dates of English."""
    yield rule(rf"(?<![\d/])(?P<swap>)(?P<month>\d{{1,2}})/{day}/{year}(?![\d/])", say.date, "/" + DIGIT)
    yield rule(
        r"(?<![\d.])(?P<day>[0-3]?\d)\.(?P<month>1[0-2]|0?[1-9])\.(?P<year>(?:19|20)\d\d)(?![\d.]*\d)",
        say.date,
        "." + DIGIT,
    )
    yield rule(
        rf"\b(?P<what>{_DATED}) (?!9/11\b)(?P<month>\d{{1,2}})/{day}(?![\d/])",
        say.preceded,
        "/" + DIGIT,
    )
    of_month = r"(?:3[01]|[012]?\d)"
    named = rf"(?P<day>{of_month})"
    yield rule(
        rf"(?<!\w){months}\.? {named}(?:st|nd|rd|th)?\s?[-–]\s?(?P<last>{of_month})(?:st|nd|rd|th)?"
        r"(?![\w:%-]|[.,/]\d)(?:,? (?P<year>\d{4})(?![\w%]))?",
        say.days,
        DIGIT,
    )
    yield rule(
        rf"(?<!\w){months}\.? {named}(?:st|nd|rd|th)?(?![\w:%]|[.,/]\d)(?:,? (?P<year>\d{{4}})(?![\w%]))?",
        say.date,
        DIGIT,
    )
    yield rule(
        rf"(?<![\w.,:/-]){day}(?:st|nd|rd|th)? (?:of )?{months}(?!\w)(?:\.(?= [a-z\d]))?"
        r"(?:,? (?P<year>\d{4})(?!\w))?",
        say.day_first,
        DIGIT,
    )


def _day_first(language: Language, say: Dates, months: str, day: str, year: str) -> Iterator[Rule]:
    """Dates and times of languages with a twenty-four-hour clock."""
    yield rule(
        rf"(?<![\d/.])(?P<swap>){day}[/.](?P<month>\d{{1,2}})[/.]{year}(?![\d/]|\.\d)", say.date, "/." + DIGIT
    )
    yield rule(
        rf"(?<![\d/.-]){day}-(?P<month>\d{{1,2}})-(?P<year>(?:19|20)\d\d)(?![\d-])", say.date, "-" + DIGIT
    )
    if language.code == "de":
        yield rule(
            rf"(?<![\w.]){day}\.\s?[-–]\s?(?P<last>\d{{1,2}})\. {months}(?!\w)", say.span, "-–" + DIGIT
        )
        label = "".join(
            rf"(?<!{word} )"
            for word in ("Raum", "Kapitel", "Abschnitt", "Version", "Punkt", "Zimmer", "Ziffer")
        )
        yield rule(rf"{label}(?<![\d/.]){day}\.(?P<month>1[0-2]|0?[1-9])\.(?!\d)", say.date, "." + DIGIT)
    else:
        named = {*language.days, *language.days.values()} - set("LMXJVSD")
        behind = "|".join(rf"(?<=\b{name}{mark})" for name in named for mark in (" ", ", ", ". "))
        behind += r"|(?:(?<=\b[lL]['’])|(?<=\b[aA]ll['’])|(?<=\b[dD]all['’]))(?=8|11)"  # "l'1/4" is a part
        yield rule(rf"(?:{behind}){day}/(?P<month>1[0-2]|0?[1-9])(?![\d/])", say.date, "/" + DIGIT)
        front = r"(?P<what>\b(?:[Ee]l|[Aa]l|[Dd]el|[Ll]e|[Dd]u|[Aa]u|[Ii]l|[Dd]al))"
        yield rule(rf"{front} {day}/(?P<month>1[0-2]|0?[1-9])(?![\d/])", say.preceded, "/" + DIGIT)
    dot = r"\." if language.code == "de" else r"(?:[º°]|er)?"
    of = r"(?:de )?" if language.code == "es" else ""
    yield rule(
        rf"(?i)(?<![\w.,:/-]){day}{dot}\s{of}{months}(?!\w)(?: (?:de(?:l)? )?(?P<year>\d{{4}})(?!\w))?",
        say.day_first,
        DIGIT,
    )
    yield from _clock_of_a_day(language, say)


def _clock_of_a_day(language: Language, say: Dates) -> Iterator[Rule]:
    """ "14:30", "14h30", "14.30 Uhr"."""
    tail = {"de": r"(?: ?Uhr\b)?", "fr": "", "es": r"(?: ?h\b)?", "it": ""}[language.code]
    yield rule(
        rf"(?<![\d:.])(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])(?P<half>)?{tail}",
        say.clock,
        ":" + DIGIT,
    )
    if language.code == "fr":
        yield rule(
            r"(?<![\d:.])(?P<hour>\d{1,2}) ?h(?: ?(?P<minute>[0-5]\d)(?! ?min))?(?![\w/])(?P<half>)?",
            say.clock,
            "h" + DIGIT,
        )
    if language.code == "de":
        yield rule(
            r"(?<![\d:.])(?P<hour>\d{1,2})(?:\.(?P<minute>[0-5]\d))? Uhr\b(?P<half>)?", say.clock, "U" + DIGIT
        )
