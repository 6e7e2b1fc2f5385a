"""Numbers that are names, digit by digit: telephone numbers, codes, versions; and names with signs in them: C#."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.rule import DIGIT, Rule, alternatives, before, following, rule

_CALLED = (
    "[Cc]all(?:s|ed|ing)?|[Dd]ial(?:s|ed|ing|ling)?|[Rr]ing|[Pp]hone|[Tt]ext(?:ing)?|[Cc]ontact|"
    "[Aa]ppele[zr]|[Cc]omposez|[Ll]lam[ea]r?|[Mm]ar(?:que|ca)|[Rr]ufe?(?:n Sie)?|[Ww]ähle?(?:n Sie)?|"
    "[Cc]hiam(?:ate|are|[ai])|"
    "[Cc]omponi"
)
_SOFTWARE = (
    "i(?:Pad)?OS|macOS|watchOS|Android|Windows|Linux|Ubuntu|Debian|Python|Java|PHP|Ruby|Node(?:\\.js)?|Firefox|Chrome|"
    "Safari|USB|HDMI|Bluetooth|TLS|GPT|Llama|Office"
)
"""What has versions with a point, also where the custom is a comma."""
_TELEPHONE = "|".join(rf"(?<=\b[Tt][eé]l{mark})" for mark in (r"\.", r"\. ", ": ", r"\.: "))
"""What is right behind one of these is a telephone number."""
_AT = r"(?:(?:me|us|him|her|them|back|at|le|el|al|il|la|lo|die|den) ){0,3}(?:l['’])?"
_GROUPS = r"\d{2,4}(?:[ .]\d{2,4}){2,5}"
_THINGS = "people|persons|customers|clients|users|friends|numbers|men|women|times|of|more|other"
_ALWAYS_CALLED = frozenset(("911", "112", "999", "988"))
_ARTICLES = frozenset(("el", "il", "al", "le", "die", "der"))
_COUNTED = re.compile(r"(?:people|persons|of|[a-z]{3,}s)\b(?<!is)(?<!was)(?<!has)(?<!this)(?<!services)")

_COUNTED_IN = {
    "de": re.compile(r"[A-ZÄÖÜ][a-zäöüß]{2,}(?:e|en|er|n|s)\b"),
    "it": re.compile(r"(?!anche|oppure|dove|come|sempre|mentre)[a-z]{3,}(?<!ment)[ei]\b"),
}
"""Where their plurals do not end in "s"."""


class _Names:
    def __init__(self, language: Language) -> None:
        self._language = language

    def digits(self, match: re.Match[str]) -> str:
        """Digit by digit, with a breath where the text has a gap."""
        plus = f"{self._language.words['plus']} " if match[0].startswith("+") else ""
        plus = f" {plus}" if match.string[max(match.start() - 1, 0) : match.start()].isalpha() else plus
        return plus + ", ".join(self.spelt(group) for group in re.findall(r"\d+", match[0]))

    def code(self, match: re.Match[str]) -> str:
        """The digits behind the word that says that they are a code."""
        digits = re.sub(r"(?<=\d)[ .](?=\d)", ", ", match["digits"])
        return match["what"] + re.sub(r"\d+", lambda group: self.spelt(group[0]), digits)

    def called(self, match: re.Match[str]) -> str:
        """The same of a number that is called, unless that one is said as one number."""
        whole = re.fullmatch(self._language.called_whole, match["digits"])
        return match["what"] + self.number(match["digits"]) if whole else self.code(match)

    def emergency(self, match: re.Match[str]) -> str:
        """Digit by digit, unless things are counted."""
        after = following(match)
        counted = _COUNTED_IN.get(self._language.code, _COUNTED)
        if match[0] != "911" and (_COUNTED.match(after) or counted.match(after)):
            return self._language.cardinal(int(match[0]))
        if match[0] not in _ALWAYS_CALLED and (
            before(match).casefold() not in _ARTICLES or after[:1].isalpha()
        ):
            return self._language.cardinal(int(match[0]))
        return self.spelt(match[0])

    def version(self, match: re.Match[str]) -> str:
        """Its numbers, with a point between them."""
        point = self._language.words["dot" if self._language.decimal_comma else "point"]
        return f" {point} ".join(self.number(part) for part in match[0].split("."))

    def named_version(self, match: re.Match[str]) -> str:
        """ "version two point ten"."""
        point = f" {self._language.words['dot' if self._language.decimal_comma else 'point']} "
        return match["what"] + point.join(map(self.number, match["digits"].split(".")))

    def number(self, digits: str) -> str:
        """A number; as its digits if it is long or begins with a zero."""
        if len(digits) > 4 or (digits[0] == "0" and len(digits) > 1):
            return self.spelt(digits)
        return self._language.cardinal(int(digits))

    def spelt(self, digits: str) -> str:
        """ "nine one one"."""
        return " ".join(self._language.cardinal(int(digit)) for digit in digits)


def rules(language: Language) -> Iterator[Rule]:
    """In the words of `language`."""
    say = _Names(language)
    yield from _telephone_numbers(language, say)
    yield from _called(language, say)
    yield from _versions(say, language.decimal_comma)
    yield from _signs(language)


def _telephone_numbers(language: Language, say: _Names) -> Iterator[Rule]:
    """With a country's or a trunk's code, and without."""
    yield rule(
        r"(?<![\w+])\+\d{1,3}(?:[ .-]?\(\d{1,5}\))?"
        r"(?:\d{4,12}|[ .-]?\d{1,8}(?:[ .-]\d{1,8}){1,6}|[ .-]\d{6,12})(?!\d)",
        say.digits,
        "+" + DIGIT,
    )
    yield rule(r"(?<!\w)\(0\) ?\d{1,5}(?:[ /-]?\d{2,8}){1,4}(?!\d)", say.digits, "(" + DIGIT)
    yield rule(
        r"(?=[+(\d])(?:\+?\d{1,3}[ .-]?)?\(\d{2,5}\) ?\d{3,4}[ .-]?\d{3,4}(?!\d)", say.digits, "(" + DIGIT
    )
    yield rule(r"(?=[+\d])(?<![\d.,-])(?:\+?\d{1,3}[ .-])?\d{3}([ .-])\d{3}\1\d{4}(?!\d)", say.digits, DIGIT)
    yield rule(r"(?<![\w.,-])\d{3}-\d{4}(?![\w-])", say.digits, "-" + DIGIT)
    yield rule(r"(?<![\w.,-])0\d(?:\.\d\d){4}(?![\w.,]*\d)", say.digits, "." + DIGIT)
    yield rule(r"(?<![\d.,:/-])0\d{1,4}(?:[ /-]\d{2,8}){1,4}(?![\d.,:-]*\d)", say.digits, DIGIT)
    yield rule(
        rf"(?:{_TELEPHONE})(?=(?:[ /-]?\d){{4}})\d{{2,8}}(?:[ /-]\d{{2,8}}){{0,4}}(?![\w]|[.,:/-]\d)",
        say.digits,
        DIGIT,
    )
    if language.code == "en":
        yield rule(r"(?<=\d{4}),? x(?=\d{1,5}(?!\w))", " extension ", "x" + DIGIT)
    if language.code == "es":
        ends = r"(?=\s*(?:[.,;:!?)](?!\d)|$))"
        yield rule(rf"(?<![\w.,])[6-9]\d\d \d{{3}} \d{{3}}{ends}", say.digits, DIGIT)
        yield rule(
            r"(?<![\w.,])(?:[6-9]\d\d(?: \d\d){3}|9\d \d{3} \d\d \d\d)(?![\w.,]*\d)", say.digits, DIGIT
        )
        yield rule(
            rf"\b(?P<what>(?:{_CALLED}|[Tt]eléfono|[Mm]óvil|[Nn]úmero)(?: es)? {_AT})"
            r"(?P<digits>[6-9]\d\d \d{3} \d{3})(?![\w.,]*\d)",
            lambda match: match["what"] + ", ".join(map(say.spelt, match["digits"].split())),
            DIGIT,
        )
    yield rule(r"(?<![\w.])1-8\d\d(?=-[A-Z\d])", say.digits, DIGIT)
    yield rule(r"(?<![\w.,-])\d+(?:-\d+){2,}(?![\w-]|[.,]\d)", say.digits, "-" + DIGIT)
    yield rule(r"(?<![\w.,-])\d{4}(?: \d{4}){2,}(?![\w-]|[.,]\d)", say.digits, " " + DIGIT)


def _called(language: Language, say: _Names) -> Iterator[Rule]:
    """A number that is called, or too long for any other."""
    units = alternatives(language.units)
    yield rule(
        rf"\b(?P<what>(?:{_CALLED}) (?:[A-Z]{{2,12}} to )?{_AT})"
        rf"(?P<digits>{_GROUPS}|\d{{3}} \d{{4}}|\d{{3,6}}(?: or \d{{3,6}})?)\b(?![.,:]\d|-\w| \d| (?:{_THINGS})\b)",
        say.called,
        DIGIT,
    )
    yield rule(
        rf"(?<![\w.,:$£€/-])(?:{language.emergencies})(?![\w%°]|[.,:/-]\d| ?[€$£]|\s(?:{units})(?!\w))",
        say.emergency,
        DIGIT,
    )
    yield rule(r"(?<![\d.,:$£€-])(?:0\d{2,}|\d{7,}(?<!000))(?![\d.,:]*\d)", say.digits, DIGIT)


def _versions(say: _Names, decimal_comma: bool) -> Iterator[Rule]:
    yield rule(r"(?<![\d.])(?!\d{1,3}(?:\.\d{3}){2,}(?!\.?\d))\d+(?:\.\d+){2,}(?!\d)", say.version, DIGIT)
    yield rule(r"(?<![A-Za-z])[vV](?=\d+\.)", "version ", DIGIT)
    if decimal_comma:
        yield rule(rf"\b(?P<what>(?:{_SOFTWARE}) )(?P<digits>\d+\.\d+)(?!\.?\d)", say.named_version, DIGIT)
    yield rule(r"\b(?P<what>[Vv]ersi(?:on|ón|one) )(?P<digits>\d+\.\d+)(?!\.?\d)", say.named_version, DIGIT)


def _signs(language: Language) -> Iterator[Rule]:
    """Names with signs in them."""
    yield rule(r"\b([A-Z])(?:#|♯)(?!\w)", r"\1 sharp", "#♯")
    yield rule(r"\b([A-G])♭", r"\1 flat", "♭")
    yield rule(r"(?<=\b[A-Za-z])\+\+(?!\w)", " plus plus", "+")
    yield rule(r"(?<=\b[A-Z])\.(?=\d)", " ", "." + DIGIT)
    yield rule(
        r"\b([A-Z]{1,3})&([A-Z]{1,3})\b(?!;)",
        lambda match: f"{' '.join(match[1])} {language.signs['&']} {' '.join(match[2])}",
        "&",
    )
    yield rule(r"\bCO[2₂](?!\w)", f"C O {language.cardinal(2)}", "2₂")
    yield rule(r"\bH[2₂]O(?!\w)", f"H {language.cardinal(2)} O", "2₂")
