"""One utterance of the person: audio going into a recognition, and its words, as often as they are asked for.

An utterance may seem to be over and then go on. While it is paused its words can be read (`final`), and audio
that comes is kept out_of_band, so that the reading stays true; `resume` takes it all in and forgets the reading.
Once it has ended, its words are told: `on_settled` is called once, with the transcript or with what went
wrong. Whoever asks for its words, and however often: they have one deadline, after which they cannot be had.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import anyio
import numpy as np

from audio.formats import Samples, samples_to_ms
from stages.errors import ProviderError, ProviderTimeout
from stages.ports import Recognition, Transcript

log = logging.getLogger(__name__)

RECENT_S = 8
"""How much of its sound is kept for the end-of-turn model, which hears no more than that."""

Outcome = Transcript | ProviderError


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
        recognition: Recognition,
        rate_hz: int,
        *,
        patience_s: float = 10.0,
        on_transcribed: Callable[["Utterance", Outcome], None],
        on_settled: Callable[["Utterance", Outcome], None],
    ) -> None:
        """`patience_s` is how long the recogniser may take from when its words are first asked for.

        `on_transcribed` is called with every reading of it as it still is when the reading is done.
        """
        self.item_id = item_id
        self.outcome: Outcome | None = None
        """What was said up to the pause or the end, or what went wrong; None until it is known."""
        self.partial = ""
        """What the recogniser makes of it so far; whoever opened the recognition keeps it fresh."""
        self.transcribed_ms = 0
        """How much of it was read while it went on."""
        self._recognition = recognition
        self._rate_hz = rate_hz
        self._samples = 0
        self._recent: deque[Samples] = deque()
        self._recent_samples = 0
        self._kept: list[Samples] = []
        self._revision = 0
        self._patience_s = patience_s
        self._read_by: float | None = None
        """When the words of this revision are too late; None until somebody asks for them."""
        self._state = _State.OPEN
        self._lock = anyio.Lock()
        self._on_transcribed = on_transcribed
        self._on_settled = on_settled

    @property
    def duration_ms(self) -> int:
        """Milliseconds of audio in it."""
        return samples_to_ms(self._samples, self._rate_hz)

    @property
    def text(self) -> str:
        """Its words as well as they are known by now."""
        return self.outcome.text if isinstance(self.outcome, Transcript) else self.partial

    def push(self, samples: Samples) -> None:
        """More audio, `int16[n]` at the recogniser's rate. Never waits."""
        self._samples += len(samples)
        self._recent.append(samples)
        self._recent_samples += len(samples)
        while self._recent_samples - len(self._recent[0]) >= RECENT_S * self._rate_hz:
            self._recent_samples -= len(self._recent.popleft())
        if self._state is _State.PAUSED:
            self._kept.append(samples)
        else:
            self._recognition.push(samples)

    def recent(self) -> Samples:
        """The newest `RECENT_S` seconds of it, or all if there is less: `int16[n]`."""
        return np.concatenate(self._recent) if self._recent else np.zeros(0, np.int16)

    @property
    def is_paused(self) -> bool:
        """Whether it may be over."""
        return self._state is _State.PAUSED

    @property
    def is_being_transcribed(self) -> bool:
        """Whether somebody waits for its words."""
        return self._lock.locked()

    def pause(self) -> None:
        """The person may have finished: what is read from now on is what was said up to here."""
        assert self._state is _State.OPEN
        self._state = _State.PAUSED
        self._revise()

    def resume(self) -> None:
        """The person had not finished."""
        assert self._state is _State.PAUSED
        self._state = _State.OPEN
        self._revise()
        self.outcome = None
        for samples in self._kept:
            self._recognition.push(samples)
        self._kept.clear()

    def end(self) -> None:
        """Nothing more will be said in it. What was read in its last pause is what it says."""
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
            outcome = self.outcome or await self._read()
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Let go of the recogniser; what is not known by now never will be."""
        self._recognition.close()

    async def _read(self) -> Outcome:
        revision, length_ms = self._revision, self.duration_ms
        outcome = await self._recognised()
        if revision != self._revision:
            return outcome
        match self._state:
            case _State.OPEN:
                self.transcribed_ms = length_ms
                self.partial = outcome.text if isinstance(outcome, Transcript) else self.partial
                self._on_transcribed(self, outcome)
            case _State.PAUSED:
                self.outcome = outcome
                self._on_transcribed(self, outcome)
            case _State.ENDED:
                self._settle(outcome)
            case _State.SETTLED:
                pass
        return outcome

    async def _recognised(self) -> Outcome:
        if self._read_by is None:
            self._read_by = anyio.current_time() + self._patience_s
        try:
            with anyio.CancelScope(deadline=self._read_by):
                found = await self._recognition.final()
                return replace(found, text=found.text.strip())
        except ProviderError as error:
            return error
        except Exception as error:
            log.exception("the recogniser failed in a way that it must not")
            return ProviderError(f"{type(error).__name__}: {error}")
        return ProviderTimeout(f"the recogniser took longer than {self._patience_s:g} s for an utterance")

    def _revise(self) -> None:
        """What was read of it so far is about something else."""
        self._revision += 1
        self._read_by = None

    def _settle(self, outcome: Outcome) -> None:
        self._state = _State.SETTLED
        self.outcome = outcome
        self._recent.clear()
        self._recognition.close()
        self._on_settled(self, outcome)
