"""What a voice should say for what a model writes: no markup, no emoji, and symbols put into words.

One table of rules; the first that matches at a place wins. It holds only what a voice's own text front end
gets wrong: plain numbers, money, ordinals, dates and times on a twelve-hour clock are left to it. A rule maps
a short stretch of the text, so `pieces` keeps what is shown and what is said side by side.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Said: TypeAlias = str | Callable[[re.Match[str]], str]
"""What is said instead of a match: a template of `re`, or a function of the match."""

# --- the words ------------------------------------------------------------------------------------------

_MONTHS = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July",
    "Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November",
    "Dec": "December",
}  # fmt: skip
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday",
    "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_SHORT = {
    "e.g.": "for example", "i.e.": "that is", "approx.": "approximately", "incl.": "including",
    "w/o": "without", "km/h": "kilometers per hour", "m/s": "meters per second",
}  # fmt: skip
_SIGNS = {
    "%": " percent", "~": " about ", "≈": " about ", "≤": " at most ", "≥": " at least ", "→": " to ",
    "−": " minus ", "÷": " divided by ", "×": " times ", "±": " plus or minus ", "≠": " is not ",
    "№": " number ", "&amp;": " and ",
}  # fmt: skip
_NAMED = {**_MONTHS, **_DAYS, **_SHORT, **_SIGNS}

_DAY = "|".join(sorted(_DAYS, key=len, reverse=True))
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
_KNOWN_HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?:com|org|net|edu|gov|info|io|dev|ai|app|co\.uk|de|eu)\b"


def _named(match: re.Match[str]) -> str:
    return _NAMED[match[0].strip()]


def _entity(match: re.Match[str]) -> str:
    char = html.unescape(match[0])
    return char if char.isalnum() else " "


def _address(match: re.Match[str]) -> str:
    """A host or an e-mail address; a path after it is for the eye, not for the ear."""
    return match[1].replace("@", " at ").replace(".", " dot ")


def _digits(match: re.Match[str]) -> str:
    """Digit by digit, with a breath where the text has a gap."""
    groups = re.findall(r"\d+", match[0])
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(" ".join(group) for group in groups)


def _half_day(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), match[2]
    return f"{hour % 12 or 12}:{minute} {'pm' if hour >= 12 else 'am'}"


# --- the table ------------------------------------------------------------------------------------------

_RULES: tuple[tuple[str, Said], ...] = (
    # markup
    (r"```[\w+-]*", " "),
    (r"!?\[(?=[^\[\]\n]{1,300}\]\([^()\n]{0,600}\))", ""),
    (r"\]\([^()\n]{0,600}\)", ""),
    (r"</?[A-Za-z][^<>\n]{0,300}>", " "),
    (r"&amp;", _named),
    (r"&(?:[A-Za-z]+|#\d{1,6}|#x[0-9A-Fa-f]{1,5});", _entity),
    (r"^[ \t]*(?:[-*_][ \t]*){3,}$", ""),
    (r"^[ \t]*\|[ \t:|-]+$", ""),
    (r"^[ \t]*(?:#{1,6}|>+|[-*+•])[ \t]+", ""),
    (r"(?<!\w)(?:\*{1,3}|_{1,3}|~~|`)(?=\w)|(?<=[\w.,;:!?)%])(?:\*{1,3}|_{1,3}|~~|`)(?!\w)", ""),
    # addresses
    (rf"(?:https?://|ftp://)(?:www\.)?({_HOST}|[\w.-]+)(?::\d+)?(?:[/?#][^\s<>()]*[\w/=])?", _address),
    (rf"(?<![\w.])([A-Za-z0-9][\w.+-]*@{_HOST})", _address),
    (rf"(?<![\w.@])www\.({_HOST})(?:/[^\s<>()]*[\w/=])?", _address),
    (rf"(?<![\w.@])({_KNOWN_HOST})(?:/[^\s<>()]*[\w/=])?", _address),
    # numbers that are names: telephone numbers, codes, versions
    (r"\+\d{7,15}(?!\d)|(?:\+\d{1,3}[ .-]?)?\(\d{3}\) ?\d{3}[ .-]\d{4}(?!\d)", _digits),
    (r"(?<![\d.-])(?:\+?\d{1,3}[ .-])?\d{3}[.-]\d{3}[.-]\d{4}(?!\d)", _digits),
    (r"(?<![\d.,:$£€-])(?:0\d{2,}|\d{7,}(?<!000))(?![\d.,:]*\d)", _digits),
    (r"(?<![\d.])\d+(?:\.\d+){2,}(?!\d)", lambda match: match[0].replace(".", " point ")),
    # times
    (r"(?<![\d:.])(\d{1,2})[.](\d\d) ?([ap])\.?m\b", r"\1:\2 \3m"),
    (r"(?<![\d:.])(1[3-9]|2[0-3]|00):([0-5]\d)(?![\d:]|\s?[ap]\.?m)", _half_day),
    (r"(?<=\d)\s?[-–]\s?(?=\d{1,2}:\d\d)", " to "),
    # arithmetic and other signs
    (r"(?<=\d) ?[×*] ?(?=\d)|(?<=\d) x (?=\d)", " times "),
    (r"(?<=\d)x(?=\d)", " by "),
    (r"(?<=\d) [-−] (?=\d)", " minus "),
    (r"(?<=\d) / (?=\d)|(?<=\d) ?÷ ?(?=\d)", " divided by "),
    (r"(?<=\d) ?\^ ?(?=\d)", " to the power of "),
    (r"(?<=\w) < (?=\w)", " is less than "),
    (r"(?<=\w) > (?=\w)", " is greater than "),
    (r"(?<![\w/])(24/7|50/50)(?![\w/])", lambda match: match[0].replace("/", " ")),
    (r"(?<![\w'])(\d)'(\d{1,2})(?:\"|''|(?!\w))", r"\1 foot \2"),
    (r"#(?=\d)", " number "),
    (r" ?%|~(?=\s?[$£€]?\d)|[≈≤≥→−÷×±≠№]", _named),
    # abbreviations
    (r"\bNo\. ?(?=\d)", "number "),
    (rf"(?<!\w)(?:{_MONTH})\.?(?= \d)", lambda match: _MONTHS[match[0].rstrip(".")]),
    (rf"(?<!\w)(?:{_DAY})\.(?=,? [a-z\d])", lambda match: _DAYS[match[0].rstrip(".")]),
    (
        rf"(?<!\w)({_DAY})\.?\s?[-–]\s?({_DAY})(?!\w)\.?",
        lambda match: f"{_DAYS[match[1]]} to {_DAYS[match[2]]}",
    ),
    (r"(?<![\w.])(?:e\.g\.|i\.e\.|approx\.|incl\.|w/o|km/h|m/s)(?!\w)", _named),
    # whatever is left that is neither a letter, a digit nor something a voice reads or breathes at
    (r"--+", " — "),
    (r"[^\w\s.,;:!?'\"()°$£€¥¢+=/&@…—–’‘“”-]|_", " "),
)

_COMPILED = tuple((re.compile(pattern, re.MULTILINE), said) for pattern, said in _RULES)
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_ORPHANED_STOP = re.compile(r" +(?=[.,;:!?](?!\w))")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text as it is `shown` and as it is `spoken`; either may be empty, or both the same."""

    shown: str
    spoken: str


