"""What the recognisers of a chain share of one utterance: its audio, and what was told of its text."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from audio.formats import Samples
from audio.resample import Resampler
from stages.ports import Partial, Recogniser, SpeechHints, Transcript
from stages.providers.failover.chain import Attempt

REPLAY_S = 60.0
"""How much of an utterance the next recogniser can hear: its newest audio."""

OnPartial = Callable[[Partial], None]


class Hearing:
    """One recogniser that hears the utterance, at its own rate."""

    def __init__(
        self, attempt: Attempt[Recogniser], rate_hz: int, report: OnPartial | None, hints: SpeechHints
    ) -> None:
        self.recognition = attempt.provider.open(report, hints=hints)
        self._resampler = Resampler(rate_hz, attempt.provider.rate_hz)

    def push(self, samples: Samples) -> None:
        if len(resampled := self._resampler.process(samples)):
            self.recognition.push(resampled)

    async def final(self) -> Transcript:
        return await self.recognition.final()


class HeardAudio:
    """The utterance's newest audio."""

    def __init__(self, rate_hz: int) -> None:
        self.duration_s = 0.0
        """Of all that there was."""
        self._rate_hz = rate_hz
        self._most = int(REPLAY_S * rate_hz)
        self._pieces: list[Samples] = []
        self._kept = 0

    def append(self, samples: Samples) -> None:
        self._pieces.append(samples)
        self._kept += len(samples)
        self.duration_s += len(samples) / self._rate_hz
        if self._kept > 2 * self._most:
            self._pieces = [self.audio()]
            self._kept = self._most

    def audio(self) -> Samples:
        """At most `REPLAY_S`."""
        if not self._pieces:
            return np.zeros(0, np.int16)
        return np.concatenate(self._pieces)[-self._most :]


class Told:
    """Hands partials on, and none of a later recogniser that contradicts what was told as stable."""

    def __init__(self, on_partial: OnPartial | None) -> None:
        self._on_partial = on_partial
        self._stable = ""

    def report(self) -> OnPartial | None:
        return self._tell if self._on_partial is not None else None

    def close(self) -> None:
        self._on_partial = None

    def _tell(self, partial: Partial) -> None:
        if self._on_partial is None or not partial.text.startswith(self._stable):
            return
        if not partial.stable.startswith(self._stable):
            partial = replace(partial, stable=self._stable)
        self._stable = partial.stable
        self._on_partial(partial)
