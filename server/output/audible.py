"""The agent's voice as the client plays it, by what has left and when it is heard: what may come back as an echo.

When a sample is heard is the pacer's estimate, which the client's reports correct; the time from there to the
microphone is for the canceller to find. The place in the voice goes on with the microphone's samples, so that frames
that come in handfuls do not tear it, and follows the estimate when the two are too far apart. Plain calls.
"""

import numpy as np

from audio.codecs import CODECS
from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler
from server.domain.clock import Now
from server.domain.events import Event, ResponseAudio
from server.domain.voice_events import VoiceFlushed, VoiceHeld
from server.output.stream import OutputStream, StreamState

RINGS_S = 1.0
"""So long after the voice its echo may go on."""

APART_MS = 80
"""So far the place may be from the estimate: frames of the microphone that come late come together."""

DUCKED = 0.25
"""How loud our clients play a voice that is to be lowered. Others that do otherwise have the canceller learn it."""


class AudibleVoice:
    """What one client hears of the agent."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._stream: OutputStream | None = None
        self._resampler = Resampler(SPEECH_HZ, SPEECH_HZ)
        self._samples: Samples = np.zeros(0, np.int16)
        """What has left of the stream, at 16 kHz, from `_first` on: a second of what was heard, and what is to be."""
        self._first = 0
        self._at = 0
        """The next sample that is heard."""
        self._silent_samples = int(RINGS_S * SPEECH_HZ)
        self._gain = 1.0

    def left(self, event: Event, stream: OutputStream | None) -> None:
        """The client is sent this; audio is of the `stream`."""
        match event:
            case ResponseAudio(response=response, data=data) if stream is not None:
                if stream is not self._stream:
                    self._begin(stream)
                sent = CODECS[response.config.output_format.encoding].decode(data)
                self._samples = np.concatenate((self._samples, self._resampler.process(sent)))
                self._forget(self._heard_samples(stream) - SPEECH_HZ)
            case VoiceHeld(how=how):
                self._gain = DUCKED if how == "duck" else 1.0
            case VoiceFlushed():
                self._stream, self._gain = None, 1.0

    @property
    def kept_samples(self) -> int:
        """So much of the voice is kept."""
        return len(self._samples)

    def take(self, count: int) -> Samples | None:
        """The next `int16[count]` that are heard, at 16 kHz; None when nothing was for a while."""
        if not self._find_place():
            if self._silent_samples >= RINGS_S * SPEECH_HZ:
                return None
            self._silent_samples += count
            return np.zeros(count, np.int16)
        self._silent_samples = 0
        begin = self._at - self._first
        heard = self._samples[begin : begin + count]
        self._at += len(heard)
        if self._gain < 1.0:
            heard = (heard * self._gain).astype(np.int16)
        return heard if len(heard) == count else np.pad(heard, (0, count - len(heard)))

    def _find_place(self) -> bool:
        """Whether something is being heard; then the place is where it is."""
        stream = self._stream
        if stream is None or stream.state is not StreamState.OPEN or stream.pacer.is_paused:
            return False
        heard = self._heard_samples(stream)
        if heard >= self._first + len(self._samples):
            return False
        if abs(self._at - heard) > APART_MS * SPEECH_HZ // 1000:
            self._at = max(heard, self._first)
        return True

    def _heard_samples(self, stream: OutputStream) -> int:
        return stream.pacer.heard_samples(self._now()) * SPEECH_HZ // stream.rate_hz

    def _forget(self, before: int) -> None:
        """Keep no sample that was heard long ago, whether anybody has taken it or not."""
        gone = min(before - self._first, len(self._samples))
        if gone > 0:
            self._samples, self._first = self._samples[gone:], self._first + gone

    def _begin(self, stream: OutputStream) -> None:
        self._stream = stream
        self._resampler = Resampler(stream.rate_hz, SPEECH_HZ)
        self._samples = np.zeros(0, np.int16)
        self._first = self._at = 0
        self._gain = 1.0
