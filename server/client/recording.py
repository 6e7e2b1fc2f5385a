"""Both sides of a conversation by microphone, written to a file while it lasts."""

from typing import ClassVar

import anyio.to_thread
import numpy as np

from audio.formats import Samples
from audio.resample import Resampler
from server.client.keeping import SoundFile


class LiveRecording:
    """A recording in two channels: the person left, the agent right, each where it was heard. What was lost of the
    microphone is silence."""

    RATE_HZ: ClassVar = 24_000
    WRITTEN_S: ClassVar = 1.0
    """How much is written at once."""

    def __init__(self, file: SoundFile, person_hz: int, agent_hz: int) -> None:
        """`file` has two channels at `RATE_HZ`. Begins now."""
        self._file = file
        self._resamplers = tuple(Resampler(rate_hz, self.RATE_HZ) for rate_hz in (person_hz, agent_hz))
        self._sides = [np.zeros(0, np.int16), np.zeros(0, np.int16)]

    def person(self, samples: Samples) -> None:
        """`int16[n]` at the person's rate, after all that was said before."""
        self._add(0, samples)

    def agent(self, samples: Samples) -> None:
        """`int16[n]` at the agent's rate, after all that was played before."""
        self._add(1, samples)

    async def write(self, *, all_of_it: bool = False) -> None:
        """Put into the file what both sides have, when it is worth it or with `all_of_it`."""
        count = min(map(len, self._sides))
        if count == 0 or (count < self.WRITTEN_S * self.RATE_HZ and not all_of_it):
            return
        both = np.stack([side[:count] for side in self._sides], axis=1)
        self._sides = [side[count:] for side in self._sides]
        await anyio.to_thread.run_sync(self._file.append, both)

    def _add(self, side: int, samples: Samples) -> None:
        if len(samples):
            new = self._resamplers[side].process(samples)
            self._sides[side] = np.concatenate([self._sides[side], new])
