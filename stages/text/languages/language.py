"""What a language has to tell for its numbers and signs to be read aloud."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Money:
    """The words of a currency: one and many of its unit, and of its hundredth (empty when it has none in speech)."""

    one: str
    many: str
    cent: str = ""
    cents: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """One language. Words are written as a sentence has them in its middle."""

    code: str
    cardinal: Callable[[int], str]
    """From 0 on."""
    ordinal: Callable[[int], str]
    year: Callable[[int], str]
    """Of 1000 to 2999, where a number is a year."""
    day: Callable[[int, str, str], str]
    """A day of a month: its number, the month's name, and the word in front of it."""
    clock: Callable[[int, int], str]
    """A time of a twenty-four-hour clock: hour and minute."""
    cents: Callable[[str, Money, int], str]
    """An amount with its hundredths: the words of the whole, the money, and the hundredths from 1 to 99."""
    decimal_comma: bool
    """Whether "1,5" is one and a half and "1.500" is a thousand and a half, and not the other way round."""
    words: Mapping[str, str]
    """By what they are for: the keys of `languages.en.WORDS`."""
    signs: Mapping[str, str]
    """What stands for a sign wherever it stands."""
    months: tuple[str, ...]
    money: Mapping[str, Money]
    """By sign or code."""
    units: Mapping[str, tuple[str, str]]
    """By symbol, one and many."""
    scales: Mapping[str, str]
    """What may stand between an amount and its currency, as written, and as said."""
    abbreviations: Mapping[str, str]
    """Said so wherever they stand; with their dots."""
    ordinal_mark: str
    """A pattern of what follows a number that is an ordinal."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """What is said instead of words in another script, by the first word of its characters' Unicode names; "" for any
    other."""
    one: Callable[[str], str] = lambda noun: ""
    """The number one in front of a noun; "" where it is said as when one counts."""
    counted: Callable[[str], str] = str
    """A number in front of a noun, of the number as one counts."""
    of_a_million: str = ""
    """What stands between millions and what they are millions of."""
    year_joint: str = " "
    """What stands between a day's month and its year."""
