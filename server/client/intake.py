"""What is heard of a conversation by microphone: what is to be sent of it, and what is kept."""

from collections.abc import Iterator

import numpy as np

from audio.formats import Samples
from server.client.echo import EchoCanceller
from server.client.panel import Panel
from server.client.recording import LiveRecording
from server.client.sample_ring import SampleRing
from server.client.sound import Sound

LONGEST_FRAME_S = 0.06
PLAYED_S = 2.0
"""How much of what is played waits for the next look at it."""


class MicrophoneIntake:
    """The microphone, from now on, without the agent's voice in it where that can be taken out."""

    def __init__(
        self, sound: Sound, panel: Panel, canceller: EchoCanceller | None, recorder: LiveRecording | None
    ) -> None:
        """It is asked every few ms."""
        self._sound = sound
        self._panel = panel
        self._canceller = canceller
        self._recorder = recorder
        self.rate_hz = sound.microphone.rate_hz if canceller is None else canceller.RATE_HZ
        """Of what is to be sent."""
        sound.captured.skip_to(sound.captured.written)  # what was said while there was no server
        self._played = sound.played = SampleRing(int(sound.speaker.rate_hz * PLAYED_S))
        self._lost_samples = sound.lost_samples
        self._block = np.zeros(int(sound.microphone.rate_hz * LONGEST_FRAME_S), np.int16)

    def follow(self) -> None:
        """Take what has gone to the loudspeaker since."""
        played = np.zeros(self._played.waiting, np.int16)
        self._played.take(played)
        if self._canceller is not None:
            self._canceller.played(played)
        if self._recorder is not None:
            self._recorder.agent(played)

    def frames(self) -> Iterator[Samples]:
        """What is to be sent of what the microphone has heard since: pieces of `int16[n]`."""
        while count := self._sound.captured.take(self._block):
            heard = self._block[:count].copy()
            said = self._panel.heard(heard if self._canceller is None else self._canceller.cleaned(heard))
            if self._recorder is not None:
                self._recorder.person(said)
            if len(said):
                yield said

    def lost_s(self) -> float:
        """How much of the microphone was lost since, after what `frames` gave: nobody took it in time."""
        lost = self._sound.lost_samples - self._lost_samples
        self._lost_samples += lost
        lost_s = lost / self._sound.microphone.rate_hz
        if lost and self._recorder is not None:
            self._recorder.person(np.zeros(round(lost_s * self.rate_hz), np.int16))
        return lost_s
