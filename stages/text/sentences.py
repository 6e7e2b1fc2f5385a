"""Cuts an answer into speakable pieces while it is still being written: text deltas in, pieces out.

The first piece leaves as soon as it can be spoken (a clause), so that the voice starts early; later pieces
are sentences, short ones merged. Pure. What comes out depends on the text alone, not on how it was cut into
deltas, because every decision is made at one character, from the text before it; only `hurry`, for writers
who keep the voice waiting, knows more. The pieces joined are the text.

A piece ends where a word ends, and is known to end there only when something follows: "3." may become "3.5".
Where that is not enough ("the U.S. Army", "the U.S. It is big") the decision waits for one more word. When
in doubt there is no cut: a cut too few costs a little time, a cut too many sounds broken.
"""

from stages.text.word_ends import (
    FULL_WIDTH_CLOSERS,
    FULL_WIDTH_SENTENCE,
    TIGHT,
    End,
    begins_sentence,
    end_of,
    is_in_a_name,
    is_leaning,
    is_open,
    is_whole,
    spans,
)
from stages.text.words import is_unspaced, split_words, spoken_size

_CLEAR = (End.WORD, End.CLAUSE, End.SENTENCE)
"""Ends that do not depend on the next word."""

_HURRIED_WORDS = 4
"""Fewer words than these are not worth a piece of their own when the writer pauses."""

_NARROW = ",.!?;:"
"""Marks that some write between characters of a script without spaces, instead of its own."""


_JOINING = tuple("/+-–×*=<>≥≤|&÷")
"""Marks that lead on from what stands in front of them."""


