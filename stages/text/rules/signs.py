"""Signs in words: comparisons, arithmetic, and whatever a voice would pass over."""

import re
import unicodedata
from collections.abc import Iterator
from functools import partial

from stages.text.languages.language import Language
from stages.text.rules.rule import DIGIT, Rule, rule

_INCHES_OR_OUNCES = {"in": ("inch", "inches"), "oz": ("ounce", "ounces")}
_PART_OF = re.compile(
    r" (?:of|cup|mile|inch|foot|second|minute|hour|teaspoon|tablespoon|ounce|pound|gallon|acre|meter|liter|gram|scale|"
    r"chance)"
    r"|[-\"″]"
)
"""What behind a fraction with tenths shows that it is no score."""

_PARTS_OF_ONE = {2: ("half", "halves"), 4: ("quarter", "quarters")}


def comparisons(language: Language) -> Iterator[Rule]:
    """Signs between numbers and words that mean something together."""
    if language.code == "en":
        yield from _english(language)
    yield from _arithmetic(language)
    yield from _compared(language)


def _arithmetic(language: Language) -> Iterator[Rule]:
    """Ranges, products, differences, quotients and powers."""
    words = language.words
    yield rule(r"(?<=\d[.,]\d)/(?=(?:5|10|20|100)(?![\w/]|[.,]\d))", f" {words['out of']} ", "/" + DIGIT)
    yield rule(r"(?<=[\dkKMBbmn])(?:[-–]|\s[-–]\s)(?=[$£€¥₹]\d)", partial(_range, language), "$£€¥₹" + DIGIT)
    yield rule(
        r"(?<=\d) ?[x×] ?(?=\d+(?:[.,]\d+)? ?(?:cm|mm|m|km|ft|in)\b)", f" {words['by']} ", "x×" + DIGIT
    )
    yield rule(r"(?<=\d)\s?[×*]\s?(?=\d)|(?<=\d) x (?=[$€£]?\d)", f" {words['times']} ", "×*x" + DIGIT)
    yield rule(r" [x×] (?:(?<=[\d cm]m [x×] )|(?<=[\d ]ft [x×] ))(?=\d)", f" {words['by']} ", "x×" + DIGIT)
    yield rule(r"(?<=\d)x(?=\d)", f" {words['by']} ", "x" + DIGIT)
    factor = (
        r"(?<=\d)x(?= ?[+=^]| [-−*/] (?:[\d(]|[a-z]\b))|(?:(?<=[+=] \d)|(?<=[+=]\d)|(?<=[+=] \d\d))x(?!\w)"
    )
    yield rule(factor, " x", "x" + DIGIT)
    yield rule(r"(?<=\d)[x×](?!\w)", f" {words['times']}", "x×" + DIGIT)
    counted = r"(?= ?(?:[a-zà-ü]{3,}|%|°)(?<!\bis)(?<!\bist)(?<!\best)(?<!\bequals))"
    yield rule(rf"(?<=\d) [-–] (?=\d+(?:[.,]\d+)?{counted})", f" {words['to']} ", "-–" + DIGIT)
    yield rule(r"(?:(?<=[\d)])|(?<=\dx)) [-−–] (?=[\d(])", f" {words['minus']} ", "-−–")
    yield rule(r"(?<=\d)/(?=[a-z](?!\w))", f" {words['over']} ", "/" + DIGIT)
    yield rule(r"(?<=\d) / (?=\d)|(?<=\d)\s?÷\s?(?=\d)", f" {words['divided']} ", "/÷" + DIGIT)
    yield rule(
        r"(?<![\w.])(?=\d+(?:[.,]\d|e|E[+-]))(\d+)(?:[.,](\d+))?[eE]\+?(-?)(\d{1,3})(?!\w)",
        partial(_scientific, language),
        "eE" + DIGIT,
    )
    yield rule(r"(?<!\w)0x(?=[\dA-Fa-f]{1,16}(?!\w))", f"{language.cardinal(0)} x ", "x" + DIGIT)
    for power, sign in (("2", "²"), ("3", "³")):
        if sign in language.signs:
            yield rule(
                rf"\s?\^\s?(?:{power}(?![\w.,]*\w)|\{{{power}\}})", f" {language.signs[sign]}", "^" + DIGIT
            )
    yield rule(r"\s?\^\s?\{?-(?=\w)", f" {words['power']} {words['minus']} ", "^")
    yield rule(r"\s?\^\s?\{?(?=[\d\w(])", f" {words['power']} ", "^")


