"""What people answer with one word: numbers, ranks, days, months, letters, signs, yes and no. Pure data.

By itself such a word is likelier than another that sounds alike: who says nothing but "eighty" hardly says "A.D."
"""

from stages.providers.whisper.text import bare
from stages.text.plain import plain

_WORDS = """
yes yeah yep yup sure okay correct right exactly absolutely definitely no nope nah never none nothing maybe probably
hello hi hey goodbye bye thanks thank please sorry pardon what stop wait cancel repeat again continue skip next back
help start done ready change both neither either
monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight yesterday morning noon afternoon evening
midnight
january february march april may june july august september october november december
zero oh hundred thousand million billion hundredth thousandth millionth billionth half double triple dozen percent
second seconds minute minutes hour hours day days week weeks month months year years
dollar dollars euro euros pound pounds cent cents
dot point comma colon semicolon dash hyphen minus plus slash backslash underscore space at hash star asterisk pipe tilde
caret ampersand quote period equals uppercase lowercase capital
alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra
tango uniform victor whiskey xray yankee zulu
"""
_ANSWERS = frozenset(_WORDS.split())


def is_short_answer(text: str) -> bool:
    """Whether it is one of them: a word, a number or a rank in words or digits, or a letter."""
    word = bare(text.replace(" ", ""))
    if word in _ANSWERS or (len(word) == 1 and word.isalpha()):
        return True
    number = plain(text)
    return " " not in number and number[:1].isdigit()