class Sentences:
    """One answer on its way to pieces. Lengths are in letters, without the white space around a piece; a Chinese
    character counts as three."""

    def __init__(
        self,
        *,
        first_clause_chars: int = 10,
        first_word_chars: int = 48,
        sentence_chars: int = 20,
        long_clause_chars: int = 140,
        long_word_chars: int = 220,
    ) -> None:
        """The first piece ends at a sentence, at a clause from `first_clause_chars` on, or at any word from
        `first_word_chars` on.

        Later sentences shorter than `sentence_chars` are merged with what follows; longer ones than
        `long_clause_chars` are cut at a clause, longer than `long_word_chars` at a word.
        """
        self._first = (first_clause_chars, first_word_chars)
        self._later = (long_clause_chars, long_word_chars)
        self._sentence_chars = sentence_chars
        self._unbroken_chars = 2 * long_word_chars
        self._restart()

    def push(self, delta: str) -> list[str]:
        """The pieces that are complete now that `delta` has arrived, in order; mostly none."""
        self._text += delta
        pieces = []
        while self._at < len(self._text):
            cut = self._decide()
            if cut:
                pieces.append(self._take(cut))
            else:
                self._at += 1
        return pieces

    def hurry(self) -> str:
        """The writer pauses and the voice runs dry: what can be spoken without the rest, "" if nothing can.

        That is a whole sentence, however short, or whole words from `_HURRIED_WORDS` on.
        """
        words = split_words(self._text)
        if words and is_whole(self._text):
            return self._take(len(self._text))
        if is_unspaced(self._text):
            cut = _last_clause(self._text)
            return self._take(cut) if cut else ""
        cut = len(self._text)
        while len(words) > _HURRIED_WORDS:
            cut = len(self._text[:cut].rstrip()) - len(words.pop())
            before = self._text[:cut].rstrip()
            if end_of(before) in _CLEAR and not self._is_held(before):
                return self._take(len(before))
        return ""

    def flush(self) -> list[str]:
        """The answer is over: what is left, and ready for the next answer.

        The last piece may be white space alone; it is given so that nothing of the text is lost.
        """
        cut = self._settle_doubt()
        pieces = [self._take(cut)] if cut else []
        if self._text:
            pieces.append(self._text)
        self._restart()
        return pieces

    def _restart(self) -> None:
        self._text = ""  # what belongs to no piece yet
        self._at = 0  # the next character to look at
        self._doubt = 0  # a doubtful end before `_at`, if any
        self._limits = self._first
        self._is_first = True

    def _take(self, cut: int) -> str:
        piece, self._text = self._text[:cut], self._text[cut:]
        self._at -= cut
        self._doubt = 0
        self._limits = self._later
        self._is_first = False
        return piece

    def _decide(self) -> int:
        """Where a piece ends, judged by what is before `_at` and the one character there; 0 for nowhere."""
        at, text = self._at, self._text
        if at == 0:
            return 0
        char, last = text[at], text[at - 1]
        if char.isspace():
            if not last.isspace():
                return self._settle_doubt() or self._end_word(text[:at])
            return at if char == "\n" and self._is_sentence(text[:at]) else 0
        if (
            last in TIGHT
            or last in FULL_WIDTH_CLOSERS
            or (last in _NARROW and _is_narrow_end(text[:at], char))
        ):
            return self._end_tight(text[:at], char)
        return at if 3 * at >= self._unbroken_chars and self._is_unbroken(at) else 0

    def _is_unbroken(self, at: int) -> bool:
        """Whether so much has been said without an end of anything that a piece must end anywhere."""
        return at >= self._unbroken_chars or spoken_size(self._text[:at]) >= self._unbroken_chars

    def _end_word(self, before: str) -> int:
        end = end_of(before)
        if end is End.DOUBTFUL:
            self._doubt = len(before)
        if self._text[len(before)] == "\n" and end is not End.BOUND:
            end = End.SENTENCE
        return self._cut(before, end)

    def _end_tight(self, before: str, char: str) -> int:
        """Full-width marks and em dashes end something unless another mark or a closing quote follows, or a number
        goes on ("12：30") or is what was announced ("号码：8642")."""
        goes_on = char.isdigit() and (before[-2:-1].isdigit() or before[-1] in "：:")
        if char in TIGHT or char in FULL_WIDTH_CLOSERS or goes_on:
            return 0
        mark = before.rstrip(FULL_WIDTH_CLOSERS)[-1:]
        if mark and mark in FULL_WIDTH_SENTENCE + ".!?":
            return self._cut(before, End.SENTENCE)
        is_span = mark == "—" and spans(before[:-1])
        if mark in (*TIGHT, *_NARROW) and before[-1] == mark and not is_span:
            return self._cut(before, End.CLAUSE)
        return 0

    def _settle_doubt(self) -> int:
        if not self._doubt:
            return 0
        doubt, self._doubt = self._doubt, 0
        before, following = self._text[:doubt], self._text[doubt:].split(maxsplit=1)
        if following and begins_sentence(before, following[0]):
            return self._cut(before, End.SENTENCE)
        return 0

    def _cut(self, before: str, end: End) -> int:
        """The place behind `before` if a piece may end there."""
        clause_chars, word_chars = self._limits
        size = spoken_size(before.strip())
        if size >= self._unbroken_chars:
            return len(before)
        may_end = (
            (end is End.SENTENCE and self._is_sentence(before))
            or (end in (End.CLAUSE, End.SENTENCE) and size >= clause_chars)
            or (size >= word_chars and end in _CLEAR and not self._is_torn(before, size))
        )
        return len(before) if may_end and not is_open(before) else 0

    def _is_held(self, before: str) -> bool:
        """Whether what follows `before` belongs to it, as far as it is there."""
        following = self._text[len(before) :].lstrip()
        return is_leaning(before) or is_in_a_name(before) or is_open(before) or following.startswith(_JOINING)

    def _is_torn(self, before: str, size: int) -> bool:
        """Whether a cut behind `before` may come between words that belong together."""
        return is_leaning(before) or (is_in_a_name(before) and size < 2 * self._limits[1])

    def _is_sentence(self, before: str) -> bool:
        """Whether `before`, which ends like a sentence, is long enough to be a piece."""
        if self._is_first:
            return sum(map(str.isalnum, before)) > 1
        return spoken_size(before.strip()) >= self._sentence_chars


def _is_narrow_end(before: str, char: str) -> bool:
    """Whether the mark of Latin scripts that ends `before` stands between two characters of a script without spaces."""
    return is_unspaced(before[-2:-1]) and is_unspaced(char)


def _last_clause(text: str) -> int:
    """Where the last clause ends whose end shows, where that of words does not; 0 if that is too little to say."""
    cut = max(text.rfind(mark) + 1 for mark in TIGHT)
    is_torn = text[cut : cut + 1].isdigit() and text[cut - 2 : cut - 1].isdigit()
    return cut if not is_torn and len(split_words(text[:cut])) >= _HURRIED_WORDS else 0
