"""Abbreviations as the words that they stand for, by what stands around them; numerals of letters.

An abbreviation's dot may end the sentence as well: it is kept where the sentence is over, and is not said elsewhere.
"""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.rule import DIGIT, Rule, alternatives, before, rule

_TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Mx": "Mix", "Dr": "Doctor", "Prof": "Professor", "St": "Saint",
    "Mt": "Mount", "Ft": "Fort", "Gen": "General", "Gov": "Governor", "Sen": "Senator", "Rep": "Representative",
    "Capt": "Captain", "Lt": "Lieutenant", "Col": "Colonel", "Sgt": "Sergeant", "Cmdr": "Commander",
    "Rev": "Reverend", "Hon": "Honorable", "Pres": "President", "Cpl": "Corporal", "Maj": "Major", "Adm": "Admiral",
    "Msgr": "Monsignor", "Messrs": "Messieurs",
}  # fmt: skip
_BEHIND_NAMES = {
    "Dr": "Drive", "St": "Street", "Ave": "Avenue", "Av": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane",
    "Hwy": "Highway", "Pkwy": "Parkway", "Ct": "Court", "Pl": "Place", "Sq": "Square", "Ter": "Terrace", "Jr": "Junior",
    "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation", "Co": "Company", "Bros": "Brothers",
    "Bldg": "Building", "Mt": "Mountain",
}  # fmt: skip
_NUMBERED = {
    "no": "number", "nos": "numbers", "fig": "figure", "figs": "figures", "p": "page", "pp": "pages", "pg": "page",
    "vol": "volume", "ch": "chapter", "sec": "section", "art": "article", "eq": "equation", "ex": "example",
    "ext": "extension", "apt": "apartment", "ste": "suite", "tel": "telephone", "ver": "version", "ed": "edition",
    "para": "paragraph", "tab": "table", "rm": "room", "approx": "approximately", "ca": "about",
    "max": "maximum", "min": "minimum", "avg": "average", "est": "estimated", "temp": "temperature",
}  # fmt: skip
_PARTS = (
    "Part|Chapter|Volume|Vol|Act|Scene|Section|Book|Phase|Article|Type|Level|Stage|Class|Grade|Episode|Round|Mark|"
    "Title|Appendix|Schedule|Category|Division|Group"
)
_RULERS = (
    "Henry|Louis|Edward|George|William|Charles|James|Richard|Elizabeth|Napoleon|Pius|Benedict|Leo|John|Paul|Ramses|"
    "Ramesses|Frederick|Philip|Alexander|Nicholas|Peter|Catherine|Ivan|Umberto|Emmanuel|Gustav|Christian|Ferdinand|"
    "Francis|Gregory|Urban|Innocent|Mary|Anne|Harald|Carlos|Juan|Haakon|Margrethe|Wilhelm|Friedrich|Karl|Otto"
)
_RANK = "King|Queen|Pope|Emperor|Empress|Kaiser|Tsar|Tsarina|Czar|Saint|Prince|Duke"
NUMERAL = r"(?=[IVXL]{2})(?:L?X{0,3}|XL)(?:IX|IV|V?I{0,3})(?!\w)(?!['’]\w)"
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
SENTENCE_ENDS = re.compile(r"[\"'”’)\]*_]*(?:\s*$|\s+[\"'“‘(\[*_]*[A-Z])")


_DETERMINERS = frozenset(
    (
        "The",
        "A",
        "An",
        "My",
        "Our",
        "Your",
        "His",
        "Her",
        "Their",
        "This",
        "That",
        "And",
        "But",
        "When",
        "If",
        "Is",
        "Dear",
    )
)


def numeral_value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    return sum(
        -value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True)
    )


