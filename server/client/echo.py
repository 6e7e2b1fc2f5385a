"""Takes the agent's voice out of what the microphone hears, where the package that can is installed."""

import numpy as np

from audio.echo import FRAME_SAMPLES, Canceller, load_canceller
from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler

MOST_WAITING_S, LEFT_WAITING_S = 0.06, 0.02
"""What was played may wait so long for the microphone, less than it takes to be played and heard: no echo is before its
voice. Of more, so much is left. Two sound cards do not have the same second, and what is lost of the microphone was
played all the same."""


class EchoCanceller:
    """The echo canceller of one conversation. What it gives is at `RATE_HZ`, whatever it gets: it is for
    recognisers."""

    RATE_HZ = SPEECH_HZ

    def __init__(self, canceller: Canceller, microphone_hz: int, speaker_hz: int) -> None:
        """Both sides begin now."""
        self._canceller = canceller
        self._near = _Side(microphone_hz)
        self._far = _Side(speaker_hz)

    @classmethod
    def installed(cls, microphone_hz: int, speaker_hz: int) -> "EchoCanceller | None":
        """One, where the package `pywebrtc-audio` is installed and runs on this machine."""
        try:
            canceller = load_canceller()()
        except (ImportError, OSError):
            return None
        return cls(canceller, microphone_hz, speaker_hz)

    def played(self, samples: Samples) -> None:
        """`int16[n]` goes to the loudspeaker next, to be heard there in a moment."""
        self._far.add(samples)

    def cleaned(self, samples: Samples) -> Samples:
        """`int16[n]` that the microphone has heard, without the echo of what was played: whole frames, as soon as they
        are, at `RATE_HZ`."""
        self._near.add(samples)
        count = len(self._near.waiting) // FRAME_SAMPLES * FRAME_SAMPLES
        if not count:
            return np.zeros(0, np.int16)
        near, far = self._near.take(count), self._far.take(count)
        if len(self._far.waiting) > MOST_WAITING_S * self.RATE_HZ:
            self._far.take(len(self._far.waiting) - int(LEFT_WAITING_S * self.RATE_HZ))
        cleaned: Samples = self._canceller.process(near, np.pad(far, (0, count - len(far))))
        return cleaned


class _Side:
    """Samples that wait for those of the other side."""

    def __init__(self, rate_hz: int) -> None:
        self._resampler = Resampler(rate_hz, SPEECH_HZ)
        self.waiting = np.zeros(0, np.int16)

    def add(self, samples: Samples) -> None:
        self.waiting = np.concatenate([self.waiting, self._resampler.process(samples)])

    def take(self, count: int) -> Samples:
        """The oldest, as many as there are."""
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken
