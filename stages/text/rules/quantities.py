"""Numbers, amounts of money and measures in words, with whatever belongs to the number."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language, Money
from stages.text.rules.abbreviations import SENTENCE_ENDS
from stages.text.rules.rule import DIGIT, Rule, alternatives, before, before_series, following, rule

_THIN = "\u00a0\u202f\u2009"
_MINUS = r"(?<![\w)\]])[-−](?=[\d.$£€])"
_AS_A_YEAR = re.compile(
    r"[a-z]{3,}(?<!s)s\b(?<!was)(?<!has)(?<!this)|(?:people|men|women|children|times|of)\b"
)
_CALLED_A_YEAR = re.compile(r"\b[Yy]ear \Z")
_NOUN = re.compile(r" ([^\W\d_]+)(?!\w)")
_LARGE = re.compile(r"mil+[ioó]|[bt]r?il+[ioó]", re.IGNORECASE)
"""Scales from a million on."""
_TIMES = ("h", "min", "s")
_ELIDED = "'"
_PER = r"(?:\s?/\s?(?P<per>[A-Za-z]{1,12}[²³]?)(?!\w))?"
_TO = r"(?:-|\s?[–—]\s?)"
_ATTRIBUTED = re.compile(
    r"(?:bill|note|coin|gift|fine|prize|voucher|banknote|discount|deposit|fee|charge|limit|refund|credit|copay|coupon)\b"
)


def number_pattern(language: Language) -> str:
    """What is one number, groups of thousands and decimals included, without a sign."""
    group, mark = (r"\.", ",") if language.decimal_comma else (",", r"\.")
    spaced = rf"\d{{1,3}}(?:[{_THIN}]\d{{3}})+|\d{{1,3}}(?: \d{{3}}){{2,}}|\d{{1,3}} 000|\d{{2,3}} \d00"
    grouped = rf"\d{{1,3}}(?:{group}\d{{3}})+|\d{{1,3}}(?:['’]\d{{3}})+|\d{{1,3}}(?:{mark}\d{{3}}){{2,}}"
    if language.decimal_comma:
        spaced += r"|\d{1,3}(?: \d{3})+"
        grouped += r"|\d{1,3}(?:,\d{3})+(?=\.\d\d(?!\d))"
    else:
        spaced += r"|\d{1,3} \d{3}(?=\s?[€£₽₴]|[.,]\d{1,2}(?!\d))"
        grouped += r"|\d{1,3}(?:\.\d{3})+(?=,\d\d(?!\d))|\d{1,2}(?:,\d\d)+,\d{3}"
    decimals = rf"{mark}\d+(?![\d]*{mark}\d)|{group}\d{{1,2}}(?![\d]|{group}\d)"
    return rf"(?:(?:{grouped}|{spaced})(?!\d)|\d+)(?:{decimals})?"


class Quantities:
    """Says numbers in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._words = language.words
        self._group, self._mark = (".", ",") if language.decimal_comma else (",", ".")

    def parts(self, text: str) -> tuple[str, str]:
        """The digits before and behind the mark."""
        text = re.sub(rf"[\s{_THIN}'’]", "", text)
        if re.fullmatch(
            rf"\d{{1,3}}(?:\{self._mark}\d{{3}})+(?:\{self._group}\d+|\{self._mark}\d{{3}})", text
        ):
            text = text.translate(str.maketrans(",.", ".,"))  # grouped by the other custom
        whole, _, decimals = text.partition(self._mark)
        if not decimals and re.search(
            rf"(?<!\d)(?!\d{{1,3}}(?:\{self._group}\d{{3}})+$)\d+\{self._group}\d+$", whole
        ):
            whole, _, decimals = text.partition(self._group)  # "22,1" where "22.1" is the custom
        if decimals and not decimals.isdigit():
            *groups, decimals = re.split("[.,]", text)  # "12,345,6", of neither custom
            whole = "".join(groups)
        return whole.replace(self._group, "") or "0", decimals

    def say(self, text: str) -> str:
        """ "twenty two point one"."""
        whole, decimals = self.parts(text)
        return self.whole(whole) + self.decimals(decimals)

    def whole(self, digits: str) -> str:
        """A whole number; digit by digit if it is a name ("007") or too long to be understood."""
        if (digits[0] == "0" and len(digits) > 1) or len(digits) > 15:
            return " ".join(self._language.cardinal(int(digit)) for digit in digits)
        return self._language.cardinal(int(digits))

    def decimals(self, decimals: str) -> str:
        """ " point one four", "" for none."""
        if not decimals:
            return ""
        return f" {self._words['point']} " + " ".join(
            self._language.cardinal(int(digit)) for digit in decimals
        )

    def amount(self, text: str, scale: str, money: Money, attributed: bool = False) -> str:
        """ "four dollars fifty", "one point two million dollars"; `attributed`: "a ten dollar bill"."""
        whole, decimals = self.parts(text)
        noun = money.one if attributed else money.many
        if scale:
            return f"{self.say(text)} {scale} {self._of(noun) if _LARGE.search(scale) else noun}"
        alone = int(whole) == 1
        said = self._language.one(money.one) if alone else ""
        said = said or self._counted(whole, money.many)
        if not decimals.strip("0"):
            is_round = int(whole) and not int(whole) % 10**6
            return f"{said} {self._of(noun) if is_round else money.one if alone else noun}"
        if money.cent and len(decimals) <= 2:
            return self._language.cents(said, money, int(decimals.ljust(2, "0")))
        return f"{self.say(text)} {money.many}"

    def _of(self, noun: str) -> str:
        """What there are millions of: "de euros", "d'euros"."""
        of = self._language.of_a_million
        if of == "de" and self._language.code == "fr" and noun[0] in "aeiou":
            return f"d'{noun}"
        return f"{of} {noun}".lstrip()

    def measure(self, text: str, unit: str, per: str = "", attributed: bool = False, scale: str = "") -> str:
        """ "fifty grams", "one liter per second"."""
        units = self._language.units
        one, many = units.get(unit, (unit, unit))
        whole, decimals = self.parts(text)
        alone = whole == "1" and not decimals and not scale
        said = self._language.one(one) if alone and unit not in "%‰" else ""
        is_share = unit in "%‰" and self._language.code == "es"  # "veintiuno por ciento"
        said = said or (self.say(text) if decimals or is_share else self._counted(whole, many))
        word = "per" if per in _TIMES or per not in units else "per unit"
        rate = f" {self._words.get(word, self._words['per'])} {units.get(per, (per,))[0]}" if per else ""
        is_less = bool(decimals) or int(whole) == 0
        is_one = alone or attributed or (is_less and int(whole) < self._language.singular_below)
        return f"{said}{scale}{'' if said.endswith(_ELIDED) else ' '}{one if is_one else many}{rate}"

    def _counted(self, digits: str, noun: str) -> str:
        """A whole number in front of what it counts: "veintiuna", "doscientas"."""
        own = self._language
        return own.counted(own.agreed(self.whole(digits), int(digits), noun))

    def _is_name(self, match: re.Match[str]) -> bool:
        labels = self._language.labels
        return bool(labels and re.search(rf"(?:^|\W)(?:{labels})$", before(match), re.IGNORECASE))

    def plain(self, match: re.Match[str]) -> str:
        """A number that nothing is known of: a year, or a number; apart from letters around it."""
        text, string = match["n"], match.string
        is_year = _is_year(text) or (
            len(text) == 4 and _CALLED_A_YEAR.search(string, 0, match.start()) is not None
        )
        if is_year and not match["minus"] and not _AS_A_YEAR.match(following(match)):
            said = self._language.year(int(text))
        else:
            said = self.say(text)
            noun = _NOUN.match(string, match.end())
            whole, decimals = self.parts(text)
            if noun and not decimals and not self._is_name(match):
                said = self._language.agreed(said, int(whole), noun[1])
        minus = f"{self._words['minus']} " if match["minus"] else ""
        start, end = match.span()
        front = " " if string[max(start - 1, 0) : start].isalpha() else ""
        return f"{front}{minus}{said}{' ' if string[end : end + 1].isalpha() else ''}"


