"""What Spanish, French, German and Italian write otherwise than English: fractions, rulers, days, hours."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.abbreviations import NUMERAL, numeral_value
from stages.text.rules.quantities import Quantities
from stages.text.rules.rule import DIGIT, Rule, alternatives, following, rule

_BARE_NUMERAL = r"[IVX]{2,}|[VX]"
_PARTS = (
    "[Cc]apítulo|[Tt]omo|[Aa]cto|[Tt]ítulo|[Cc]hapitre|[Tt]ome|[Aa]cte|[Tt]itre|[Pp]artie|Kapitel|Teil|Akt|[Cc]apitolo|"
    "[Aa]tto|[Tt]itolo|[Vv]olume|[Vv]olumen"
)
_CENTURY = "siglo|siglos|siècles?|secolo|Jahrhundert"


class _Said:
    def __init__(self, language: Language) -> None:
        self._language = language
        self._quantities = Quantities(language)

    def fraction(self, match: re.Match[str]) -> str:
        """ "media taza", "tres cuartos", "eineinhalb"; of others "ten out of ten"."""
        own, part = self._language, f"{match['a']}/{match['b']}"
        if part == "1/2":
            whole = match["whole"]
            return own.and_a_half(int(whole)) if whole else own.half(following(match))
        front = f"{own.cardinal(int(match['whole']))} {own.signs['&']} " if match["whole"] else ""
        return front + own.fractions[part]

    def rated(self, match: re.Match[str]) -> str:
        """ "10/10"."""
        said = self._language.cardinal(int(match["a"]))
        return f"{said} {self._language.words['out of']} {said}"

    def ruler(self, match: re.Match[str]) -> str:
        """ "Felipe sexto", "Louis quatorze"."""
        return f"{match[1]} {self._language.ruler(numeral_value(match[2]))}"

    def numeral(self, match: re.Match[str]) -> str:
        """ "capítulo cuatro"."""
        return f"{match[1]} {self._language.cardinal(numeral_value(match[2]))}"

    def century(self, match: re.Match[str]) -> str:
        """ "vingt et unième"."""
        return self._language.ordinal(numeral_value(match[1]))

    def war(self, match: re.Match[str]) -> str:
        """ "segunda guerra"."""
        return f"{self._language.ordinal(numeral_value(match[1]))[:-1]}a"

    def days(self, match: re.Match[str]) -> str:
        """ "Montag bis Freitag"."""
        first, last = (self._language.days[short] for short in (match["from"], match["to"]))
        return f"{first} {self._language.words['to']} {last}"

    def dotted(self, match: re.Match[str]) -> str:
        """ "alle 14.30"."""
        return self._language.clock(int(match["hour"]), int(match["minute"]))

    def parted(self, match: re.Match[str]) -> str:
        """ "12€50", "1m80": the sign stands where the mark of the decimals would."""
        if match["sign"] == "m":
            metres = self._quantities.measure(match["n"], "m")
            return f"{metres} {self._language.cardinal(int(match['rest']))}"
        money = self._language.money[match["sign"]]
        return self._quantities.amount(f"{match['n']},{match['rest']}", "", money)


def rules(language: Language) -> Iterator[Rule]:
    """None for English."""
    if language.code == "en":
        return
    say = _Said(language)
    yield from _fractions_and_money(language, say)
    yield from _numerals(language, say)
    yield from _ranges_and_hours(language, say)
    short = alternatives(language.numbered)
    yield rule(
        rf"(?<![\w.])(?:{short}) ?(?=\d)",
        lambda match: f"{language.numbered[match[0].strip()]} ",
        "pfavsSATFkK" + DIGIT,
    )
    yield from _german(language) if language.code == "de" else _italian() if language.code == "it" else ()


def _fractions_and_money(language: Language, say: _Said) -> Iterator[Rule]:
    parts = alternatives(("1/2", *language.fractions)).replace("/", "[/⁄]")
    whole = r"(?:(?P<whole>\d{1,2}) )?"
    yield rule(
        rf"(?<![\w./,]){whole}(?={parts})(?P<a>\d)[/⁄](?P<b>\d)(?![\w/]|[.,]\d)", say.fraction, "/⁄" + DIGIT
    )
    yield rule(
        r"(?<![\w.,/])(\d{1,3})\s?([½¼¾⅓⅔])",
        lambda match: _and_part(language, int(match[1]), match[2]),
        "½¼¾⅓⅔" + DIGIT,
    )
    yield rule(r"(?<![\w./,])(?P<a>5|10|20|100)/(?P=a)(?![\w/]|[.,]\d)", say.rated, "/" + DIGIT)
    yield rule(r"(?<![\w.,])(?P<n>\d+) ?(?P<sign>[€£])(?P<rest>\d\d)(?!\d)", say.parted, "€£" + DIGIT)
    yield rule(r"(?<![\w.,])(?P<n>\d)(?P<sign>m)(?P<rest>\d\d)(?!\w)", say.parted, "m" + DIGIT)


def _numerals(language: Language, say: _Said) -> Iterator[Rule]:
    """Roman ones: of centuries, parts, wars and rulers."""
    yield rule(rf"\b({_CENTURY}) ({NUMERAL})", say.numeral, "IVXL")
    yield rule(rf"(?<!\w)({_BARE_NUMERAL})(?:\.|e|ème|º|°)?(?= (?:{_CENTURY}))", say.century, "IVXL")
    letters = "IVXL"
    yield rule(rf"\b({_PARTS}) ({NUMERAL}|[IVX](?![\w'’]))", say.numeral, letters)
    mark = r"(?:\.(?!\s*$))?" if language.code == "de" else "(?:er)?"  # the dot of others ends the sentence
    if language.code in ("es", "it"):
        yield rule(r"(?<!\w)(I{1,3})(?= [Gg]uerra)", say.war, letters)
        yield rule(
            rf"(?<!\w)s\. ({NUMERAL})",
            lambda match: f"siglo {language.cardinal(numeral_value(match[1]))}",
            letters,
        )
    yield rule(
        rf"\b((?:{language.rulers}))\s({NUMERAL}|[IVX](?![\w'’]|er\b)|I(?=er\b)){mark}(?!\w)",
        say.ruler,
        letters,
    )
    yield rule(
        rf"\b([A-ZÀ-Ü][\w]*[a-zà-ü]) ({NUMERAL})(?!\w|[.]? (?:{_CENTURY}|[Gg]uerra))", say.numeral, letters
    )


def _ranges_and_hours(language: Language, say: _Said) -> Iterator[Rule]:
    days = alternatives(language.days)
    until = rf"\.?(?:\s?[-–]\s?|\s{language.words['to']}\s)"
    yield rule(rf"(?<![\w.])(?P<from>{days}){until}(?P<to>{days})(?!\w)(?:\.(?!\s*$))?", say.days)
    between = r"(?:(?<=\dh)|(?<=\d h)|(?<=h\d\d)|(?<=:\d\d)|(?<=Uhr))"
    yield rule(
        rf"{between}\s?[-–]\s?(?=\d{{1,2}}(?::\d\d|\s?h|\s?Uhr))", f" {language.words['to']} ", "-–" + DIGIT
    )
    if language.code in ("es", "it"):
        front = r"(?:(?<=\blas )|(?<=lle )|(?<=\bore )|(?<=\ble ))"
        yield rule(rf"{front}(?P<hour>[012]?\d)\.(?P<minute>[0-5]\d)(?![\d.]*\d)", say.dotted, "." + DIGIT)


def _and_part(language: Language, whole: int, part: str) -> str:
    """ "zweieinhalb", "dos y tres cuartos"."""
    if part == "½":
        return language.and_a_half(whole)
    return f"{language.cardinal(whole)} {language.signs['&']} {language.signs.get(part, part)}"


def _german(language: Language) -> Iterator[Rule]:
    say = language.cardinal
    yield rule(
        rf"(?<![\w.])({alternatives(language.days)})\.(?=,? \d{{1,2}}(?:\.(?!\d)|(?:[.:]\d\d)? ?Uhr))",
        lambda match: language.days[match[1]],
        "." + DIGIT,
    )
    yield rule(r"(?<=[a-zäöüß])str\.(?= \d|\s*$|[,;])", "straße", ".")
    yield rule(
        r"(?<![\w.,])(\d{1,3})-?mal\b",
        lambda match: f"{language.counted(say(int(match[1])))}mal",
        "m" + DIGIT,
    )
    yield rule(r"(?<![\w.,])([1-9]0)er\b", lambda match: f"{say(int(match[1]))}er", "e" + DIGIT)


def _italian() -> Iterator[Rule]:
    yield rule(r"(?<![\w.])S\. ?(?=[AEIOU][a-z])", "Sant'", "S")
    yield rule(r"(?<![\w.])S\. (?=[A-Z][a-z]+a\b)", "Santa ", "S")
    yield rule(r"(?<![\w.])S\. (?=(?:Z|S[^aeiou])[a-z])", "Santo ", "S")
    yield rule(r"(?<![\w.])S\. (?=[A-Z][a-z])", "San ", "S")
