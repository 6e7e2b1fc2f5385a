"""Recognitions of services that read a whole utterance at once: kept here, sent when the text is wanted, and once."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np

from audio.formats import Samples, ms_to_samples
from stages.ports import Partial, SpeechHints, Transcript

LEAST_MS = 100
"""Shorter clips are refused by some services, and have no word in them."""

_QUIET = 64
"""What never gets louder is no speech; models make words of it."""


class Transcribe(Protocol):
    """Reads `int16[n]`; `on_text` is told what is known of the text while it comes. Raises ProviderError."""

    def __call__(
        self, samples: Samples, hints: SpeechHints, on_text: Callable[[str], None]
    ) -> Awaitable[Transcript]:
        """Cancel-safe: a cancelled call ends the request."""


class WholeUtterance:
    """One utterance; implements `stages.ports.Recognition`."""

    def __init__(
        self,
        transcribe: Transcribe,
        rate_hz: int,
        on_partial: Callable[[Partial], None] | None,
        hints: SpeechHints,
    ) -> None:
        self._transcribe = transcribe
        self._rate_hz = rate_hz
        self._on_partial = on_partial
        self._hints = hints
        self._stretches: list[Samples] = []
        self._read: tuple[int, Transcript] | None = None

    def push(self, samples: Samples) -> None:
        """Keep the audio."""
        self._stretches.append(samples)

    async def final(self) -> Transcript:
        """The text of everything pushed so far, by one request, or none if nothing was added or heard since."""
        audio = self._audio()
        if self._read is not None and is_quiet(audio[self._read[0] :]):
            return self._read[1]
        if len(audio) < ms_to_samples(LEAST_MS, self._rate_hz) or is_quiet(audio):
            return Transcript("", self._hints.language or "en", no_speech=1.0)
        transcript = await self._transcribe(audio, self._hints, self._tell)
        self._read = (len(audio), transcript)
        return transcript

    def close(self) -> None:
        """Let go of the audio."""
        self._on_partial = None
        self._stretches.clear()

    def _tell(self, text: str) -> None:
        if self._on_partial is not None and text.strip():
            self._on_partial(Partial(text.strip()))

    def _audio(self) -> Samples:
        if len(self._stretches) != 1:
            self._stretches = [np.concatenate([np.zeros(0, np.int16), *self._stretches])]
        return self._stretches[0]


def is_quiet(samples: Samples) -> bool:
    """Whether nobody speaks in it, however one listens."""
    return int(np.abs(samples.astype(np.int32)).max(initial=0)) < _QUIET
