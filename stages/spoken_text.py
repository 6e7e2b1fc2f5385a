"""Which of an answer's displayed text begins with which of its audio. Pure.

An answer is cut into pieces, each is made speakable and pushed into the voice's utterance. The voice gives audio back,
with what it knows of its place: how many characters had been spoken before (`begins`), the times of words, or nothing.
Where it knows nothing, a piece is taken to begin when the audio before it is as long as its text at an ordinary pace.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from audio.formats import Samples
from stages.errors import UnspeakableText
from stages.ports import Speech, WordTime
from stages.text.emoji import emoji_words
from stages.text.guess import guess_language
from stages.text.languages import UNKNOWN
from stages.text.rules.scripts import is_foreign
from stages.text.speakable import Piece, pieces, spoken_of
from stages.text.word_times import ShownTimes, is_word
from stages.text.words import split_words, spoken_size

CHAR_S = 0.065
"""How long a character of English takes at an ordinary pace, spaces included: 15 characters a second."""


@dataclass(frozen=True, slots=True)
class SpokenStretch:
    """Audio, `int16[n]`, the displayed text that begins with it ("" if it goes on with the last), and the shown words
    that it completes, in samples from where that text's audio began."""

    samples: Samples
    text: str
    words: tuple[WordTime, ...]


@dataclass(slots=True)
class _Piece:
    shown: str
    start_char: int
    start_size: int
    """Where it begins, in letters of English that take as long."""
    words_left: int
    times: ShownTimes
    start_sample: int = 0


class _Voice(Enum):
    """What the voice has shown that it tells of its audio."""

    NOTHING = auto()
    WORDS = auto()
    CHARACTERS = auto()


class SpokenText:
    """The text of one answer on its way through a voice."""

    def __init__(
        self, rate_hz: int, speed: float = 1.0, language: str | None = "en", any_script: bool = False
    ) -> None:
        """`language` is what numbers and signs are read in, None to go by the words; `any_script`: whether the voice
        reads all scripts."""
        self._char_samples = CHAR_S * rate_hz / speed
        self._is_told = language is not None
        self._language = language or UNKNOWN
        self._any_script = any_script
        self._foreign = (
            ""  # displayed text whose words are all in another script, while nothing has been spoken
        )
        self._silent = ""  # displayed text with nothing to say, which is shown with the next piece
        self._chars = self._size = 0
        self._waiting: deque[_Piece] = deque()
        self._current: _Piece | None = None
        self._tells = _Voice.NOTHING
        self.samples = 0
        """Of audio that has come back."""

    def push(self, shown: str) -> str:
        """What the voice is to be given for the next piece; empty if there is nothing to say for it. Joined, they are
        the answer as it is spoken."""
        shown, self._foreign = self._foreign + shown, ""
        if not self._is_told:
            guessed = guess_language(shown)
            self._language = guessed or (UNKNOWN if is_foreign(shown) else self._language)
        if not self._any_script and not self._chars and is_foreign(shown, self._language):
            self._foreign = shown
            return ""
        cut = pieces(shown, self._language, self._any_script)
        spoken = spoken_of(cut)
        if not spoken:
            self._silent += shown
            return ""
        return self._take_up(cut, spoken)

    def finish(self) -> str:
        """What the voice is to be given after the last piece: the names of emoji, for an answer that is nothing else.

        Raises UnspeakableText for one that the voice cannot say a word of.
        """
        shown = self._silent + self._foreign
        if self._chars or not shown.strip():
            return ""
        if self._foreign or not (spoken := emoji_words(shown, self._language)):
            raise UnspeakableText(f"the voice cannot say this: {shown.strip()[:60]!r}")
        self._silent = ""
        return self._take_up(pieces(shown, self._language, self._any_script), spoken)

    def _take_up(self, cut: Sequence[Piece], spoken: str) -> str:
        if self._chars:
            spoken = " " + spoken
        words = sum(map(is_word, split_words(spoken)))
        shown = self._silent + "".join(piece.shown for piece in cut)
        times = ShownTimes(cut, self._silent)
        self._waiting.append(_Piece(shown, self._chars, self._size, words, times))
        self._silent = ""
        self._chars += len(spoken)
        self._size += spoken_size(spoken)
        return spoken

    @property
    def char_s(self) -> float:
        """How long a character of this answer takes at an ordinary pace."""
        return CHAR_S * self._size / self._chars if self._chars else CHAR_S

    def take(self, speech: Speech) -> Iterator[SpokenStretch]:
        """The audio with its text, cut where the next piece of text begins."""
        samples, base = speech.samples, self.samples
        text = "".join(self._begun_by(speech))
        words: list[WordTime] = []
        for word in speech.words:
            self._tells = _Voice.WORDS if self._tells is _Voice.NOTHING else self._tells
            if self._current is not None and self._current.words_left <= 0 and self._waiting:
                at = min(max(word.start_sample, self.samples), base + len(samples))
                yield self._stretch(samples[self.samples - base : at - base], text, words)
                text, words = self._begin(), []
            words += self._shown(word)
        yield self._stretch(samples[self.samples - base :], text, words)

    def rest(self) -> str:
        """The displayed text that no audio has brought."""
        return "".join(piece.shown for piece in self._waiting) + self._silent + self._foreign

    def _stretch(self, samples: Samples, text: str, words: list[WordTime]) -> SpokenStretch:
        self.samples += len(samples)
        return SpokenStretch(samples, text, tuple(words))

    def _begin(self) -> str:
        self._current = self._waiting.popleft()
        self._current.start_sample = self.samples
        return self._current.shown

    def _begun_by(self, speech: Speech) -> Iterator[str]:
        while self._waiting and self._has_begun(self._waiting[0], speech):
            yield self._begin()

    def _has_begun(self, piece: _Piece, speech: Speech) -> bool:
        if self._current is None:
            return True  # the first audio is the first piece's
        if speech.begins is not None:
            self._tells = _Voice.CHARACTERS
            return piece.start_char <= speech.begins
        if self._tells is not _Voice.NOTHING:
            return False  # it will say when
        return self.samples >= piece.start_size * self._char_samples

    def _shown(self, word: WordTime) -> Iterator[WordTime]:
        if self._current is not None:
            self._current.words_left -= sum(map(is_word, split_words(word.text)))
            yield from self._current.times.take((word.later(-self._current.start_sample),))
