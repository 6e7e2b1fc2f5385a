"""Takes a voice that a loudspeaker plays out of what a microphone hears, where the package that can is installed: the
echo canceller of WebRTC, AEC3, which finds the delay (up to half a second) and the room by itself.

    bytes ─▶ Intake ─▶ without the echo ─▶ the rest of the ear

While nothing was played lately, the ear gets what the intake has, bit for bit.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from audio.formats import SPEECH_HZ, AudioFormat, Samples
from audio.intake import Intake

FRAME_SAMPLES = SPEECH_HZ // 100
"""What a canceller works on at once."""

PACKAGE = "pywebrtc_audio"

_NOTHING: Samples = np.empty(0, np.int16)


class Canceller(Protocol):
    """Knows one room. Takes 61 µs for 10 ms, and 0.3 ms to be made."""

    def process(self, near: Samples, far: Samples) -> Any:
        """`int16[n]` of the microphone without what it has of `int16[n]` that was played; at `SPEECH_HZ`, whole
        frames."""


NewCanceller = Callable[[], Canceller]
"""Makes one for a new room."""


def load_canceller() -> NewCanceller:
    """What makes them; reads files. Raises ImportError, or OSError, where the package is missing or does not run
    here."""
    return partial(import_module(PACKAGE).EchoCanceller, sample_rate=SPEECH_HZ)


PlayedBeside = Callable[[int], Samples | None]
"""The next so many samples that were played while the microphone heard as many, at `SPEECH_HZ`; None where nothing was
played lately, or nothing of it comes back."""


class EchoFreeIntake(Intake):
    """An intake whose samples have no echo in them. What is no whole frame of the canceller leads the next push."""

    __slots__ = ("_canceller", "_new_canceller", "_played")

    def __init__(self, format: AudioFormat, new_canceller: NewCanceller, played: PlayedBeside) -> None:
        """The canceller is made when there is something to take out."""
        super().__init__(format)
        self._canceller: Canceller | None = None
        self._new_canceller = new_canceller
        self._played = played

    def push(self, data: bytes, worth_samples: int = 1, each: int = 1) -> Samples:
        """See `Intake.push`."""
        samples = super().push(data, worth_samples, each)
        if not len(samples):
            return samples
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        far = self._played(whole)
        if far is None:
            return samples
        self.unread(samples[whole:])
        if not whole:
            return _NOTHING
        if self._canceller is None:
            self._canceller = self._new_canceller()
        cleaned: Samples = self._canceller.process(samples[:whole], far)
        return cleaned
