"""One utterance of the person: audio going into a recognition, and its words, as often as they are asked for.

An utterance may seem to be over and then go on. While it is paused it can be transcribed (`final`), and audio
that comes is kept aside, so that the transcript stays true; `resume` takes it all in and forgets it. Once it has
ended, its words are told once, with the transcript or with what went wrong, to all who listen. Whoever asks for its
words, and however often: they have one deadline, after which they cannot be had.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import anyio

from audio.formats import Samples
from server.conversation.recognition import Outcome, Reading, RecentSound
from stages.errors import ProviderError
from stages.ports import Partial, Recogniser, SpeechHints, Transcript


@dataclass(frozen=True, slots=True)
class WordsCame:
    """The recogniser knows more while the utterance goes on."""

    delta: str
    """What is new of the words that will not change; perhaps nothing."""


@dataclass(frozen=True, slots=True)
class WordsTranscribed:
    """All that was said up to now was transcribed, and may yet go on."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WordsSettled:
    """The utterance is over and its words are known, or cannot be had. Comes once."""

    outcome: Outcome


WordNews = WordsCame | WordsTranscribed | WordsSettled


class WordListener(Protocol):
    """Is told of the words of utterances. Plain calls."""

    def hear_words(self, utterance: "Utterance", news: WordNews) -> None:
        """There is news of the words of an utterance."""


class _State(StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"
    SETTLED = "settled"


class Utterance:
    """An utterance on its way to text, under the id of the item that it will be.

    `final` may be asked for by several runs (the one that was interrupted, the next one that needs its
    words): the work is done once.
    """

    def __init__(
        self,
        item_id: str,
        recogniser: Recogniser,
        listener: WordListener,
        *,
        patience_s: float = 10.0,
        hints: SpeechHints = SpeechHints(),
    ) -> None:
        """`patience_s` is how long the recogniser may take from when its words are first asked for."""
        self.item_id = item_id
        self.outcome: Outcome | None = None
        """What was said up to the pause or the end, or what went wrong; None until it is known."""
        self.partial = ""
        """What the recogniser makes of it so far."""
        self.transcribed_ms = 0
        """How much of it was transcribed while it went on."""
        self._listener = listener
        self._stable_chars = 0
        self._sound = RecentSound(recogniser.rate_hz)
        self._recognition = recogniser.open(self._came, hints=hints)
        self.reading = Reading(self._recognition, patience_s, recogniser)
        """How its words are come by."""
        self._kept: list[Samples] = []
        self._state = _State.OPEN
        self._lock = anyio.Lock()

    @property
    def duration_ms(self) -> int:
        """Milliseconds of audio in it."""
        return self._sound.duration_ms

    @property
    def text(self) -> str:
        """Its words as well as they are known by now."""
        return self.outcome.text if isinstance(self.outcome, Transcript) else self.partial

    def push(self, samples: Samples) -> None:
        """More audio, `int16[n]` at the recogniser's rate. Never waits."""
        self._sound.push(samples)
        if self._state is _State.PAUSED:
            self._kept.append(samples)
        else:
            self._recognition.push(samples)

    def recent(self) -> Samples:
        """The newest seconds of it, as the end-of-turn model hears them: `int16[n]`."""
        return self._sound.newest()

    @property
    def is_paused(self) -> bool:
        """Whether it may be over."""
        return self._state is _State.PAUSED

    @property
    def is_being_transcribed(self) -> bool:
        """Whether somebody waits for its words."""
        return self._lock.locked()

    def pause(self) -> None:
        """The person may have finished: what is transcribed from now on is what was said up to here."""
        assert self._state is _State.OPEN
        self._state = _State.PAUSED
        self.reading.revise()

    def resume(self) -> None:
        """The person had not finished."""
        assert self._state is _State.PAUSED
        self._state = _State.OPEN
        self.reading.revise()
        self.outcome = None
        for samples in self._kept:
            self._recognition.push(samples)
        self._kept.clear()

    def end(self) -> None:
        """Nothing more will be said in it. What was transcribed in its last pause is what it says."""
        assert self._state in (_State.OPEN, _State.PAUSED)
        self._state = _State.ENDED
        self._kept.clear()
        if self.outcome is not None:
            self._settle(self.outcome)

    async def final(self) -> Transcript:
        """The transcript of what was said up to the pause or the end.

        Raises ProviderError when it cannot be had; of a settled utterance the transcript is then empty.
        Cancel-safe: the next caller starts over.
        """
        async with self._lock:
            if self._state is _State.SETTLED:
                return self.outcome if isinstance(self.outcome, Transcript) else Transcript(text="")
            outcome = self.outcome or await self._transcribe()
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Let go of the recogniser; what is not known by now never will be."""
        self._recognition.close()

    async def _transcribe(self) -> Outcome:
        revision, length_ms = self.reading.revision, self.duration_ms
        outcome = await self.reading.words()
        if revision != self.reading.revision:
            return outcome
        match self._state:
            case _State.OPEN:
                self.transcribed_ms = length_ms
                self.partial = outcome.text if isinstance(outcome, Transcript) else self.partial
                self._listener.hear_words(self, WordsTranscribed(outcome))
            case _State.PAUSED:
                self.outcome = outcome
                self._listener.hear_words(self, WordsTranscribed(outcome))
            case _State.ENDED:
                self._settle(outcome)
            case _State.SETTLED:
                pass
        return outcome

    def _came(self, partial: Partial) -> None:
        self.partial = partial.text
        delta = partial.stable[self._stable_chars :]
        self._stable_chars += len(delta)
        self._listener.hear_words(self, WordsCame(delta))

    def _settle(self, outcome: Outcome) -> None:
        self._state = _State.SETTLED
        self.outcome = outcome
        if self.reading.calls:
            self.reading.calls[-1].audio(self._sound.duration_ms / 1000)
        self._sound.forget()
        self._recognition.close()
        self._listener.hear_words(self, WordsSettled(outcome))
