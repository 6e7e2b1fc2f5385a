"""What the recogniser makes of one utterance, with one deadline for its words whoever asks for them; and its sound."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import anyio
import numpy as np

from audio.formats import Samples, samples_to_ms
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.ports import Recognition, SpeechHints, Transcript
from stages.providers.calls import ProviderCall, calling, noting

log = logging.getLogger(__name__)

RECENT_S = 8
"""How much of its sound is kept for the end-of-turn model, which hears no more than that."""

Outcome = Transcript | ProviderError


GiveHints = Callable[[], SpeechHints]
"""Gives what is known now of the speech that comes."""


class RecentSound:
    """The newest of an utterance's sound, and how long all of it lasts. Plain calls."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._all_samples = 0
        self._pieces: deque[Samples] = deque()
        self._kept_samples = 0

    def push(self, samples: Samples) -> None:
        """Add more of the sound, `int16[n]`."""
        self._all_samples += len(samples)
        self._pieces.append(samples)
        self._kept_samples += len(samples)
        while self._kept_samples - len(self._pieces[0]) >= RECENT_S * self._rate_hz:
            self._kept_samples -= len(self._pieces.popleft())

    @property
    def duration_ms(self) -> int:
        """How long all of the sound lasts, in milliseconds."""
        return samples_to_ms(self._all_samples, self._rate_hz)

    def newest(self) -> Samples:
        """The newest `RECENT_S` seconds, or all if there is less: `int16[n]`."""
        return np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.int16)

    def forget(self) -> None:
        """Let go of the sound: nobody asks for it any more."""
        self._pieces.clear()


class Reading:
    """The words of an utterance as it is now; when it goes on, they get new time."""

    def __init__(self, recognition: Recognition, patience_s: float, recogniser: object = None) -> None:
        """`patience_s` is how long the recogniser may take from when the words are first asked for; `recogniser` is
        whose recognition it is."""
        self.revision = 0
        """How often an earlier transcript has come to be of something else."""
        self.calls: list[ProviderCall] = []
        """Of the recognisers that were asked."""
        self.sift: Callable[[Transcript], Transcript] = lambda found: found
        """What is left of what was recognised, as far as the person said it."""
        self._recogniser = recogniser
        self._recognition = recognition
        self._patience_s = patience_s
        self._read_by: float | None = None
        """When the words of this revision are too late; None until somebody asks for them."""

    def revise(self) -> None:
        """The transcript so far is of something else."""
        self.revision += 1
        self._read_by = None

    async def words(self) -> Outcome:
        """The words, or what went wrong. Cancel-safe: whoever asks next asks anew, with what is left of the time."""
        if self._read_by is None:
            self._read_by = anyio.current_time() + self._patience_s
        try:
            with noting(self.calls), calling(self._recogniser) as call:
                with anyio.CancelScope(deadline=self._read_by):
                    found = await self._found()
                    call.first()
                    return self.sift(replace(found, text=found.text.strip()))
                late = f"the recogniser took longer than {self._patience_s:g} s for an utterance"
                raise ProviderTimeout(late, kind=ErrorKind.TIMEOUT)
        except ProviderError as error:
            return error

    async def _found(self) -> Transcript:
        """What the recogniser says; whatever it raises as a ProviderError, so that it is counted as its failure."""
        try:
            return await self._recognition.final()
        except ProviderError:
            raise
        except Exception as error:
            log.exception("the recogniser failed in a way that it must not")
            raise ProviderError(f"{type(error).__name__}: {error}") from error
