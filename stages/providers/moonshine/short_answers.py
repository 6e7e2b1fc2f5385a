"""What people answer with one word: numbers, ranks, days, months, letters, signs, yes and no. Pure data.

By itself such a word is likelier than another that sounds alike: who says nothing but "eighty" hardly says "A.D."
Who was asked for a number, an address or a yes is likelier still to say one; and who was asked for an address and says
what sounds like "you" has spelled a "U".
"""

from enum import Enum, auto

from stages.ports import Expects
from stages.providers.whisper.text import bare
from stages.text.plain import plain

_YES_OR_NO = """
yes yeah yep yup sure okay correct right exactly absolutely definitely no nope nah never maybe probably
"""
_AMOUNTS = """
zero oh none half double triple dozen hundred thousand million billion hundredth thousandth millionth billionth
"""
_SIGNS = """
dot point comma colon semicolon dash hyphen minus plus slash backslash underscore space at hash pound star asterisk
pipe tilde caret ampersand quote period equals uppercase lowercase capital
"""
_OTHERS = """
nothing hello hi hey goodbye bye thanks thank please sorry pardon what stop wait cancel repeat again continue skip
next back help start done ready change both neither either percent dollar dollars euro euros pounds cent cents
monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight yesterday morning noon afternoon
evening midnight
january february march april may june july august september october november december
second seconds minute minutes hour hours day days week weeks month months year years
alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra
tango uniform victor whiskey xray yankee zulu
"""
_OF_KIND = {
    Expects.YES_NO: frozenset(_YES_OR_NO.split()),
    Expects.NUMBER: frozenset(_AMOUNTS.split()),
    Expects.PHONE: frozenset(_AMOUNTS.split()),
    Expects.EMAIL: frozenset(_SIGNS.split()),
}
_ANSWERS = frozenset(_OTHERS.split()).union(*_OF_KIND.values())

_QUESTIONS = frozenset(["why", "what", "how", "who", "where", "when", "which", "pardon", "sorry"])

_SPOKEN_AS = {
    "B": "be bee", "C": "see sea", "F": "eff", "G": "gee", "I": "eye aye", "J": "jay", "K": "kay",
    "L": "el ell", "M": "em", "N": "en", "O": "oh owe", "P": "pea pee", "Q": "queue cue", "R": "are", "S": "ess",
    "T": "tea tee", "U": "you ewe", "W": "doubleu doubleyou", "X": "ex", "Z": "zed zee",
}  # fmt: skip
_LETTERS = {word: letter for letter, words in _SPOKEN_AS.items() for word in words.split()}


class Kind(Enum):
    """What a text is as an answer by itself."""

    NUMBER = auto()
    """Or a rank, in words or digits."""
    LETTER = auto()
    ANSWER = auto()
    """Another common one."""
    OTHER = auto()


def kind_of(text: str) -> Kind:
    """What a text is as an answer by itself."""
    word = _word(text)
    if _is_number(text):
        return Kind.NUMBER
    if _is_letter(word):
        return Kind.LETTER
    return Kind.ANSWER if word in _ANSWERS else Kind.OTHER


def is_expected(text: str, expects: Expects) -> bool:
    """Whether it is, or is a part of, the kind of answer that the agent has asked for; nothing is if it has not."""
    if expects is Expects.FREE:
        return False
    word = _word(text)
    is_letter = expects is Expects.EMAIL and _is_letter(word)
    return word in _OF_KIND[expects] or is_letter or (expects is not Expects.YES_NO and _is_number(text))


def asks_back(text: str) -> bool:
    """Whether it is a question, which answers nothing: "Why?" may be one whoever was asked for letters."""
    return _word(text) in _QUESTIONS


def as_expected(text: str, expects: Expects) -> str:
    """The text of a word by itself, or the letter that sounds like it if an address is expected."""
    return _LETTERS.get(_word(text), text) if expects is Expects.EMAIL else text


def _word(text: str) -> str:
    return bare(text.replace(" ", ""))


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalpha()


def _is_number(text: str) -> bool:
    number = plain(text)
    return " " not in number and number[:1].isdigit()