def pieces(text: str) -> tuple[Piece, ...]:
    """`text` cut where a rule applies: all `shown` joined are `text`, all `spoken` what a voice says."""
    cut: list[Piece] = []
    done = 0
    for match, said in _matches(text):
        if match.start() > done:
            cut.append(Piece(text[done : match.start()], text[done : match.start()]))
        cut.append(Piece(match[0], match.expand(said) if isinstance(said, str) else said(match)))
        done = match.end()
    if done < len(text):
        cut.append(Piece(text[done:], text[done:]))
    return tuple(cut)


def _matches(text: str) -> Iterator[tuple[re.Match[str], Said]]:
    """Where rules apply, from left to right without overlap; of two at one place the one higher up."""
    ahead = [(match, said, rule) for rule, said in _COMPILED if (match := rule.search(text))]
    while ahead:
        first, said, _ = min(ahead, key=lambda entry: entry[0].start())
        yield first, said
        done = first.end()
        ahead = [
            (match, said, rule)
            for earlier, said, rule in ahead
            if (match := earlier if earlier.start() >= done else rule.search(text, done))
        ]


def speakable(text: str) -> str:
    """What a voice should say for `text`, lines kept apart; empty if that is nothing. Never raises."""
    said = _BLANKS.sub(" ", "".join(piece.spoken for piece in pieces(text)))
    said = _ORPHANED_STOP.sub("", _LINES.sub("\n", said)).strip()
    return said if any(char.isalnum() for char in said) else ""
