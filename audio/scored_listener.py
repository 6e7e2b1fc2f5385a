"""An ear whose detector does not listen: its scores come from elsewhere, from a record. It hears the same as any other.

In silence, which is most of what a microphone sends, nobody needs a sample but those from which speech will have begun:
what comes waits undecoded, and the older part is dropped. A resampler needs no more of it than a few raw samples, so
those that are needed are the same to the bit.
"""

import numpy as np

from audio.echo import NewCanceller, PlayedBeside
from audio.endpoint import Endpointer, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.formats import SPEECH_HZ, AudioFormat, Samples
from audio.listener import Heard, Listener
from audio.vad import Vad

_NOTHING: Samples = np.empty(0, np.int16)


class ScoredListener(Listener):
    """Implements `Listener` for a detector whose `score` does not look at the audio."""

    __slots__ = ("_owed_frames",)

    def __init__(
        self, format: AudioFormat, vad: Vad | None = None, config: EndpointConfig | None = None
    ) -> None:
        """See `Listener`."""
        self._owed_frames = 0
        """Frames of silence that have had their scores, and are still to be cut from what waits."""
        super().__init__(format, vad, config)

    def take_out_echo(self, new_canceller: NewCanceller, played: PlayedBeside) -> None:
        """Changes nothing: a detector that does not look at the audio hears no echo."""

    def push(self, data: bytes) -> list[Heard]:
        """See `Listener.push`."""
        endpointer = self._endpointer
        if endpointer is None or endpointer.is_speaking or self.on_audio is not None:
            self._settle()
            return super().push(data)
        intake, size = self._intake, self._vad.frame_samples
        intake.put_by(data)
        due = (self._framer.held_samples + intake.ready_samples) // size
        while self._owed_frames < due:
            event = endpointer.push(self._vad.score(_NOTHING), size)
            if isinstance(event, SpeechStarted):
                return self._begin(endpointer, event)
            self._owed_frames += 1
        if self._owed_frames > 2 * self._kept_frames:
            self._drop()
        return []

    def end_utterance(self, least_ms: int = 1) -> list[Heard]:
        """See `Listener.end_utterance`."""
        self._settle()
        return super().end_utterance(least_ms)

    def clear(self) -> None:
        """See `Listener.clear`."""
        self._settle()
        super().clear()

    def reconfigure(self, format: AudioFormat, config: EndpointConfig | None) -> None:
        """See `Listener.reconfigure`."""
        self._settle()
        super().reconfigure(format, config)

    @property
    def _kept_frames(self) -> int:
        """Those that a beginning may reach back to, and one that is cut off in part."""
        return (self._recent.maxlen or 0) + 2

    def _drop(self) -> None:
        """Drop the older part of what waits."""
        size, format = self._vad.frame_samples, self._intake.format
        kept_samples = self._kept_frames * size * format.rate_hz // SPEECH_HZ
        dropped = self._framer.push(self._intake.skip(kept_samples * format.bytes_per_sample))
        self._owed_frames -= len(dropped)
        self._recent.extend(dropped)

    def _begin(self, endpointer: Endpointer, event: SpeechStarted) -> list[Heard]:
        frames = self._framer.push(self._intake.push(b""))
        owed, self._owed_frames = self._owed_frames, 0
        self._recent.extend(frames[:owed])
        heard: list[Heard] = []
        self._start(endpointer, event, frames[owed], heard)
        for frame in frames[owed + 1 :]:
            self._hear(endpointer, frame, heard)
        return heard

    def _settle(self) -> None:
        """Cut what is owed."""
        if self._owed_frames:
            self._recent.extend(self._framer.push(self._intake.push(b"")))
            self._owed_frames = 0