def _compared(language: Language) -> Iterator[Rule]:
    """How numbers and words stand to each other."""
    words = language.words
    yield rule(r"(?<=\d):(?=\d)", f" {words.get('ratio', words['to'])} ", ":" + DIGIT)
    yield rule(r"\s?(?:>=|=>(?=\s?\d))\s?", f" {language.signs.get('≥', '')} ", ">")
    yield rule(r"\s?<=\s?", f" {language.signs.get('≤', '')} ", "<")
    yield rule(r"(?<=[\w)\]]) && (?=[\w!(])", f" {language.signs['&']} ", "&")
    yield rule(r"(?<=[^\W\d_]{2}) > (?=[A-Z])", ", ", ">")
    yield rule(r"\s?(?:!=|=/=)\s?", f" {words['is not']} ", "=")
    yield rule(r"\s?={2,3}\s?", f" {words['equals']} ", "=")
    yield rule(r"\s?(?:[-=]+>|→)\s?", f" {words['to']} ", ">→")
    yield rule(
        r"(?<=\b[Ii]s) ([<>]) (?=[\w-])", lambda m: f" {words['less' if m[1] == '<' else 'more']} ", "<>"
    )
    yield rule(r"(?<=\w) < (?=[\w-])", f" {words['is less']} ", "<")
    yield rule(r"(?<=\w) > (?=[\w-])", f" {words['is more']} ", ">")
    yield rule(r"(?<=[\w)])<(?=-?\d)", f" {words['is less']} ", "<" + DIGIT)
    yield rule(r"(?<=[\w)])>(?=-?\d)", f" {words['is more']} ", ">" + DIGIT)
    yield rule(r"<\s?(?=-?[$£€]?\.?\d)", f" {words['less']} ", "<" + DIGIT)
    yield rule(r">\s?(?=-?[$£€]?\.?\d)", f" {words['more']} ", ">" + DIGIT)
    yield rule(r"~\s?(?=[\d$£€])", f" {words['about']} ", "~")
    yield rule(r"#(?=[A-Z]{0,3}-?\d)", f" {words['number']} ", "#" + DIGIT)
    yield rule(r"(?<![\w&])#(?=[^\W\d_])", f"{words['hashtag']} ", "#")


def rules(language: Language) -> Iterator[Rule]:
    """What is left after all other rules: each sign that has a name by its name, and the rest as a gap."""
    said = {sign: f" {name} " for sign, name in language.signs.items()} | {"@": f" {language.words['at']} "}
    signs = "".join(map(re.escape, said))
    yield rule(r"(?<!\S)[:;]['’]?-?[)(DPp/|\]](?!\w)", "", ":;")
    yield rule(r"(?<=[^\W\d_])/(?=[^\W\d_])", " ", "/")
    raised = "⁰¹²³⁴⁵⁶⁷⁸⁹"
    yield rule(
        rf"(?<=[^\W\d_]{{3}})(?:[⁰¹⁴-⁹]|[{raised}]{{2,}})(?!\w)", "", raised
    )  # of a note below the text
    yield rule(rf"[⁺⁻][{raised}]+|(?![²³](?![{raised}]))[{raised}]+", partial(_raised, language), raised)
    yield rule(rf"[{signs}]+", partial(_signs, said), "".join(said))
    yield rule(
        r"[①-⑳]",
        lambda match: f" {language.cardinal(int(unicodedata.numeric(match[0])))} ",
        "".join(map(chr, range(0x2460, 0x2474))),
    )
    yield rule(r"[₀-₉]+", partial(_lowered, language), "₀₁₂₃₄₅₆₇₈₉")
    yield rule(r"--+", " — ", "-")
    yield rule(r"[^\w\s.,;:!?¡¿'\"()…—–’‘“”-]|_", " ")


