"""How likely a text is to be all that somebody says, before anything is heard of it: of several readings of a word by
itself those count more that people say alone. Pure.

The network has learnt whole sentences, where "A. D." is as good as "eighty", and words that nobody says are as good as
others. Who says one word mostly says a number, a letter or a short answer, or else a word that is frequent enough for
the network's vocabulary to have it in one piece; and one word is likelier than two.

The weights are log probabilities. Those of what is asked for were chosen on half of the recordings of
`scripts/word_set.py`, from 2 to 5 more than for other answers with nearly the same errors; the others by the
likelihood of what was said, on half of those recordings and of what two voices say (docs/recognition.md).
"""

from stages.ports import Expects
from stages.providers.moonshine.short_answers import Kind, is_expected, kind_of

ASKED_FOR = 6.0
"""Of the kind of answer that the agent has asked for."""
_ANOTHER = 3.0
"""Of other answers where it has asked for something."""
_OF_KIND = {Kind.NUMBER: 5.0, Kind.LETTER: 5.0, Kind.ANSWER: 2.0}
"""Of answers where it has not."""
_PIECE = 0.5
"""So much less for each piece of an uncommon word but the first."""
_WORD = 4.0
"""So much less for each word but the first."""


def prior(text: str, pieces: int, expects: Expects = Expects.FREE) -> float:
    """The log probability of saying this alone, but for a constant. `pieces` of the vocabulary make up its words."""
    if is_expected(text, expects):
        return ASKED_FOR
    kind = kind_of(text)
    if kind is not Kind.OTHER:
        return _OF_KIND[kind] if expects is Expects.FREE else _ANOTHER
    words = len(text.split())
    return -_WORD * max(0, words - 1) - _PIECE * max(0, pieces - 1)


WITHIN = 6.0
"""What is less probable than another reading by more than this is not believed, whatever it is."""