def _is_attributed(language: Language, match: re.Match[str]) -> bool:
    """Whether it stands before what it tells of: "a five kilometer run"."""
    return (
        language.code == "en" and before(match) in ("a", "A", "an", "An") and following(match)[:1].isalpha()
    )


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and 1100 <= int(text) < 2100


class _Said:
    """What is said for the matches of one language's rules."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._say = Quantities(language)
        self._words = language.words

    def money(self, match: re.Match[str]) -> str:
        """An amount, or a range of amounts."""
        found = match.groupdict()
        money = self._language.money[found.get("code") or found["sign"]]
        scale = self._language.scales[found["scale"]] if found.get("scale") else ""
        attributed = _is_attributed(self._language, match) or bool(_ATTRIBUTED.match(following(match)))
        said = self._say.amount(found["n"], scale, money, attributed)
        if found.get("m"):
            said = f"{self._say.say(found['m'])} {self._words['to']} {said}"
        if found.get("per"):
            units = self._language.units
            said += f" {self._words['per']} {units.get(found['per'], (found['per'],))[0]}"
        return (f"{self._words['minus']} " if found.get("minus") else "") + said

    def measure(self, match: re.Match[str]) -> str:
        """A measure, or a range of measures."""
        is_one = _is_attributed(self._language, match) or match["joint"] == "-"
        scale = f" {self._language.scales[match['scale']]}" if match["scale"] else ""
        said = self._say.measure(match["n"], match["unit"], match["per"] or "", is_one, scale)
        if match["m"]:
            said = f"{self._say.say(match['m'])} {self._words['to']} {said}"
        return (f"{self._words['minus']} " if match["minus"] else "") + said + self._stop(match)

    def _stop(self, match: re.Match[str]) -> str:
        """The dot of a unit where the sentence ends with it. In German a capital begins any noun."""
        is_last = not match.string[match.end() :].strip("\"'”’)]*_ \n")
        ends = is_last if self._language.code == "de" else SENTENCE_ENDS.match(match.string, match.end())
        return "." if match[0].endswith(".") and ends else ""

    def unit(self, match: re.Match[str]) -> str:
        """A unit without a number: "in km²"."""
        units, per, said = self._language.units, match["per"], self._words["per"]
        rate = f" {said} {units.get(per, (per,))[0]}" if per else ""
        if match["of"]:
            return f" {said} {units[match['unit']][0]}{rate}"
        return units[match["unit"]][before(match) != said] + rate

    def scaled(self, match: re.Match[str]) -> str:
        """ "10k", "5M users"."""
        if match["scale"] not in self._language.scales:
            return match[0]
        return f"{self._say.say(match['n'])} {self._language.scales[match['scale']]}"

    def ordinal(self, match: re.Match[str]) -> str:
        """ "22nd"."""
        number = int(match["n"].replace(",", "").replace(".", ""))
        mark = match[0][len(match["n"]) :]
        return self._language.ordinal_form(self._language.ordinal(number), mark, before_series(match))

    def range(self, match: re.Match[str]) -> str:
        """ "9-5", "2010–2015"."""
        low, high = match["m"], match["n"]
        both = all(_is_year(part) for part in (low, high))
        say = (lambda text: self._language.year(int(text))) if both else self._say.say
        if _is_year(low) and re.fullmatch(r"\d\d", high) and int(low[2:]) < int(high):  # "1939–45"
            low = self._language.year(int(low))
            return f"{low} {self._words['to']} {self._say.say(high)}"
        return f"{say(low)} {self._words['to']} {say(high)}"

    def decimal(self, match: re.Match[str]) -> str:
        """ ".5"."""
        minus = f"{self._words['minus']} " if match["minus"] else ""
        return minus + self._say.decimals(match["n"]).lstrip()


def rules(language: Language) -> Iterator[Rule]:
    """Those where a number stands with what belongs to it come before the bare number."""
    said, number = _Said(language), number_pattern(language)
    yield from _money(language, said, number)
    minus, n = rf"(?P<minus>{_MINUS})?", rf"(?P<n>{number})"
    words = [word for word in language.scales if len(word) > 2]
    yield rule(rf"(?<![\w.,])(?P<n>\d{{1,3}}(?:[,.]\d{{3}})*){language.ordinal_mark}", said.ordinal, DIGIT)
    units = alternatives(language.units)
    many = rf"(?:\s(?P<scale>{alternatives(words)})(?=\s))?"
    yield rule(
        rf"(?=[-−\d])(?:(?<![\w.,])(?<![A-Z][-‑])|(?<=\dx)){minus}(?:(?P<m>{number})(?:{units}|\s%)?{_TO})?{n}{many}"
        rf"(?P<joint>[\s-]?)(?P<unit>{units})(?![\w²³])(?!(?<=\s[NWVJ])\.?\s[A-Z\d]){_PER}",
        said.measure,
        DIGIT,
    )
    raised = alternatives(unit for unit in language.units if unit[-1] in "²³" and "/" not in unit)
    of = r"(?:(?<=[^\W\d_])(?P<of> ?/ ?)|(?<![\w/]))"
    yield rule(rf"{of}(?P<unit>{raised}){_PER}(?!\w)", said.unit, "²³")
    yield from _bare_numbers(language, said)


def _money(language: Language, said: _Said, number: str) -> Iterator[Rule]:
    """Amounts, the sign in front or behind."""
    minus, n = rf"(?P<minus>{_MINUS})?", rf"(?P<n>{number})"
    signs = alternatives(sign for sign in language.money if not sign[-1].isalpha() or sign == "Rs")
    codes = alternatives(sign for sign in language.money if sign[-1].isalpha() and sign != "Rs")
    words = [word for word in language.scales if len(word) > 2]
    flat = r"(?:,[-–—]{1,2})?" if language.decimal_comma else r"(?:\.[-–—]{1,2})?"
    short = alternatives(word for word in language.scales if len(word) <= 2)
    scale = rf"(?:\s?(?P<scale>{alternatives(language.scales)})(?![\w]))?"
    any_sign = "".join({sign[-1] for sign in language.money})
    yield rule(
        rf"{minus}(?P<sign>{signs})\s?(?:(?P<m>{number}){_TO}(?:(?P=sign))?)?{n}{scale}{_PER}(?![\d])"
        rf"(?:\s(?P<code>{codes})(?!\w))?",
        said.money,
        any_sign + DIGIT,
    )
    yield rule(
        rf"(?=[-−\d])(?<![\w.,]){minus}(?:(?P<m>{number}){_TO})?{n}{flat}"
        rf"(?:\s?(?P<scale>{alternatives(words)}|(?:{short})(?=[€$£]))(?:\s(?:di|de))?)?\s?(?P<sign>{signs}|{codes})(?![\w]){_PER}",
        said.money,
        any_sign + DIGIT,
    )
    yield rule(r"(?P<sign>[$£€])(?P<n>\.\d+)", said.money, "$£€" + DIGIT)
    yield rule(
        rf"(?<![\w])(?P<sign>{codes})\s?{n}(?:[.,][-–—]{{1,2}}(?!\w)|{scale})(?![\w])",
        said.money,
        any_sign + DIGIT,
    )


def _bare_numbers(language: Language, said: _Said) -> Iterator[Rule]:
    """Those of which nothing says what they count."""
    number = number_pattern(language)
    minus, n = rf"(?P<minus>{_MINUS})?", rf"(?P<n>{number})"
    yield rule(rf"(?=\d)(?<![\w.,]){n}(?P<scale>[kM]|(?<=\.\d)B|mn|bn|tn)(?![\w])", said.scaled, DIGIT)
    yield rule(
        rf"(?=\d)(?<![\w.,-])(?P<m>{number})(?:[-‑]|\s?–\s?)(?P<n>{number})(?![\w-]|[.,]\d)",
        said.range,
        "-–" + DIGIT,
    )
    yield rule(rf"(?=[-−.])(?P<minus>{_MINUS})?(?<![\w.,])\.(?P<n>\d+)(?![\w.])", said.decimal, "." + DIGIT)
    yield rule(rf"(?=[-−\d]){minus}{n}", Quantities(language).plain, DIGIT)
