"""Evens out how people's words are written: lower case, no punctuation, numbers as digits. Pure.

Recognisers and keyboards spell freely; after `plain` it makes no difference whether one wrote "Seven thirty
P.M.", "7:30 pm" or "seven thirty p m" (the last two as "7 30 pm"; what time that is, is for others to read).
"""

import re

_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_RANKS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth",
)  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = (
    {"zero": 0, "oh": 0, "a": 1, "an": 1}
    | {word: value for value, word in enumerate(_UNITS + _TEENS, start=1)}
    | {word: 10 * value for value, word in enumerate(_TENS, start=2)}
)
_RANK_VALUES = {word: value for value, word in enumerate(_RANKS, start=1)} | {
    f"{word.removesuffix('y')}ieth": 10 * value for value, word in enumerate(_TENS, start=2)
}


def _any(words: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(words)})"


_TO_99 = rf"(?:{_any(_TENS)}(?: {_any(_UNITS)})?|{_any(_TEENS)}|{_any(_UNITS)}|zero)\b"
_TO_999 = rf"(?:(?:{_TO_99}|an?) hundred(?: (?:and )?{_TO_99})?|{_TO_99})"
_SCALED = rf"(?:{_TO_999}|an?) (?:thousand|million|billion)"
_CARDINAL = re.compile(
    rf"\b(?:{_SCALED}(?: (?:and )?{_SCALED})*(?: (?:and )?{_TO_999})?|{_TO_999})"
    rf"(?: point((?: (?:zero|oh|{_any(_UNITS)})\b)+))?"
)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_RANK = re.compile(
    rf"(?:(?<=the )|(?<=day )|(?<=\b)(?!(?:{_any(_TENS)} )?second\b(?! of)))"
    rf"(?:\b({_any(_TENS)}) )?\b({_any(tuple(_RANK_VALUES))})\b"
)
_RANK_SECOND = re.compile(rf"(?<=\b)({_any(MONTHS)} (?:the )?)((?:{_any(_TENS)} )?)second\b")

_WORD = re.compile(
    r"\d{4}-\d\d-\d\d|\d+(?:[.:]\d+)*(?:st|nd|rd|th)?|[^\W\d_]+(?:'[^\W\d_]+)*|[%$+*/^()=×÷−-]"
)
_MERIDIEM = re.compile(r"(?<![^\W\d_])([ap])\.? ?m\b\.?(?!')")


def plain(text: str) -> str:
    """`text` in lower case without punctuation, numbers as digits: "Twenty-one, please." is "21 please"."""
    text = text.lower().replace("’", "'").replace("per cent", "percent")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", " ", text))
    text = " ".join(_WORD.findall(_MERIDIEM.sub(r" \1m ", text)))
    text = _RANK_SECOND.sub(lambda match: f"{match[1]}{_VALUES.get(match[2].strip(), 0) + 2}nd", text)
    text = _RANK.sub(_rank_digits, text)
    text = _CARDINAL.sub(_cardinal_digits, text.replace("a dozen", "12"))
    return re.sub(r"\b(\d+) (?:oh|o) (\d)\b", r"\1 0\2", text)


def _rank_digits(match: re.Match[str]) -> str:
    value = _VALUES.get(match[1] or "", 0) + _RANK_VALUES[match[2]]
    suffix = "th" if value in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{suffix}"


def _cardinal_digits(match: re.Match[str]) -> str:
    whole, _, fraction = match[0].partition(" point")
    total = group = 0
    for word in whole.split():
        if word == "hundred":
            group *= 100
        elif word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        else:
            group += _VALUES.get(word, 0)  # "and" adds nothing
    decimals = "".join(str(_VALUES[word]) for word in fraction.split())
    return f"{total + group}.{decimals}" if decimals else str(total + group)
