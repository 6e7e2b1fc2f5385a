"""An ear whose detector says later what it has heard: what its scores bring comes between two pushes.

Frames wait for their scores in order. The only clock of what is heard is still the count of samples: an ear that is
told its scores late hears the same as one that has them at once, to the sample, and says so later. Where the client
ends an utterance, what has no score yet belongs to it and decides nothing; where it forgets its audio, that is
forgotten too. Where no speech has been scored yet, the client knows more than the detector: it means what has no score,
with as much before it as a beginning may reach back.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial

import numpy as np

from audio.endpoint import Endpointer
from audio.endpoint_config import EndpointConfig
from audio.formats import SPEECH_HZ, AudioFormat, Samples, ms_to_samples
from audio.listener import Heard, Listener, SpeechAudio
from audio.vad import LateVad

_NOTHING: Samples = np.empty(0, np.int16)


class _Told:
    """Implements `Vad` by the scores that have come."""

    __slots__ = ("_vad", "frame_samples", "rate_hz", "scores")

    def __init__(self, vad: LateVad) -> None:
        self._vad = vad
        self.rate_hz = vad.rate_hz
        self.frame_samples = vad.frame_samples
        self.scores = deque[float]()

    def score(self, frame: Samples) -> float:
        return self.scores.popleft()

    def reset(self) -> None:
        self._vad.reset()


class LateListener(Listener):
    """Implements `Listener` for a detector whose scores come later; `on_heard` is given what they bring."""

    __slots__ = ("_era", "_late", "_told", "_waiting")

    def __init__(self, format: AudioFormat, vad: LateVad, config: EndpointConfig | None = None) -> None:
        """See `Listener`."""
        self._late = vad
        self._told = _Told(vad)
        self._waiting = deque[Samples]()
        """Frames without a score."""
        self._era = 0
        """Scores that were asked for in an earlier one are of frames that do not wait any more."""
        super().__init__(format, self._told, config)

    def push(self, data: bytes) -> list[Heard]:
        """See `Listener.push`: with detected turns what it brings comes later, by `on_heard`."""
        if self._endpointer is None:
            return super().push(data)
        samples = self._intake.push(data)
        if self.on_audio is not None and len(samples):
            self.on_audio(samples)
        if frames := self._framer.push(samples):
            self._waiting += frames
            self._late.ask(frames, partial(self._scored, self._era))
        return []

    def end_utterance(self, least_ms: int = 1) -> list[Heard]:
        """See `Listener.end_utterance`."""
        endpointer = self._endpointer
        if endpointer is None or endpointer.is_speaking:
            return super().end_utterance(least_ms)
        if sum(map(len, self._waiting)) < ms_to_samples(least_ms, SPEECH_HZ):
            return []
        recent = np.concatenate((_NOTHING, *self._recent))
        free = endpointer.position - endpointer.earliest_sample
        begun = recent[max(0, len(recent) - free) :]
        unscored = self._drain(endpointer)
        endpointer.reset()
        self._recent.clear()
        return [SpeechAudio(np.concatenate((begun, unscored)))]

    def reconfigure(self, format: AudioFormat, config: EndpointConfig | None) -> None:
        """See `Listener.reconfigure`."""
        super().reconfigure(format, config)
        if config is None:
            self._intake.unread(self._take_waiting())

    def close(self) -> None:
        """See `Listener.close`."""
        super().close()
        self._take_waiting()
        self._late.close()

    def _scored(self, era: int, scores: Sequence[float]) -> None:
        if era != self._era or self._endpointer is None:
            return
        heard: list[Heard] = []
        self._told.scores += scores
        for _ in scores:
            self._hear(self._endpointer, self._waiting.popleft(), heard)
        if heard and self.on_heard is not None:
            self.on_heard(heard)

    def _drain(self, endpointer: Endpointer) -> Samples:
        waited = self._take_waiting()
        endpointer.skip(len(waited))
        return np.concatenate((waited, super()._drain(endpointer)))

    def _take_waiting(self) -> Samples:
        waited = np.concatenate((_NOTHING, *self._waiting))
        self._waiting.clear()
        self._era += 1
        return waited
