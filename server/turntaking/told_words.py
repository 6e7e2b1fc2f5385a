"""The words of one utterance, as a recogniser tells them that finds the ends of turns itself."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

import anyio
import numpy as np

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ProviderError
from stages.ports import HeardWord, Partial, Recogniser, Recognition, Transcript, TurnHeard
from stages.text.words import join_words, split_words

KEPT_S = 60.0
"""How much of an utterance another recogniser can hear, if the stream fails in the middle of it: its newest audio."""

UNHEARD_S = 1.0
"""How long a sound that has paused waits for its first word."""

FORCED_S = 2.0
"""How long the recogniser may take for the last words of an utterance that somebody else has ended."""

OnPartial = Callable[[Partial], None]


class RunningTurn:
    """The words of the turn that runs at the recogniser, but for those that belong to an utterance of before. Pure."""

    def __init__(self) -> None:
        self.text = ""
        """All words of it, so far."""
        self.began_sample: int | None = None
        """Where it began on the session's clock; None while none runs."""
        self._spent_words = 0

    def begin(self, at_sample: int | None = None) -> None:
        """Another turn runs, from there on; or none."""
        self.text, self._spent_words, self.began_sample = "", 0, at_sample

    def spend(self) -> None:
        """What has been said so far belongs to no later utterance."""
        self._spent_words = len(split_words(self.text))

    @property
    def fresh(self) -> str:
        """Its words that belong to nobody yet."""
        return self._rest(self.text)

    def heard(self, heard: TurnHeard) -> Partial:
        """Take in all words so far; gives those that are fresh."""
        self.text = heard.text
        return Partial(self.fresh, "" if self._spent_words else heard.stable)

    def told(self, transcript: Transcript) -> Transcript:
        """Take in the turn's probable or certain text; gives what is fresh of it."""
        self.text = transcript.text
        if not self._spent_words:
            return transcript
        fresh, words = self.fresh, transcript.words
        is_fitting = len(words) == len(split_words(self.text))
        rest = words[self._spent_words :] if is_fitting else ()
        return replace(transcript, text=fresh, words=rest, no_speech=transcript.no_speech if fresh else 1.0)

    def _rest(self, text: str) -> str:
        return join_words(split_words(text)[self._spent_words :]) if self._spent_words else text.strip()


class _State(Enum):
    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"
    FORCED = "forced"


_PATIENCE_S = {_State.OPEN: 0.0, _State.PAUSED: UNHEARD_S, _State.ENDED: 0.0, _State.FORCED: FORCED_S}


class ToldRecognition:
    """One utterance, whose words come by `hear`, `know` and `add`; a `Recognition`.

    When the stream fails, another recogniser hears the utterance from its beginning.
    """

    def __init__(self, on_partial: OnPartial | None, began_sample: int, words: str = "") -> None:
        """It begins at `began_sample` of the session's clock; `words` of it have been heard already."""
        self._began_sample = began_sample
        self._on_partial = on_partial
        self._audio: deque[Samples] = deque()
        self._kept = 0
        self._said: list[Transcript] = []
        """Turns that are over within it, as there may be where the client ends its utterances itself."""
        self._partial = Partial(words)
        self._known: Transcript | None = None
        self._failure: ProviderError | None = None
        self._other: Recognition | None = None
        self._state = _State.OPEN
        self._news = anyio.Event()

    # --- the recogniser's side ------------------------------------------------------------------------------

    def hear(self, partial: Partial) -> None:
        """More words of the running turn: all of them so far."""
        self._partial = partial
        if self._on_partial is not None:
            before = " ".join(one.text for one in self._said)
            whole = replace(partial, text=f"{before} {partial.text}", stable=before) if before else partial
            self._on_partial(whole)

    def know(self, transcript: Transcript, turn_began_sample: int) -> None:
        """What was said in it, as long as the recogniser does not take it back."""
        self._known = _placed(transcript, turn_began_sample - self._began_sample)
        self._tell()

    def add(self, transcript: Transcript, turn_began_sample: int) -> None:
        """A turn is over, and the utterance is not."""
        if transcript.text:
            self._said.append(_placed(transcript, turn_began_sample - self._began_sample))
        self._partial = Partial("")
        if self._state is _State.FORCED:
            self._known = self._so_far()
            self._tell()

    def pause(self) -> None:
        """Note that the utterance may be over, and has no words yet."""
        self._state = _State.PAUSED

    def resume(self) -> None:
        """Note that it was not over: the person goes on."""
        self._state, self._known = _State.OPEN, None

    def end(self, *, is_forced: bool) -> None:
        """Nothing more comes; `is_forced` if the recogniser did not end it, and may have more to say."""
        self._state = _State.FORCED if is_forced and self._known is None else _State.ENDED

    @property
    def is_awaited(self) -> bool:
        """Whether words are still to come although it has ended."""
        return self._state is _State.FORCED and self._known is None

    @property
    def text(self) -> str:
        """What is known to have been said, or may have been."""
        return self._so_far().text if self._known is None else self._known.text

    def fail_over(self, other: Recogniser) -> None:
        """The recogniser says nothing any more: have the other one hear it, from its beginning."""
        if self._known is None and self._other is None:
            try:
                self._other = other.open(self._on_partial)
                self._other.push(np.concatenate(self._audio) if self._audio else np.zeros(0, np.int16))
            except ProviderError as error:
                self._failure = error
        self._audio.clear()
        self._tell()

    # --- the utterance's side -------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        """Keep it: the recogniser hears it with all other audio of the session."""
        if self._other is not None:
            self._other.push(samples)
            return
        self._audio.append(samples)
        self._kept += len(samples)
        while self._kept - len(self._audio[0]) > KEPT_S * SPEECH_HZ:
            self._kept -= len(self._audio.popleft())

    async def final(self) -> Transcript:
        """What was said, or what is known of it when the recogniser has had its time. Raises ProviderError."""
        if self._known is None and self._other is None and self._failure is None:
            with anyio.move_on_after(_PATIENCE_S[self._state]):
                await self._news.wait()
        if self._failure is not None:
            raise self._failure
        if self._other is not None:
            return await self._other.final()
        if self._known is not None:
            return self._known
        if self._state is _State.FORCED:
            self._known = self._so_far()
            return self._known
        return self._so_far()

    def close(self) -> None:
        """No partial is reported afterwards."""
        self._on_partial = None
        self._audio.clear()
        if self._other is not None:
            self._other.close()

    # --- inside ---------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def _so_far(self) -> Transcript:
        parts = [*self._said, Transcript(self._partial.text)] if self._partial.text else self._said
        text = " ".join(part.text for part in parts)
        language = self._said[-1].language if self._said else "en"
        words = tuple(word for part in self._said for word in part.words)
        return Transcript(text, language, 0.0 if text else 1.0, 0.0, () if self._partial.text else words)


def _placed(transcript: Transcript, later_samples: int) -> Transcript:
    """With the times of its words from the start of the utterance, and not of the turn."""
    later_ms = later_samples * 1000 // SPEECH_HZ

    def placed(word: HeardWord) -> HeardWord:
        start_ms, end_ms = max(0, word.start_ms + later_ms), max(0, word.end_ms + later_ms)
        return replace(word, start_ms=start_ms, end_ms=end_ms)

    return replace(transcript, words=tuple(map(placed, transcript.words)))
