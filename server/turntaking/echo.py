"""Whether a sound is the agent's own voice, come back through the microphone: by its words, when they were audible, and
how loud it is.

The server knows which words of an answer the person is hearing, and when. A sound's words are compared with those that
were audible while it lasted, loosely, because recognisers mishear echoes. One or two words are compared more closely,
and count as an echo only if the sound is not as loud as the person: who repeats "eight" says it at their own level.
What is an echo has no words: it interrupts nothing, and nobody answers it. Of a client that says that it cancels echo
nothing is suspected: what is heard there is the person, whatever they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakKeyDictionary

from audio.levels import loud_dbfs
from server.conversation.heard import SpokenPiece, said_between
from server.conversation.utterance import Utterance
from server.domain.values import ConfigInForce
from server.turntaking.interruption import Loudness, are_few, is_echo, words_of
from stages.ports import Transcript
from stages.text.guess import guess_language
from stages.text.speakable import speakable

BEFORE_MS = 700
"""How much later than the server thinks a word may be heard: the network, the player, the way through the room."""

AFTER_MS = 300
"""How much earlier."""

TAIL_MS = 1000
"""So long after an answer a sound may begin that is the end of its echo."""

FORGET_MS = 6000
"""A client that has played so much of the agent's voice without an echo has none: what was taken for it was the person,
who happened to say what the agent said."""

_SMOOTHING = 0.3
_FADING = 0.05
"""So far an echo's level goes towards one that is softer: while a voice is lowered, so is its echo, and the next begins
as loud as before."""
_ECHO_BELOW_DB = 10.0
"""So far below the person's level a sound may be an echo, while none has been heard."""
_AROUND_ECHO_DB = 10.0
"""So far above its level a sound may be the echo, while the person has not spoken: words differ, and a voice that was
lowered is raised again."""
_TELLABLE_DB = 6.0
"""Levels of person and echo that are nearer to each other than this tell nothing."""


class HeardVoice(Protocol):
    """The answer that is being said, or was said last."""

    @property
    def text(self) -> str:
        """What the agent is saying."""

    @property
    def heard_ms(self) -> int:
        """How much of it has been heard."""

    @property
    def spoken(self) -> tuple[Sequence[SpokenPiece], int]:
        """Its words with their places, and the samples of a second."""


class MicrophoneClock(Protocol):
    """The session's clock of the microphone."""

    @property
    def position_ms(self) -> int:
        """Milliseconds of audio received since the session began."""

    @property
    def agent_quiet_ms(self) -> int | None:
        """How much audio has come since the agent was audible: 0 while it is, None before it ever was."""


class Levels:
    """How loud the person and the echo are, as far as they have been heard, in dBFS. Pure."""

    def __init__(self) -> None:
        self.person: float | None = None
        self.echo: float | None = None

    def heard_person(self, dbfs: float) -> None:
        """The person has spoken at this level."""
        self.person = _smoothed(self.person, dbfs)

    def heard_echo(self, dbfs: float) -> None:
        """An echo came back at this level."""
        self.echo = dbfs if self.echo is None else max(dbfs, self.echo + _FADING * (dbfs - self.echo))

    def like(self, dbfs: float) -> Loudness:
        """The level that a sound is like."""
        if self.person is None and self.echo is None:
            return Loudness.UNKNOWN
        if self.person is None:
            assert self.echo is not None
            return Loudness.ECHO if dbfs <= self.echo + _AROUND_ECHO_DB else Loudness.PERSON
        if self.echo is None:
            return Loudness.UNKNOWN if dbfs <= self.person - _ECHO_BELOW_DB else Loudness.PERSON
        if self.person - self.echo < _TELLABLE_DB:
            return Loudness.UNKNOWN
        return Loudness.ECHO if dbfs < (self.person + self.echo) / 2 else Loudness.PERSON


