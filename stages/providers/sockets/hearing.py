"""The text of one utterance, put together from the pieces that a service tells. Pure.

A service tells *final pieces*, which are joined, and a *guess* at what comes after them, which the next guess or final
piece replaces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stages.ports import HeardWord, Partial, Transcript


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word, in seconds on the clock of the connection."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Final:
    """The next stretch of text that will not change. It may be empty."""

    text: str
    end_s: float | None = None
    """Up to where in the connection's audio it goes, if the service says."""
    words: tuple[TimedWord, ...] = ()
    confidence: float | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Guess:
    """What is likely to follow the final text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finalised:
    """All audio that had come before the last finalise is final now. `end_s` as in `Final`."""

    end_s: float | None = None


HearingEvent = Final | Guess | Finalised


@dataclass(slots=True)
class HeardText:
    """One utterance. `joint` stands between pieces: a space, or nothing where pieces bring their own."""

    joint: str = " "
    language: str = ""
    pieces: list[str] = field(default_factory=list)
    words: list[HeardWord] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    guess: str = ""
    kept: tuple[int, int] = (0, 0)
    """How many pieces and words are of audio that is not sent again."""

    def keep(self) -> None:
        """The audio of all final pieces is settled: no reconnect brings it again."""
        self.kept = len(self.pieces), len(self.words)

    def hear_again(self) -> None:
        """The audio that was not settled is sent again, and its text comes again."""
        del self.pieces[self.kept[0] :], self.words[self.kept[1] :]
        self.guess = ""

    def final(self, piece: Final, ms_at: Callable[[float], int]) -> None:
        """Append a final piece. `ms_at` gives the place in the utterance of a time on the connection's clock."""
        self.guess = ""
        if not piece.text.strip():
            return
        self.pieces.append(piece.text)
        self.words += heard_words(piece.words, ms_at)
        if piece.confidence is not None:
            self.confidences.append(min(1.0, max(0.0, piece.confidence)))
        self.language = piece.language or self.language

    @property
    def partial(self) -> Partial:
        """What has been heard so far."""
        stable = self._joined(self.pieces)
        return Partial(self._joined([*self.pieces, self.guess]) if self.guess else stable, stable)

    def transcript(self) -> Transcript:
        """The final pieces as a transcript."""
        text = self._joined(self.pieces)
        confidence = sum(self.confidences) / len(self.confidences) if self.confidences else None
        return Transcript(
            text,
            self.language or "en",
            no_speech=0.0 if text else 1.0,
            words=tuple(self.words),
            confidence=confidence,
        )

    def _joined(self, pieces: Sequence[str]) -> str:
        return self.joint.join(piece.strip() if self.joint else piece for piece in pieces).strip()


def heard_words(words: Sequence[TimedWord], ms_at: Callable[[float], int]) -> tuple[HeardWord, ...]:
    """The words on the utterance's own clock."""
    return tuple(
        HeardWord(word.text, max(0, ms_at(word.start_s)), max(0, ms_at(word.end_s)), word.confidence)
        for word in words
    )
