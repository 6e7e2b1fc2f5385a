"""What Spanish, French, German and Italian write otherwise than English: fractions, rulers, days, hours."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.abbreviations import NUMERAL, numeral_value
from stages.text.rules.quantities import Quantities
from stages.text.rules.rule import DIGIT, Rule, alternatives, before, following, rule

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
        whole, unit = match["whole"], match["unit"]
        one, many = own.units[unit] if unit else ("", "")
        if part == "1/2" and whole:
            return f"{own.and_a_half(int(whole))} {many}".rstrip()
        if part == "1/2":
            return f"{own.half(one or following(match))} {one}".rstrip()
        front = f"{own.cardinal(int(whole))} {own.signs['&']} " if whole else ""
        of = f"{own.of_a_million} " if own.of_a_million else ""
        return front + own.fractions[part] + (f" {of}{one}" if unit else "")

    def with_half(self, match: re.Match[str]) -> str:
        """ "dos tazas y media"."""
        assert self._language.with_half is not None
        return self._language.with_half(int(match["whole"]), match["noun"])

    def folded(self, match: re.Match[str]) -> str:
        """ "dos veces", "zweimal"."""
        own, number = self._language, int(match[1])
        fold = own.words["fold"]
        if own.code == "de":
            return own.counted(own.cardinal(number)) + fold
        if number == 1:
            return {"es": "una vez", "fr": "une fois", "it": "una volta"}[own.code]
        return f"{own.agreed(own.cardinal(number), number, fold)} {fold}"

    def rated(self, match: re.Match[str]) -> str:
        """ "8/10"."""
        said, most = (self._language.cardinal(int(match[part])) for part in ("a", "b"))
        return f"{said} {self._language.words['out of']} {most}"

    def ruler(self, match: re.Match[str]) -> str:
        """ "Felipe sexto", "Louis quatorze", "Isabel segunda"."""
        own, number = self._language, numeral_value(match[2])
        is_queen = re.fullmatch(own.queens, match[1]) is not None
        return f"{match[1]} {(own.queen if is_queen else own.ruler)(number)}"

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
        return f"{first} {match['until'] or self._language.words['to']} {last}"

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
    whole, units = r"(?:(?P<whole>\d{1,2}) )?", alternatives(language.units)
    if language.with_half:
        noun = rf"(?P<noun>(?!(?:{units})\b)[a-zà-ü]{{2,}})(?!\w)"
        yield rule(rf"(?<![\w./,])(?P<whole>\d{{1,2}})(?: 1/2|\s?½) {noun}", say.with_half, DIGIT)
    turns = "al? |par |tä?gl|pro |am |im |in der |wöchentlich|die |por |di |plus |más |più |mehr "
    yield rule(rf"(?<![\w.,])(\d{{1,2}}) ?[x×](?= ?(?:{turns}))", say.folded, "x×" + DIGIT)
    yield rule(r"(?<=\d) : (?=\d+ ?=)", f" {language.words['divided']} ", ":" + DIGIT)
    over = "zu" if language.code == "de" else language.words["over"]
    yield rule(r"(?<=\d)/(?=\d{2,3} ?mmHg)", f" {over} ", "/" + DIGIT)
    yield rule(
        rf"(?<![\w./,]){whole}(?={parts})(?P<a>\d)[/⁄](?P<b>10|\d)(?!\w|/|[.,]\d)(?:\s(?P<unit>{units})(?!\w))?",
        say.fraction,
        "/⁄" + DIGIT,
    )
    yield rule(
        r"(?<![\w.,/])(\d{1,3})\s?([½¼¾⅓⅔])",
        lambda match: _and_part(language, int(match[1]), match[2]),
        "½¼¾⅓⅔" + DIGIT,
    )
    yield rule(
        r"(?<![\w./,])(?P<a>\d{1,3})/(?P<b>5(?<=5/5)|10|20|100)(?![\w/]|[.,]\d)", say.rated, "/" + DIGIT
    )
    rates = {short: language.units[short][0] for short in ("min", "h")}
    yield rule(
        r"(?<=\d)/(min|h)(?!\w)", lambda match: f" {language.words['per']} {rates[match[1]]}", "/" + DIGIT
    )
    yield rule(r"(?<![\w.,])(?P<n>\d+) ?(?P<sign>[€£])(?P<rest>\d\d)(?!\d)", say.parted, "€£" + DIGIT)
    yield rule(r"(?<![\w.,])(?P<n>\d)(?P<sign>m)(?P<rest>\d\d)(?!\w)", say.parted, "m" + DIGIT)


def _numerals(language: Language, say: _Said) -> Iterator[Rule]:
    """Roman ones: of centuries, world wars, parts and rulers."""
    letters = "IVXL"
    if language.code in ("es", "it"):
        yield rule(
            rf"\b({_CENTURY}|[Ss]ec\.) ({NUMERAL}|[IVX](?!\w))",
            lambda match: (
                f"{'secolo' if match[1].endswith('.') else match[1]} {language.ruler(numeral_value(match[2]))}"
            ),
            letters,
        )
    yield rule(rf"\b({_CENTURY}) ({NUMERAL})", say.numeral, letters)
    yield rule(rf"(?<!\w)({_BARE_NUMERAL}|I)(?:\.|e|ème|º|°)?(?= (?:{_CENTURY}|sec\.))", say.century, letters)
    if language.code == "fr":
        yield rule(
            rf"(?<!\w)({_BARE_NUMERAL}|I)(?:e|er) s\.(?!\w)",
            lambda match: f"{language.ordinal(numeral_value(match[1]))} siècle",
            letters,
        )
    if language.code in ("fr", "de"):
        yield rule(
            r"(?<!\w)(I{1,3})(?:e|re|\.)(?= (?:[Gg]uerre|Weltkrieg))",
            lambda match: language.ordinal_form(
                language.ordinal(len(match[1])), "re" if match[1] == "I" else "e", before(match)
            ),
            letters,
        )
    yield from _parts_and_rulers(language, say)


def _parts_and_rulers(language: Language, say: _Said) -> Iterator[Rule]:
    """ "capítulo cuatro", "Felipe sexto"."""
    letters = "IVXL"
    yield rule(rf"\b({_PARTS}) ({NUMERAL}|[IVX](?![\w'’]))", say.numeral, letters)
    mark = (
        r"(?:\.(?!\s*$))?" if language.code == "de" else "(?:er|re)?"
    )  # the dot of others ends the sentence
    if language.code in ("es", "it"):
        yield rule(r"(?<!\w)(I{1,3})(?= [Gg]uerra)", say.war, letters)
        yield rule(
            rf"(?<!\w)s\. ({NUMERAL})",
            lambda match: f"siglo {language.cardinal(numeral_value(match[1]))}",
            letters,
        )
    yield rule(
        rf"\b((?:{language.rulers}))\s({NUMERAL}|[IVX](?![\w'’]|er\b)|I(?=er\b|re\b)){mark}(?!\w)",
        say.ruler,
        letters,
    )
    yield rule(
        rf"\b([A-ZÀ-Ü][\w]*[a-zà-ü]) ({NUMERAL})(?!\w|[.]? (?:{_CENTURY}|sec\.|[Gg]uerra|Weltkrieg))",
        say.numeral,
        letters,
    )


def _ranges_and_hours(language: Language, say: _Said) -> Iterator[Rule]:
    short = alternatives(day for day in language.days if len(day) > 2)
    if short:
        yield rule(rf"(?<!\w)({short})\.(?=,? \d)", lambda match: language.days[match[1]], "." + DIGIT)
    per = r"(?<=/kg)/(?=(?:día|jour|Tag|giorno|min|h)\b)"
    yield rule(per, f" {language.words['per']} ", "/" + DIGIT)
    days = alternatives(language.days)
    until = rf"\.?(?:\s?[-–]\s?|\s(?P<until>{language.words['to']}|au|al)\s)"
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
    clock = r"\d{1,2}(?:[.:]\d\d)?"
    yield rule(
        rf"(?<![\w.])({alternatives(language.days)})\.(?=,|\s(?:\d{{1,2}}\.(?!\d)|{clock}(?: ?[-–] ?{clock})? ?Uhr))",
        lambda match: language.days[match[1]],
        ".",
    )
    yield rule(r"(?<=[a-zäöüß])str\.(?= \d|\s*$|[,;])", "straße", ".")
    yield rule(
        r"(?<![\w.,])(\d{1,3})-?mal\b",
        lambda match: f"{language.counted(say(int(match[1])))}mal",
        "m" + DIGIT,
    )
    yield rule(
        r"(?<![\w.,])(\d\d|1[1-9]\d\d)er(?:-(?=J))?(?!\w)",
        lambda match: f"{language.year(int(match[1]))}er ".rstrip() + (" " if match[0].endswith("-") else ""),
        "e" + DIGIT,
    )
    yield rule(r"(?<!\d)116 117(?!\d)", " ".join(say(int(digit)) for digit in "116117"), "1" + DIGIT)
    yield rule(
        r"(?<!\w)Fr\. ?(\d+)\.(?:(\d\d)(?!\d)|[-–]+)",
        lambda match: f"{say(int(match[1]))} Franken {say(int(match[2])) if match[2] else ''}".rstrip(),
        "F" + DIGIT,
    )
    one = r"(?<![\d.,-])1 (?:(?P<million>Mio|Million)|Mrd|Milliarde)\b\.?(?P<euro>\s?€)?"
    yield rule(one, _one_million, "M" + DIGIT)
    until = rf"(?:(?=\s(?:bis|und)\s{clock} ?Uhr)|(?P<dash>\s?[-–]\s?)(?={clock} ?Uhr))"
    yield rule(
        rf"(?<![\d:.])(\d{{1,2}})\.([0-5]\d){until}",
        lambda match: (
            language.clock(int(match[1]), int(match[2])).removesuffix(" Uhr")
            + (" bis " if match["dash"] else "")
        ),
        "U" + DIGIT,
    )


def _one_million(match: re.Match[str]) -> str:
    """ "eine Million"."""
    return ("eine Million" if match["million"] else "eine Milliarde") + (" Euro" if match["euro"] else "")


def _italian() -> Iterator[Rule]:
    yield rule(r"(?<![\w.])S\. ?(?=[AEIOU][a-z])", "Sant'", "S")
    yield rule(r"(?<![\w.])S\. (?=[A-Z][a-z]+a\b)", "Santa ", "S")
    yield rule(r"(?<![\w.])S\. (?=(?:Z|S[^aeiou])[a-z])", "Santo ", "S")
    yield rule(r"(?<![\w.])S\. (?=[A-Z][a-z])", "San ", "S")
