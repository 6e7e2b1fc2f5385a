"""A sound card for real PortAudio on a machine that has none: two pipes behind a configuration of ALSA's own.

ALSA's `null` device takes and gives samples as fast as anybody likes; its `file` plugin in front of it reads what
the microphone hears from one pipe and writes what the loudspeaker plays into another. Both block, so who reads and
fills them at the pace of time, as `SoundCard` does, is the card's clock.
"""

import fcntl
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from ctypes.util import find_library
from pathlib import Path

import anyio
import numpy as np

from audio.formats import Samples
from tests.support.patience import PATIENCE_S

RATE_HZ = 24_000
TICK_S = 0.02
TICK_SAMPLES = int(RATE_HZ * TICK_S)

HAS_PORTAUDIO = sys.platform == "linux" and find_library("portaudio") is not None

_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 4096
"""The least there is: 85 ms of sound between a client and the card."""

_CONFIG = """
</usr/share/alsa/alsa.conf>
pcm.nothing {{ type null }}
pcm.microphone {{
    type file
    slave.pcm "nothing"
    file "/dev/null"
    infile "{folder}/microphone"
    format "raw"
    hint {{ show on description "A microphone for tests" }}
}}
pcm.loudspeaker {{
    type file
    slave.pcm "nothing"
    file "{folder}/loudspeaker"
    format "raw"
    hint {{ show on description "A loudspeaker for tests" }}
}}
pcm.!default {{ type asym playback.pcm "loudspeaker" capture.pcm "microphone" }}
"""


class SoundCard:
    """24 kHz, mono. What is said into it, and what it plays."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "asound.conf"
        """For `ALSA_CONFIG_PATH`."""
        self.config.write_text(_CONFIG.format(folder=folder))
        self._to_say = np.zeros(0, np.int16)
        self._played: list[tuple[float, Samples]] = []
        self._ticked = anyio.Event()
        self._pipes = [self._pipe(folder / name) for name in ("microphone", "loudspeaker")]

    def say(self, samples: Samples) -> None:
        """Let the microphone hear `int16[n]`, from now on; it hears silence otherwise."""
        self._to_say = np.concatenate([self._to_say, samples])

    def played(self, since_s: float = 0.0) -> Samples:
        """All that has been played since then."""
        pieces = [samples for at_s, samples in self._played if at_s >= since_s]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def is_silent(self, for_s: float) -> bool:
        """Whether nothing is to be heard in the last so many seconds of what was played."""
        newest = [
            samples for _, samples in self._played[-round(10 * for_s / TICK_S) :]
        ]  # a late client's are short
        return not any(samples.any() for samples in _last(newest, round(for_s * RATE_HZ)))

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Until it is so, at the end of a tick."""
        with anyio.fail_after(PATIENCE_S):
            while not is_so():
                await self._ticked.wait()

    async def run(self) -> None:
        """Be the clock. Cancelled by its task group."""
        due_s = anyio.current_time()
        while True:
            self._tick()
            self._ticked.set()
            self._ticked = anyio.Event()
            # On a busy machine time is stretched for the client as well: nothing is caught up.
            due_s = max(due_s + TICK_S, anyio.current_time())
            await anyio.sleep_until(due_s)

    def close(self) -> None:
        """Let go of the pipes."""
        for pipe in self._pipes:
            os.close(pipe)

    def _tick(self) -> None:
        microphone, loudspeaker = self._pipes
        frame = np.zeros(TICK_SAMPLES, "<i2")
        heard = self._to_say[:TICK_SAMPLES]
        frame[: len(heard)] = heard
        try:
            os.write(microphone, frame.tobytes())
        except BlockingIOError:
            pass  # nobody listens, or not quickly enough
        else:
            self._to_say = self._to_say[TICK_SAMPLES:]
        try:
            data = os.read(loudspeaker, 2 * TICK_SAMPLES)
        except BlockingIOError:
            data = b""
        # A client whose threads are late has left no gap: what it plays, silence too, it writes.
        self._played.append((anyio.current_time(), np.frombuffer(data, "<i2")))

    def _pipe(self, path: Path) -> int:
        os.mkfifo(path)
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        return pipe


def _last(pieces: Sequence[Samples], count: int) -> Iterator[Samples]:
    """The pieces at the end that make up so many samples."""
    for piece in reversed(pieces):
        if count <= 0:
            return
        yield piece[-count:]
        count -= len(piece)


@asynccontextmanager
async def sound_card(folder: Path) -> AsyncIterator[SoundCard]:
    """A card that runs."""
    card = SoundCard(folder)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(card.run)
            yield card
            tasks.cancel_scope.cancel()
    finally:
        card.close()
