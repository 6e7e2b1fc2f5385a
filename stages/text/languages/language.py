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
    agreed: Callable[[str, int, str], str] = lambda words, number, noun: words
    """A whole number in front of a noun that is no unit: its words, its value, and the noun."""
    labels: str = ""
    """A pattern of nouns with a number as their name ("opción 1"), which does not agree with what comes behind it."""
    ordinal_form: Callable[[str, str, str], str] = lambda words, mark, front: words
    """An ordinal as it is written: its words, the mark behind the number, and the word in front of it."""
    ruler: Callable[[int], str] = str
    """The number of a king: "catorce", "quatorze", "der vierzehnte"."""
    rulers: str = ""
    """A pattern of the names that have such numbers."""
    half: Callable[[str], str] = str
    """A half, in front of a word."""
    and_a_half: Callable[[int], str] = str
    """So many and a half."""
    with_half: Callable[[int, str], str] | None = None
    """So many and a half of a noun, where the half comes behind it: "dos tazas y media"."""
    fractions: Mapping[str, str] = field(default_factory=dict)
    """By how they are written: "3/4"; but for the half."""
    days: Mapping[str, str] = field(default_factory=dict)
    """By their abbreviations, without a dot."""
    emergencies: str = "112|911"
    """A pattern of the numbers for emergencies that are said digit by digit."""
    called_whole: str = ""
    """A pattern of the numbers that are called, and said as one number: "le cent douze"."""
    queens: str = ""
    """A pattern of the names among `rulers` that are women's."""
    queen: Callable[[int], str] = str
    """The number of a queen: "segunda", "die zweite"."""
    short_months: Mapping[str, int] = field(default_factory=dict)
    """Months by their abbreviations, without a dot: said in full behind a day."""
    numbered: Mapping[str, str] = field(default_factory=dict)
    """Abbreviations in front of a number, with their dots."""
    singular_below: int = 0
    """A number with decimals that is less than this has its noun in the singular."""
    of_a_million: str = ""
    """What stands between millions and what they are millions of."""
    year_joint: str = " "
    """What stands between a day's month and its year."""