def _smoothed(before: float | None, now: float) -> float:
    return now if before is None else before + _SMOOTHING * (now - before)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in an answer a sound began."""

    pieces: Sequence[SpokenPiece]
    rate_hz: int
    heard_ms: int

    def audible(self, duration_ms: int) -> str:
        """The words that could be heard while it lasted."""
        start_ms, end_ms = self.heard_ms - BEFORE_MS, self.heard_ms + duration_ms + AFTER_MS
        return said_between(
            self.pieces, start_ms * self.rate_hz // 1000, end_ms * self.rate_hz // 1000
        ).strip()


class EchoEar:
    """Tells the agent's voice from the person's, in one session. Plain calls."""

    def __init__(self, answer: HeardVoice, ear: MicrophoneClock, config: ConfigInForce) -> None:
        self.levels = Levels()
        self._answer = answer
        self._ear = ear
        self._config = config
        self._places: WeakKeyDictionary[Utterance, _Place] = WeakKeyDictionary()
        self._newest: Sequence[SpokenPiece] = ()
        self._heard_ms = self._without_echo_ms = 0

    @property
    def is_known(self) -> bool:
        """Whether this client lets the agent hear itself."""
        return self.levels.echo is not None and not self._is_cancelled

    @property
    def _is_cancelled(self) -> bool:
        """Whether the client lets nothing of the agent's voice through, as it says."""
        return self._config.current.echo_cancelled

    @property
    def may_come_back(self) -> str:
        """The words of the answer, as far as they may be heard in the microphone."""
        return "" if self._is_cancelled else self._answer.text

    def began(self, utterance: Utterance, onset_ms: int) -> None:
        """A sound began: from now on its words are sifted."""
        if self._is_cancelled:
            return
        quiet_ms = self._ear.agent_quiet_ms
        if quiet_ms is not None and quiet_ms <= TAIL_MS:
            pieces, rate_hz = self._answer.spoken
            self._count_silence(pieces)
            if pieces:
                ago_ms = self._ear.position_ms - onset_ms
                self._places[utterance] = _Place(pieces, rate_hz, self._answer.heard_ms - ago_ms)
        utterance.reading.sift = lambda found: self._sift(utterance, found)

    def _count_silence(self, pieces: Sequence[SpokenPiece]) -> None:
        """Add what was heard of the voice since the last sound, or since the end of the last echo; an echo is forgotten
        that does not come again."""
        heard_ms = self._answer.heard_ms
        self._without_echo_ms += heard_ms - (self._heard_ms if pieces is self._newest else 0)
        self._newest, self._heard_ms = pieces, heard_ms
        if self._without_echo_ms > FORGET_MS:
            self.levels.echo = None

    def _echo_came(self, dbfs: float) -> None:
        """An echo came back, and lasted until now: what was heard of the voice meanwhile was not without one."""
        self.levels.heard_echo(dbfs)
        self._newest, self._heard_ms = self._answer.spoken[0], self._answer.heard_ms
        self._without_echo_ms = 0

    def audible(self, utterance: Utterance) -> str:
        """What the agent said while this sound lasted, as it is spoken."""
        place = self._places.get(utterance)
        if place is None or self._is_cancelled:
            return ""
        audible = place.audible(utterance.duration_ms)
        pieces, rate_hz = self._answer.spoken
        if pieces is not place.pieces:  # another answer began meanwhile
            audible += " " + said_between(pieces, 0, (self._answer.heard_ms + AFTER_MS) * rate_hz // 1000)
        return self._as_spoken(audible)

    def loudness(self, utterance: Utterance) -> Loudness:
        """Whose level the sound has. Asked for each frame of an overlap: as long as no echo was heard, a sound without
        words is none, and how loud it is decides nothing."""
        levels = self.levels
        if self._is_cancelled:
            return Loudness.UNKNOWN
        if levels.echo is None and (levels.person is None or not utterance.text):
            return Loudness.UNKNOWN
        return levels.like(loud_dbfs(utterance.recent()))

    def _sift(self, utterance: Utterance, found: Transcript) -> Transcript:
        """What was recognised, without words if they are the agent's own."""
        if not found.text or not len(sound := utterance.recent()):
            return found
        dbfs = loud_dbfs(sound)
        audible, words = self.audible(utterance), words_of(self._as_spoken(found.text))
        whose = self.levels.like(dbfs)
        if is_echo(words, words_of(audible), whose):
            self._echo_came(dbfs)
            return replace(found, text="", no_speech=1.0, words=())
        # A word or two as loud as an echo may be the rest of one, of which nobody knows any more that it was audible.
        if not audible and (whose is not Loudness.ECHO or not are_few(words)):
            self.levels.heard_person(dbfs)
        return found

    def _as_spoken(self, text: str) -> str:
        """With its numbers in words, in the language that it seems to be in, or else that of the answer: "4 Personen"
        alone tells none."""
        return speakable(text, guess_language(text) or guess_language(self._answer.text) or "en")