def unknown() -> Iterator[Rule]:
    """Of a language that is not known: what no voice reads is a gap, and numbers and signs stay."""
    yield rule(r"[^\w\s.,;:!?¡¿'\"()°%$£€¥¢₹+=/&@…—–’‘“”。，、！？：；-]|_", " ")


def _english(language: Language) -> Iterator[Rule]:
    yield from _feet_and_inches(language)
    yield rule(r"\bI (?:<3|❤️?|♥️?)(?= [a-zA-Z])", "I love", "<❤♥")
    yield rule(r"(?<=\w) \|\| (?=[\w!(])", " or ", "|")
    yield rule(r"(?<=\d) ?[★⭐]️?(?= [a-z])", " star", "★⭐" + DIGIT)
    yield rule(
        r"(?:(?<=\bto )|(?<=\bat )|(?<=\bof )|(?<=\())(\d{2,3}) ?F(?!\w)",
        lambda match: f"{language.cardinal(int(match[1]))} degrees Fahrenheit",
        "F" + DIGIT,
    )
    yield rule(
        r"(?<![\w.,])(144|240|360|480|720|1080|1440|2160)p(?!\w)",
        lambda match: f"{language.cardinal(int(match[1]))} p",
        "p" + DIGIT,
    )
    counted = (
        r"(?:(?<=[\ds])|(?<=[KMGT]B)|(?<=\breq)|(?<=\bcost)|(?<=\bprice)|(?<=/person)|(?<=/kg)|(?<=/lb))"
    )
    spans = "second|minute|hour|day|night|week|month|year|person|game|match|room|share|user|unit|item|piece"
    yield rule(rf"{counted} ?/ ?(?=(?:{spans})\b(?! ?/))", " per ", "/")
    rates = {short: language.units[short][0] for short in ("yr", "mo", "wk", "hr", "min", "sec", "mi", "km")}
    yield rule(rf"(?<=[a-z\d])/({'|'.join(rates)})(?!\w)", lambda match: f" per {rates[match[1]]}", "/")
    yield from _parts_of_one(language)


def _feet_and_inches(language: Language) -> Iterator[Rule]:
    foot = partial(_feet, language)
    yield rule(r"(?<![\w'’])(\d{1,2})['′’](\d{1,2})(?:\"|''|″|”|(?!\w))", foot, "'′’" + DIGIT)
    yield rule(
        r"(?<![\w'’])(\d{1,3})['′](?= (?:tall|long|wide|high|deep|x|by)\b)",
        partial(_lone, language, "ft"),
        "'′" + DIGIT,
    )
    sized = r"monitor|screen|TV|tv|display|tall|long|wide|high|deep|x|pipe|wheels?"
    inches = rf"(?<![\w\".])(\d{{1,3}})[\"″](?= (?:{sized})\b)"
    yield rule(inches, partial(_lone, language, "in"), '"″' + DIGIT)
    yield rule(
        r"(?<![\w\"])(\d{1,3})[\"″] ?[x×] ?(\d{1,3})[\"″]",
        lambda match: f"{language.cardinal(int(match[1]))} by {language.cardinal(int(match[2]))} inch",
        '"″' + DIGIT,
    )
    yield rule(r"(?<=/\d)[\"″](?= [a-z])", " inch", '"″' + DIGIT)
    rain = r"(?=[\"″] of (?:rain|snow|ice|water)\b)"
    yield rule(rf"(?<=\d){rain}[\"″]", " inches", '"″' + DIGIT)


def _parts_of_one(language: Language) -> Iterator[Rule]:
    """Fractions, with the units behind them."""
    fraction = partial(_fraction, language)
    small = r"(?:[ -](?P<unit>tsp|tbsp|lbs?|oz|mi|in(?! [a-z]))\b\.?)?"
    parts = r"(?<![\w./])(?:(?P<whole>\d{1,3})[ -])?(?P<a>\d{1,3})[/⁄](?P<b>\d{1,3})(?![\w/]|\.\d)"
    yield rule(parts + small, fraction, "/⁄" + DIGIT)
    yield rule(r"(?<=\d)\s?½", " and a half", "½" + DIGIT)
    yield rule(r"(?<=\d)\s?([¼¾⅓⅔])", lambda match: f" and {language.signs[match[1]]}", "¼¾⅓⅔" + DIGIT)
    units = r"(?<=[½¼¾⅓⅔])\s?(tsp|tbsp|lb|oz|mi|kg|km|m|l|h)\b\.?"
    yield rule(units, partial(_behind_part, language), "½¼¾⅓⅔")
    yield rule(
        r"(?<=\d (?:ft|lb)) (\d{1,2}) (in|oz)\b(?! an?\b)",
        lambda match: f" {language.cardinal(int(match[1]))} {_INCHES_OR_OUNCES[match[2]][match[1] != '1']}",
        "f" + DIGIT,
    )


