"""A caller's mouth: prepared frames at the pace of its sample clock, silence where nothing is said. Pure.

A frame is sent when its last sample has been spoken: the sample n of a frame that is due at t left the mouth at
t - 20 ms + n / rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.client.load.hearing.utterance import FRAME_MS, PreparedUtterance
from server.client.load.wire import Wire

FRAME_S = FRAME_MS / 1000
_EARLY = 1e-6
"""Of a frame: what is due with it is not put off for a rounding."""


@dataclass(frozen=True, slots=True)
class Voicebox:
    """All that callers say, prepared for one target: `steps` by scenario and step number."""

    hush: PreparedUtterance
    steps: Mapping[tuple[str, int], PreparedUtterance]


class Mouth:
    """What one caller says in one scenario. Time zero is when the call began."""

    def __init__(self, voicebox: Voicebox, scenario: str) -> None:
        self._voicebox = voicebox
        self._scenario = scenario
        self.sent_frames = 0
        """How many frames have been taken."""
        self._saying: PreparedUtterance | None = None
        self._said_frames = 0

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance has frames left."""
        return self._saying is not None

    @property
    def says_until_s(self) -> float:
        """When the first frame is due behind the utterance that is being said."""
        left = 0 if self._saying is None else len(self._saying.frames) - self._said_frames
        return (self.sent_frames + left + 1 - _EARLY) * FRAME_S

    def due_s(self) -> float:
        """When the next frame is to be sent."""
        return (self.sent_frames + 1) * FRAME_S

    def next_frame(self) -> Wire:
        """The frame that is due."""
        at, saying = self.sent_frames, self._saying
        self.sent_frames += 1
        if saying is None:
            hush = self._voicebox.hush.frames
            return hush[at % len(hush)]
        frame = saying.frames[self._said_frames]
        self._said_frames += 1
        if self._said_frames == len(saying.frames):
            self._saying = None
        return frame

    def say(self, step: int) -> tuple[float, float]:
        """Begin with the frame that is due. Tells when its first and its last voiced sample leave the mouth."""
        utterance = self._voicebox.steps[self._scenario, step]
        self._saying, self._said_frames = utterance, 0
        began_s = self.due_s() - FRAME_S
        return began_s + utterance.voiced_s[0], began_s + utterance.voiced_s[1]