_IN_FRONT = frozenset(
    (
        *(
            "Dr.",
            "Prof.",
            "Hr.",
            "Fr.",
            "M.",
            "MM.",
            "Me.",
            "Sr.",
            "Sra.",
            "Srta.",
            "Dra.",
            "D.",
            "Dña.",
            "Sig.",
            "sig.",
        ),
        *("Dott.", "dott.", "prof.", "Avv.", "Ing."),
        *("St.", "Ste.", "vs.", "Av.", "av.", "Avda.", "Bd.", "bd.", "Pza.", "Plza."),
        *(
            "approx.",
            *("zw.", "bzgl.", "Fa.", "z. Hd.", "gem.", "Abs.", "exkl.", "u.", "od."),
            "esp.",
            "Esp.",
            "aprox.",
            "env.",
            "ca.",
            "e.g.",
            "i.e.",
            "cf.",
            "vgl.",
            "incl.",
            "inkl.",
            "excl.",
            "zzgl.",
        ),
        *(
            "z. B.",
            "z.B.",
            "z. Zt.",
            "z.Zt.",
            "u. a.",
            "u.a.",
            "u. U.",
            "i. d. R.",
            "bzw.",
            "ggf.",
            "evtl.",
            "max.",
            "mind.",
        ),
        *("Nr.", "Tel.", "Abb.", "Kap.", "Mio.", "Mrd."),
        *("p. ej.", "p.ej.", "p. ex.", "p.ex.", "p. es.", "p.es.", "ad es.", "c.-à-d.", "d. h.", "d.h."),
    )
)
"""In front of what they belong to, such as a name: no sentence ends with them."""


_LETTERED = frozenset(
    ("plan", "vitamina", "vitamine", "grupo", "groupe", "letra", "lettre", "opción", "option")
)
"""In front of a letter that is no title: "vitamina D."."""


def _stop(match: re.Match[str]) -> str:
    """The dot of an abbreviation where the sentence ends with it."""
    if match[0] in _IN_FRONT and re.match(r" +\w", match.string[match.end() : match.end() + 4]):
        return ""
    return _stop_behind(match)


def _stop_behind(match: re.Match[str]) -> str:
    """The same where nothing else can follow that belongs to it: behind a name."""
    return "." if match[0].endswith(".") and SENTENCE_ENDS.match(match.string, match.end()) else ""


def _is_name(word: str) -> bool:
    return word[:1].isupper() or (word[:1].isdigit() and word[-2:] in ("st", "nd", "rd", "th"))


def _title_or_street(match: re.Match[str]) -> str:
    """ "Dr. Smith" and "Elm Dr.": what stands in front tells, and what follows."""
    short = match["short"]
    word = before(match)
    is_behind = (_is_name(word) and word[-1:].isalnum() and word not in _TITLES) or word == "&"
    is_behind = is_behind or short == "Jr"
    is_behind = is_behind and not (short in _TITLES and word.endswith(("'s", "’s")))
    leads = re.match(r"\.? +[\"“]?[A-Z]", match.string[match.end("short") : match.end("short") + 6])
    if is_behind and word in _DETERMINERS:
        is_behind = False
    elif leads and is_behind and short in _TITLES:
        head = match.string[: match.start()].rstrip().rsplit(maxsplit=2)
        is_behind = len(head) > 1 and (
            _is_name(head[-2]) or head[-2][:1].isdigit() or head[-2] in ("on", "at", "of")
        )
    if short in _BEHIND_NAMES and (is_behind or short not in _TITLES):
        return _BEHIND_NAMES[short] + _stop_behind(match) if is_behind else match[0]
    if leads or short in ("Mr", "Mrs", "Ms", "Mx", "Messrs") or (short == "Dr" and not _stop(match)):
        return _TITLES[short]
    return match[0]


def _ordinal_name(language: Language, numeral: str) -> str:
    return f" the {language.ordinal(numeral_value(numeral))}"


def _written_small(language: Language) -> Iterator[tuple[str, str]]:
    """Those that may begin a sentence."""
    for word, said in language.abbreviations.items():
        if word[0].islower() and "." in word and len(word) > len("n."):
            yield word, said