def _signs(said: dict[str, str], match: re.Match[str]) -> str:
    return "".join(said.get(sign, " ") for sign in match[0])


def _range(language: Language, match: re.Match[str]) -> str:
    """ "$100K–$1M"; what is no amount before it is no range: "iPhone 15 - $799"."""
    is_amount = re.search(r"[$£€¥₹] ?[\d.,]+ ?(?:[kKMBbm]|mn|bn|tn)?\Z", match.string[: match.start()])
    return f" {language.words['to']} " if is_amount else match[0]


def _raised(language: Language, match: re.Match[str]) -> str:
    power = int("".join(str(unicodedata.digit(char)) for char in match[0].lstrip("⁺⁻")))
    minus = f" {language.words['minus']}" if match[0][0] == "⁻" else ""
    return f" {language.words['power']}{minus} {language.cardinal(power)}"


def _behind_part(language: Language, match: re.Match[str]) -> str:
    """ "three quarters teaspoon", "one and a half pounds"."""
    has_whole = match.string[: match.start() - 1].rstrip()[-1:].isdigit()
    return f" {language.units[match[1]][has_whole]}"


def _scientific(language: Language, match: re.Match[str]) -> str:
    """ "one point five times ten to the power of minus four"."""
    words, say = language.words, language.cardinal
    decimals = " ".join(say(int(digit)) for digit in match[2] or "")
    number = say(int(match[1])) + (f" {words['point']} {decimals}" if decimals else "")
    minus = f"{words['minus']} " if match[3] else ""
    return f"{number} {words['times']} {say(10)} {words['power']} {minus}{say(int(match[4]))}"


def _lowered(language: Language, match: re.Match[str]) -> str:
    return "".join(f" {language.cardinal(unicodedata.digit(char))}" for char in match[0]) + " "


def _feet(language: Language, match: re.Match[str]) -> str:
    feet = language.cardinal(int(match[1]))
    return f"{feet} foot {language.cardinal(int(match[2]))}"


def _lone(language: Language, unit: str, match: re.Match[str]) -> str:
    """ "six feet", "a twenty seven inch monitor"."""
    one, many = {"ft": ("foot", "feet"), "in": ("inch", "inch")}[unit]
    return f"{language.cardinal(int(match[1]))} {one if match[1] == '1' else many}"


def _fraction(language: Language, match: re.Match[str]) -> str:
    """ "one half", "two and three quarters", "ten out of ten", "four out of five stars"."""
    whole, a, b = match["whole"], int(match["a"]), int(match["b"])
    front = f"{language.cardinal(int(whole))} and " if whole else ""
    rated = re.match(r" (?:stars?|points?|correct|right)\b", match.string[match.end() : match.end() + 10])
    is_score = b in (10, 100) and not match["unit"] and not _PART_OF.match(match.string, match.end())
    if a == b or b == 0 or ((rated or is_score) and not whole):
        return f"{front}{language.cardinal(a)} {language.words['out of']} {language.cardinal(b)}"
    if b < 2 or a > b or (b > 20 and b not in (32, 64, 100)):
        return f"{front}{language.cardinal(a)} {language.words['over']} {language.cardinal(b)}"
    one, many = language.units.get(match["unit"] or "", ("inch", "inches"))
    unit = f" {many if whole else one}" if match["unit"] else ""
    if whole and (a, b) == (1, 2):
        return f"{front}a half{unit}"
    one, many = _PARTS_OF_ONE.get(b, (language.ordinal(b), f"{language.ordinal(b)}s"))
    return f"{front}{language.cardinal(a)} {one if a == 1 else many}{unit}"
