"""What a word may end: nothing, a clause or a sentence; and which words belong to the next. Pure.

When in doubt it is the end of nothing.
"""

import re
from enum import Enum, auto


class End(Enum):
    """What the end of a word may be the end of."""

    WORD = auto()
    BOUND = auto()  # the word belongs to the next one, as titles and list numbers do
    CLAUSE = auto()
    SENTENCE = auto()
    DOUBTFUL = auto()  # the next word tells


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Titles and the like: something always follows.
_TITLES = _words("""
    dr mr mrs ms mx prof rev hon capt cpt sgt lt col maj cmdr gen gov sen rep pres messrs
    e.g eg i.e ie vs approx ca cf viz sq
    nr ggf evtl bzw inkl zzgl vgl sra srta dra avda pza plza aprox núm sig dott avv bd
""")
_SCALES = frozenset(("Mio", "Mrd"))
"""The same as they are written: "mio" is Italian, and may be the last word."""
# May end a sentence, but seldom do.
_ABBREVIATIONS = _words("""
    st ave blvd rd mt ft jr sr inc ltd co corp llc dept univ est etc al ext tel min max avg hr hrs mins
    jan feb apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
    yr yrs lb lbs oz gal secs
""")
# Abbreviations in front of a number, ordinary words elsewhere.
_NUMBERED = _words("no nos fig figs p pp vol ch sec art")
# Capitalised after an abbreviation, these begin a sentence; another capital is more likely a name.
_STARTERS = _words("""
    the a an it i we you he she they this that these those there here if in on at but and or so what when
    where who why how which would do does did is are was were can could will should may please let my your
    our his her their its no yes not for as with once after before then also however because since while to
    thanks thank sorry just each every all some most many one another now have has had
""")
# A piece that must be cut at a word does not end in one of these.
_LEANING = _words("""
    a an the of to in on at by for from with and or but nor as if than that this my your our his her their
    its is are was were be not no very so too i you we he she they it
    page pages room chapter number section part version level line bus flight gate platform apartment suite floor unit
    figure table phase point half
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion
""")

_CLOSERS = "\"'”’»)]}*_"
_AROUND = "\"'“”‘’«»()[]{}*_$£€₹¥"
_OPENERS = "\"'“‘«([{*_"
FULL_WIDTH_CLOSERS = "」』）】》〉”’"
FULL_WIDTH_SENTENCE = "。！？｡"
_FULL_WIDTH_CLAUSE = "，、；："
TIGHT = frozenset(FULL_WIDTH_SENTENCE + _FULL_WIDTH_CLAUSE + "—")
"""Marks that end something without white space after them."""

_DASHES = ("—", "–", "--")
_DOTTED = re.compile(r"[^\W\d_]{1,3}(\.[^\W\d_]{1,3})+|[^\W\d_]")
_FIRST_LETTERS = re.compile(r"[\W_]*([^\W\d_]+)")


def end_of(before: str) -> End:
    word = before.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS + FULL_WIDTH_CLOSERS)
    mark = core[-1:]
    if mark == ".":
        return _end_of_dot(before, word, core)
    if mark and mark in "!?…" + FULL_WIDTH_SENTENCE:
        return End.DOUBTFUL if core != word or mark == "…" else End.SENTENCE
    if core in ("-", *_DASHES):
        return End.BOUND if _is_first_of_line(before, word) else End.CLAUSE
    if core.endswith(_DASHES) or (mark and mark in ":;" + _FULL_WIDTH_CLAUSE):
        return End.CLAUSE
    if mark == ",":
        # "May 3, 2026", "numbers 4, 8 and 15"
        return End.WORD if core[-2:-1].isdigit() else End.CLAUSE
    if word[:-1].isdigit() and word.endswith(")") and _is_first_of_sentence(before, word):
        return End.BOUND
    return End.WORD


def _end_of_dot(before: str, word: str, core: str) -> End:
    if core.endswith(".."):
        return End.DOUBTFUL
    name = core[:-1].lstrip(_OPENERS).casefold()
    if name in _TITLES or core[:-1] in _SCALES:
        return End.BOUND
    if name.isdigit() and _is_first_of_sentence(before, word):
        return End.BOUND
    if core != word or name in _ABBREVIATIONS or name in _NUMBERED or _DOTTED.fullmatch(name):
        return End.DOUBTFUL
    return End.SENTENCE


def begins_sentence(before: str, following: str) -> bool:
    """Whether `following` begins a new sentence after `before`, whose end is doubtful."""
    word = before.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS + FULL_WIDTH_CLOSERS)
    name = core.rstrip(".").lstrip(_OPENERS).casefold()
    if name in _NUMBERED and not core.endswith(".."):
        return not following[0].isdigit()
    letters = _FIRST_LETTERS.match(following)
    first = letters.group(1) if letters else ""
    is_unfinished = core.endswith((".", "…")) and (
        core.endswith(("..", "…")) or name in _ABBREVIATIONS or _DOTTED.fullmatch(name) is not None
    )
    if is_unfinished:
        return first[:1].isupper() and first.casefold() in _STARTERS
    # `"Really?" he asked.`
    return not first[:1].islower()


def _is_first_of_line(before: str, word: str) -> bool:
    gap = _gap_before(before, word)
    return "\n" in gap or len(gap) + len(word) == len(before)


def _is_first_of_sentence(before: str, word: str) -> bool:
    gap = _gap_before(before, word)
    head = before[: len(before) - len(word) - len(gap)]
    return "\n" in gap or not head or head.rstrip(_CLOSERS)[-1:] in (*".!?:;",)


def _gap_before(before: str, word: str) -> str:
    """The white space between `word`, which ends `before`, and what is in front of it."""
    head = before[: len(before) - len(word)]
    return head[len(head.rstrip()) :]


def is_whole(text: str) -> bool:
    """Whether `text` can be taken for a sentence although nothing follows: "3." cannot."""
    core = text.rstrip().rstrip(_CLOSERS)
    return end_of(text) in (End.SENTENCE, End.DOUBTFUL) and not core[-2:-1].isdigit()


def is_leaning(before: str) -> bool:
    """Whether the last word of `before` is likely to belong to the next, as a number to what it counts."""
    word = before.rsplit(maxsplit=1)[-1].strip(_AROUND)
    return word.casefold() in _LEANING or any(map(str.isdecimal, word))


def is_in_a_name(before: str) -> bool:
    """Whether the last word of `before` may be in the middle of a name: "World War" before "II"."""
    word = before.rsplit(maxsplit=1)[-1].lstrip(_OPENERS)
    return word[:1].isupper() and word[-1:].isalnum()
