"""Dates and times of day as English alone writes them: short names, decades, "9-5pm"."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.dates import SHORT_MONTHS, Dates
from stages.text.rules.quantities import Quantities
from stages.text.rules.rule import DIGIT, Rule, alternatives, rule

_HALF = r"(?P<half>[AaPp])\.?\s?[Mm](?![\w])(?:\.(?=\s+[a-z\d]|[,;:!?)–-]))?"
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_DECADE = "the|his|her|their|my|your|our|mid|early|late|in"


class _English(Dates):
    """What English says for its own."""

    def named_day(self, match: re.Match[str]) -> str:
        """ "on Sun"."""
        return match["front"] + _DAYS[match["day"]]

    def named_month(self, match: re.Match[str]) -> str:
        """ "in Jan"."""
        return match["front"] + self.language.months[SHORT_MONTHS[match["month"]] - 1]

    def short_month(self, match: re.Match[str]) -> str:
        """ "Nov."."""
        return self.language.months[SHORT_MONTHS[match[0].rstrip(".")] - 1]

    def month(self, name: str) -> str:
        """ "January", of "Jan" or "01"."""
        number = int(name) if name.isdigit() else self.month_number(name)
        return self.language.months[number - 1]

    def hours(self, match: re.Match[str]) -> str:
        """ "9-5pm"."""
        return f"{self.hour(int(match['from']), int(match['past'] or 0))} to "

    def raced(self, match: re.Match[str]) -> str:
        """ "three forty three point one three"."""
        say = self.language.cardinal
        parts = " ".join(say(int(digit)) for digit in match["part"])
        return f"{self.hour(int(match['hour']), int(match['minute']))} {self.language.words['point']} {parts}"

    def minutes(self, match: re.Match[str]) -> str:
        """ "three minutes twenty seconds"."""
        say = Quantities(self.language).measure
        return f"{say(match['minute'], 'min')} {say(match['second'], 's')}"

    def decade(self, match: re.Match[str]) -> str:
        """ "1990s", "the '90s"."""
        tens = self.language.cardinal(int(match["tens"]))
        tens = f"{tens[:-1]}ies" if tens.endswith("y") else f"{tens}s" if tens != "zero" else "hundreds"
        century = f"{self.language.cardinal(int(match['century']))} " if match["century"] else ""
        return "two thousands" if match[0].startswith("2000") else century + tens

    def decade_or_seconds(self, match: re.Match[str]) -> str:
        """ "in his 30s", "wait 30s"."""
        if match.string.startswith("-", match.end()) or re.search(
            rf"(?<!\w)(?:{_DECADE})[ -]$", match.string[max(match.start() - 7, 0) : match.start()]
        ):
            return self.decade(match)
        return f"{self.language.cardinal(int(match['tens']))} {self.language.units['s'][1]}"


def rules(language: Language) -> Iterator[Rule]:
    """None for other languages."""
    if language.code != "en":
        return
    say = _English(language)
    yield from _english_hours(say)
    yield from _decades(say)
    yield from _months_and_years(say)
    yield from _english_days_and_months(say)


def _english_hours(say: _English) -> Iterator[Rule]:
    past = r"(?::(?P<past>[0-5]\d))?"
    yield rule(
        rf"(?<![\d:.$£€-])(?P<from>1[0-2]|\d){past}\s?[-–]\s?"
        r"(?=(?:1[0-2]|\d)(?::[0-5]\d)?\s?(?:[ap]\.?m\b|[AP]\.?M\b))",
        say.hours,
        "-–" + DIGIT,
    )
    yield rule(
        r"(?<![\d:.])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)\.(?P<part>\d{1,3})(?!\d)", say.raced, ":" + DIGIT
    )
    yield rule(r"(?:(?<=\bnoon)|(?<=\bnight))\s?[-–]\s?(?=\d)", " to ", "-–" + DIGIT)
    yield rule(r"(?<![\w.,])(?P<minute>\d{1,3})m ?(?P<second>[0-5]?\d)s(?!\w)", say.minutes, "m" + DIGIT)
    yield rule(
        r"(?<![\d:.])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])(?:\s?"
        + _HALF
        + ")?",
        say.clock,
        ":" + DIGIT,
    )
    yield rule(
        r"(?=\d)(?<![\d:.])(?P<hour>\d{1,2})(?:\.(?P<minute>[0-5]\d))?\s?" + _HALF, say.clock, "mM" + DIGIT
    )
    yield rule(r"(?<=[\dmM.])\s?[-–]\s?(?=\d{1,2}(?::\d\d|\s?[ap]\.?m\b))", " to ", "-–" + DIGIT)


def _decades(say: _English) -> Iterator[Rule]:
    yield rule(r"(?<![\w.,])(?P<century>1\d|20)(?P<tens>[1-9]0|00)['’]?s\b", say.decade, "s" + DIGIT)
    yield rule(
        r"(?<!\w)['’]0(\d)(?![\w'’])",
        lambda match: f"oh {say.language.cardinal(int(match[1]))}",
        "'’" + DIGIT,
    )
    yield rule(r"(?<!\w)['’](?P<century>)?(?P<tens>[1-9]0)['’]?s\b", say.decade, "s" + DIGIT)
    yield rule(r"(?<![\w.,:$£€])(?P<century>)?(?P<tens>[2-9]0)['’]?s\b", say.decade_or_seconds, "s" + DIGIT)


def _english_days_and_months(say: _English) -> Iterator[Rule]:
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
        r"(?P<front>\b(?:in|until|by|since|this|next|last|early|late|mid) )"
        rf"(?P<month>{alternatives(SHORT_MONTHS)})(?!\w|\.? \d)",
        say.named_month,
        "n ",
    )
    told = rf":| ?[&/] ?(?:{days})|, (?:{alternatives(SHORT_MONTHS)}|\d)|\.?,? \d{{1,2}}(?:[-–:]| ?[ap]m)| \|"
    star = r"(?<!\b[Tt]he )(?<!\b[Oo]ur )"
    yield rule(rf"(?<!\w)(?:Mon|Sat|{star}Sun)(?={told})", lambda m: _DAYS[m[0]], "MS")
    yield rule(r"(?:(?<=[&/])|(?<=& ))(?:Mon|Sat|Sun)(?!\w)", lambda m: _DAYS[m[0]], "&/")
    yield rule(r"(?<![\w-])M ?[-–] ?F(?![\w-])", "Monday to Friday", "F")
    yield rule(rf"(?<!\w)(?:{days})\.(?=,| [a-z\d&])", lambda m: _DAYS[m[0].rstrip(".")], ".")
    yield rule(r"(?<!\w)(?:Tue|Tues|Wed|Thu|Thur|Thurs|Fri)(?!\w)", lambda m: _DAYS[m[0]], "TWF")
    yield rule(
        r"(?<!\w)(Feb|Aug|Sept|Oct|Nov|Dec)(?=\.)",
        say.short_month,
        "FASOND",
    )
    yield rule(
        rf"(?<!\w)(?:{alternatives(SHORT_MONTHS)})\.(?=,? [a-z\d])",
        say.short_month,
        ".",
    )
    yield rule(
        r"(?<!\w)(?:Jan|Feb|Aug|Sept?|Oct|Nov|Dec|Apr)(?= (?:\d|and|or|to)|\.?[-–/])",
        say.short_month,
        "JFASOND",
    )


def _months_and_years(say: _English) -> Iterator[Rule]:
    """ "Jan-Mar", "05/2024", "3-May-2024"."""
    names = alternatives({**SHORT_MONTHS, "May": 5, "June": 6, "July": 7})
    yield rule(
        rf"(?<!\w)({names})\.?\s?[-–]\s?({names})(?!\w)\.?",
        lambda match: f"{say.month(match[1])} to {say.month(match[2])}",
        "-–",
    )
    yield rule(
        r"(?<![\d/.])(?P<month>0?[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)(?![\d/])"
        r"(?! (?:of|chance|odds|scale|seconds?)\b)",
        lambda match: f"{say.month(match['month'])} {say.year(int(match['year']))}",
        "/" + DIGIT,
    )
    behind = "|".join(rf"(?<=\b{name}{mark})" for name in _DAYS for mark in (" ", ", ", ". ", "., "))
    yield rule(rf"(?:{behind})(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?![\d/]| of\b)", say.date, "/" + DIGIT)
    yield rule(
        r"(?<![\d/])(?P<year>(?:19|20)\d\d)/(?P<month>0\d|1[0-2])/(?P<day>[0-3]\d)(?![\d/])",
        say.date,
        "/" + DIGIT,
    )
    dated = rf"(?P<month>{names})-(?P<year>\d{{4}})(?!\d)"
    yield rule(rf"(?<![\w-])(?P<day>\d{{1,2}})-{dated}", say.day_first, "-" + DIGIT)
