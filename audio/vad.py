"""A frame of audio in, a score out: how much this sounds like speech close to the microphone."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import webrtcvad

from audio.formats import SPEECH_HZ, Samples
from audio.levels import FULL_SCALE


class Vad(Protocol):
    """A voice activity detector. Not shared: it may learn the noise of the one stream it listens to."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of the frames it takes."""

    @property
    def frame_samples(self) -> int:
        """The one length of frame that `score` takes."""

    def score(self, frame: Samples) -> float:
        """0 (surely none) to 1 (surely speech) for the next `int16[frame_samples]`."""

    def reset(self) -> None:
        """Forget what was heard so far; what comes next is another stream."""


class LateVad(Protocol):
    """A detector whose scores come later, as those of one that must hold nobody. Not shared, as `Vad`."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of the frames it takes."""

    @property
    def frame_samples(self) -> int:
        """The one length of frame that `ask` takes."""

    def ask(self, frames: Sequence[Samples], tell: Callable[[Sequence[float]], None]) -> None:
        """Have the next frames scored, as `Vad.score` does. Never waits; `tell` is called on the event loop, for one
        question after the other, and never within `ask`."""

    def reset(self) -> None:
        """Forget what was asked so far; what comes next is another stream."""

    def close(self) -> None:
        """Ask no more; nothing is told afterwards. May be called twice."""


Detector = Vad | LateVad


_FRAME_SAMPLES = SPEECH_HZ // 50
"""20 ms, the middle one of the three lengths that the detector takes."""

_LAG_SAMPLES = 8
"""Half a millisecond. The difference of samples this far apart is a cheap high-pass: -16 dB at 50 Hz, -4 dB
at 200 Hz, +6 dB at 1 kHz. Its notch at 2 kHz is narrow enough for speech to fall outside."""


class WebRtcVad:
    """WebRTC's Gaussian-mixture detector behind a cheap gate for level and rumble; no model file.

    The detector alone says yes or no, and says yes to wind, handling noise and mains hum. So each frame is
    measured above about 200 Hz, and where the detector says yes, the score is the smaller of two straight
    lines:

    - level, from 0 at -65 dBFS to 1 at -35 dBFS, thus 0.5 at -50 dBFS: a client that raises the threshold
      asks for louder speech, as it expects to;
    - tilt, the share of the frame's energy that is left above 200 Hz, from 0 at -7 dB to 1 at -1 dB.

    A frame too quiet for any score never reaches the detector, which costs as much as all the rest; one that
    rumbles does, so that the detector learns the noise. `mode` 0 to 3 is how readily it says no.
    """

    __slots__ = ("_detector", "_mode")

    rate_hz = SPEECH_HZ
    frame_samples = _FRAME_SAMPLES

    QUIETEST_DBFS, LOUD_DBFS = -65.0, -35.0
    RUMBLE_DB, CLEAR_DB = -7.0, -1.0

    def __init__(self, mode: int = 2) -> None:
        self._mode = mode
        self._detector = webrtcvad.Vad(mode)

    def score(self, frame: Samples) -> float:
        """0 to 1 for `int16[320]`: 0 if the detector says no, else how loud and clear it is."""
        values = frame.astype(np.float32)
        energy = float(values.dot(values))
        if 5 * energy <= _QUIETEST_ENERGY:  # what is above the rumble has four times as much at most
            return 0.0
        # What the difference has left, from the autocorrelation: (x - y)^2 = x^2 + y^2 - 2xy, edges aside.
        above_rumble = 2 * (energy - float(values[_LAG_SAMPLES:].dot(values[:-_LAG_SAMPLES])))
        if above_rumble <= _QUIETEST_ENERGY or not self._detector.is_speech(frame.tobytes(), SPEECH_HZ):
            return 0.0
        level_dbfs = 10 * math.log10(above_rumble / _FULL_ENERGY)
        tilt_db = 10 * math.log10(above_rumble / energy)
        level = (level_dbfs - self.QUIETEST_DBFS) / (self.LOUD_DBFS - self.QUIETEST_DBFS)
        tilt = (tilt_db - self.RUMBLE_DB) / (self.CLEAR_DB - self.RUMBLE_DB)
        return max(0.0, min(1.0, level, tilt))

    def reset(self) -> None:
        """Forget the noise it has learnt."""
        self._detector = webrtcvad.Vad(self._mode)


_FULL_ENERGY = _FRAME_SAMPLES * FULL_SCALE**2
_QUIETEST_ENERGY = _FULL_ENERGY * 10 ** (WebRtcVad.QUIETEST_DBFS / 10)
