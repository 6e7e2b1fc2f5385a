"""Cuts an answer into speakable pieces while it is still being written: text deltas in, pieces out.

The first piece leaves as soon as it can be spoken (a clause), so that the voice starts early; later pieces
are sentences, short ones merged. Pure. What comes out depends on the text alone, not on how it was cut into
deltas, because every decision is made at one character, from the text before it; only `hurry`, for writers
who keep the voice waiting, knows more. The pieces joined are the text.

A piece ends where a word ends, and is known to end there only when something follows: "3." may become "3.5".
Where that is not enough ("the U.S. Army", "the U.S. It is big") the decision waits for one more word. When
in doubt there is no cut: a cut too few costs a little time, a cut too many sounds broken.
"""

import re
from enum import Enum, auto


class _End(Enum):
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
    e.g eg i.e ie vs approx ca cf viz
""")
# May end a sentence, but seldom do.
_ABBREVIATIONS = _words("""
    st ave blvd rd mt ft jr sr inc ltd co corp llc dept univ est etc al ext tel min max avg hr hrs mins
    jan feb apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
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
""")

_CLOSERS = "\"'”’»)]}*_"
_OPENERS = "\"'“‘«([{*_"
_FULL_WIDTH_CLOSERS = "」』）】》〉”’"
_FULL_WIDTH_SENTENCE = "。！？｡"
_FULL_WIDTH_CLAUSE = "，、；："
_TIGHT = frozenset(_FULL_WIDTH_SENTENCE + _FULL_WIDTH_CLAUSE + "—")
"""Marks that end something without white space after them."""

_HURRIED_WORDS = 4
"""Fewer words than these are not worth a piece of their own when the writer pauses."""

_DASHES = ("—", "–", "--")
_DOTTED = re.compile(r"[^\W\d_]{1,3}(\.[^\W\d_]{1,3})+|[^\W\d_]")
_FIRST_LETTERS = re.compile(r"[\W_]*([^\W\d_]+)")


class Sentences:
    """One answer on its way to pieces. Lengths are in characters, without the white space around a piece."""

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
        words = self._text.split()
        if words and _is_whole(self._text):
            return self._take(len(self._text))
        cut = len(self._text)
        while len(words) > _HURRIED_WORDS:
            cut = len(self._text[:cut].rstrip()) - len(words.pop())
            before = self._text[:cut].rstrip()
            if _end_of(before) is not _End.BOUND and not _is_leaning(before):
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
        if last in _TIGHT or last in _FULL_WIDTH_CLOSERS:
            return self._end_tight(text[:at], char)
        return at if at >= self._unbroken_chars else 0

    def _end_word(self, before: str) -> int:
        end = _end_of(before)
        if end is _End.DOUBTFUL:
            self._doubt = len(before)
        if self._text[len(before)] == "\n" and end is not _End.BOUND:
            end = _End.SENTENCE
        return self._cut(before, end)

    def _end_tight(self, before: str, char: str) -> int:
        """Full-width marks and em dashes end something unless another mark or a closing quote follows."""
        if char in _TIGHT or char in _FULL_WIDTH_CLOSERS:
            return 0
        mark = before.rstrip(_FULL_WIDTH_CLOSERS)[-1:]
        if mark and mark in _FULL_WIDTH_SENTENCE:
            return self._cut(before, _End.SENTENCE)
        if mark in _TIGHT and before[-1] == mark:
            return self._cut(before, _End.CLAUSE)
        return 0

    def _settle_doubt(self) -> int:
        if not self._doubt:
            return 0
        doubt, self._doubt = self._doubt, 0
        before, following = self._text[:doubt], self._text[doubt:].split(maxsplit=1)
        if following and _begins_sentence(before, following[0]):
            return self._cut(before, _End.SENTENCE)
        return 0

    def _cut(self, before: str, end: _End) -> int:
        """The place behind `before` if a piece may end there."""
        clause_chars, word_chars = self._limits
        size = len(before.strip())
        if end is _End.SENTENCE and self._is_sentence(before):
            return len(before)
        if end in (_End.CLAUSE, _End.SENTENCE) and size >= clause_chars:
            return len(before)
        if end is not _End.BOUND and size >= word_chars and not _is_leaning(before):
            return len(before)
        return len(before) if size >= self._unbroken_chars else 0

    def _is_sentence(self, before: str) -> bool:
        """Whether `before`, which ends like a sentence, is long enough to be a piece."""
        if self._is_first:
            return sum(map(str.isalnum, before)) > 1
        return len(before.strip()) >= self._sentence_chars


# --- what a word's end is the end of ----------------------------------------------------------------------


def _end_of(before: str) -> _End:
    word = before.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS + _FULL_WIDTH_CLOSERS)
    mark = core[-1:]
    if mark == ".":
        return _end_of_dot(before, word, core)
    if mark and mark in "!?…" + _FULL_WIDTH_SENTENCE:
        return _End.DOUBTFUL if core != word or mark == "…" else _End.SENTENCE
    if core in ("-", *_DASHES):
        return _End.BOUND if _is_first_of_line(before, word) else _End.CLAUSE
    if core.endswith(_DASHES) or (mark and mark in ":;" + _FULL_WIDTH_CLAUSE):
        return _End.CLAUSE
    if mark == ",":
        # "May 3, 2026", "numbers 4, 8 and 15"
        return _End.WORD if core[-2:-1].isdigit() else _End.CLAUSE
    if word[:-1].isdigit() and word.endswith(")") and _is_first_of_sentence(before, word):
        return _End.BOUND
    return _End.WORD


def _end_of_dot(before: str, word: str, core: str) -> _End:
    if core.endswith(".."):
        return _End.DOUBTFUL
    name = core[:-1].lstrip(_OPENERS).casefold()
    if name in _TITLES:
        return _End.BOUND
    if name.isdigit() and _is_first_of_sentence(before, word):
        return _End.BOUND
    if core != word or name in _ABBREVIATIONS or name in _NUMBERED or _DOTTED.fullmatch(name):
        return _End.DOUBTFUL
    return _End.SENTENCE


def _begins_sentence(before: str, following: str) -> bool:
    """Whether `following` begins a new sentence after `before`, whose end is doubtful."""
    word = before.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS + _FULL_WIDTH_CLOSERS)
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


def _is_whole(text: str) -> bool:
    """Whether `text` can be taken for a sentence although nothing follows: "3." cannot."""
    core = text.rstrip().rstrip(_CLOSERS)
    return _end_of(text) in (_End.SENTENCE, _End.DOUBTFUL) and not core[-2:-1].isdigit()


def _is_leaning(before: str) -> bool:
    return before.rsplit(maxsplit=1)[-1].casefold() in _LEANING
