"""Speech detectors, seen through a session's door: what they say of the sound is written down, and not the sound."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from audio.formats import Samples
from audio.vad import Detector
from server.journal.door import Door


class DoorVad:
    """Implements `Vad`: the scores are written down, and what they are scores of is not needed again."""

    def __init__(self, door: Door, live: Any) -> None:
        self._door = door
        self.wants_audio: bool = door.notes.is_live
        self._vad = live
        self.rate_hz: int = door.notes.read("vad.rate_hz", lambda: self._vad.rate_hz)
        self.frame_samples: int = door.notes.read("vad.frame_samples", lambda: self._vad.frame_samples)

    def score(self, frame: Samples) -> float:
        return self._door.notes.score(lambda: self._vad.score(frame))

    def reset(self) -> None:
        if self._vad is not None:
            self._vad.reset()


class DoorLateVad:
    """Implements `LateVad`: what it tells is let in when it told it."""

    def __init__(self, door: Door, live: Any) -> None:
        self._door = door
        self._live = live
        self._tells = deque[Callable[[Sequence[float]], None]]()
        self._number = door.open("detector", lambda scores: self._tells.popleft()(scores))
        self.rate_hz: int = door.notes.read("vad.rate_hz", lambda: live.rate_hz)
        self.frame_samples: int = door.notes.read("vad.frame_samples", lambda: live.frame_samples)

    def ask(self, frames: Sequence[Samples], tell: Callable[[Sequence[float]], None]) -> None:
        self._tells.append(tell)
        told = partial(self._door.beyond.report, self._number)
        self._door.notes.live(lambda: self._live and self._live.ask(frames, told))

    def reset(self) -> None:
        if self._live is not None:
            self._live.reset()

    def close(self) -> None:
        self._door.close(self._number)
        if self._live is not None:
            self._live.close()


def door_vad(door: Door, new: Callable[[], Detector]) -> Detector:
    """The detector as what it is: one that scores at once, or one whose scores come later."""
    live = door.notes.live(new)
    is_late = hasattr(live, "ask")
    if is_late or not door.notes.is_live:
        is_late = door.notes.read("vad.is_late", lambda: is_late)
    return DoorLateVad(door, live) if is_late else DoorVad(door, live)