def rules(language: Language) -> Iterator[Rule]:
    """Of English by their surroundings; of other languages those that are always said alike."""
    short = {
        f"{word[0].upper()}{word[1:]}": f"{said[0].upper()}{said[1:]}"
        for word, said in _written_small(language)
    }
    short |= language.abbreviations
    ends = alternatives(short)
    needs = "".join({next((mark for mark in "./" if mark in word), word[0]) for word in short})

    def said(match: re.Match[str]) -> str:
        front = before(match).casefold()
        is_letter = match[0] in ("D.", "M.") and (front in _LETTERED or front[-1:].isdigit())
        return match[0] if is_letter else short[match[0]] + _stop(match)

    yield rule(rf"(?<![\w.])(?:{ends})(?!\w)", said, needs)
    if language.code == "en":
        yield from _english(language)


def _english(language: Language) -> Iterator[Rule]:
    both = alternatives({*_TITLES, *_BEHIND_NAMES})
    yield rule(
        rf"(?<![\w.])(?P<short>{both})(?:\.(?![\w.])|(?= [A-Z][a-z]))",
        _title_or_street,
        "tsrfpnvltjymdxcleqCDS",
    )
    yield rule(
        r"(?<=\d(?:st|nd|rd|th) )(St|Ave|Blvd|Rd|Pl)(?![\w.])",
        lambda match: _BEHIND_NAMES[match[1]],
        "SABRP" + DIGIT,
    )
    yield rule(
        rf"\b({_PARTS}) (I{{1,3}}|IV|V) (and|or|to|of) (I{{1,3}}|IV|VI{{0,3}}|IX|X)(?!\w)",
        lambda match: " ".join(
            word if at in (0, 2) else language.cardinal(numeral_value(word))
            for at, word in enumerate(match.groups())
        ),
        "IVX",
    )
    numbered = alternatives([*_NUMBERED, *(word.capitalize() for word in _NUMBERED)])
    yield rule(rf"(?<![\w.])({numbered})\. ?(?=[#$£€]?\d|(?<!No\.)(?<!No\. )[IVX]{{2,}}\b)", _numbered, ".")
    yield from _english_numerals(language)


def _english_numerals(language: Language) -> Iterator[Rule]:
    """Roman ones: of wars, parts and rulers."""
    yield rule(
        r"\b(World War) (I{1,3})(?!\w)", lambda m: f"{m[1]} {language.cardinal(len(m[2])).title()}", "I"
    )
    yield rule(r"(?<=\bWW)(I{1,2})(?!\w)", lambda m: f" {language.cardinal(len(m[1])).title()}", "I")
    yield rule(
        rf"\b((?:{_PARTS})) I(?=[.,:;)\]!?–—-]|$|\s+(?:of|is|and|or|to|ends|begins|covers|deals|diabetes)\b)",
        lambda m: f"{m[1]} {language.cardinal(1)}", "I",
    )  # fmt: skip
    yield rule(
        rf"\b((?:{_RANK}) \w+|{_RULERS}) ({NUMERAL}|(?:(?<=[a-z] )[VX](?!\w)(?![.'’]\w)))",
        lambda m: m[1] + _ordinal_name(language, m[2]), "IVX",
    )  # fmt: skip
    yield rule(
        rf"\b((?:{_RANK}) [A-Z]\w+) I(?![\w'’])"
        r"(?! (?:am|was|think|believe|know|like|love|have|had|will|would|can|do|did|met)\b)",
        lambda m: m[1] + _ordinal_name(language, "I"), "I",
    )  # fmt: skip
    yield rule(
        rf"\b([A-Z][\w]*[a-z]|{_PARTS.lower()}) ({NUMERAL})",
        lambda m: f"{m[1]} {language.cardinal(numeral_value(m[2]))}",
        "IVX",
    )
    yield rule(
        rf"\b({_PARTS}) ([VX])(?=[.,:;)\]!?]|$|\s+[a-z])",
        lambda m: f"{m[1]} {language.cardinal(numeral_value(m[2]))}",
        "VX",
    )


def _numbered(match: re.Match[str]) -> str:
    short = match[1]
    said = _NUMBERED[short.lower()]
    return f"{said.capitalize() if short[0].isupper() else said} "
