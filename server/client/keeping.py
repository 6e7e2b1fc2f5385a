"""What is kept of a conversation in files: the answer as it comes, both sides in two channels, and the words."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import numpy as np
import soundfile

from audio.formats import Samples
from server.domain.errors import ServerError


class SoundFile:
    """A WAV file that grows as samples come, and is whole after each of them. Its calls block for a moment."""

    def __init__(self, option: str, path: Path, rate_hz: int, channels: int = 1) -> None:
        """`option` names it in errors. Raises ServerError where there can be no such file."""
        check_place(option, path)
        self.path = path
        self.samples = 0
        """Of each channel."""
        try:
            self._file: Any = soundfile.SoundFile(path, "w", rate_hz, channels, "PCM_16", format="WAV")
        except (OSError, soundfile.LibsndfileError) as error:
            raise ServerError(f"{option} {path}: {error}") from error

    def append(self, samples: Samples) -> None:
        """`int16[n]` of one channel, `int16[n, channels]` of several."""
        self._file.write(samples)
        self._file.flush()
        self.samples += len(samples)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


class BothSides:
    """Two sides of a conversation on one line of time, each where it was heard."""

    def __init__(self, rate_hz: int, since_s: float) -> None:
        self._rate_hz = rate_hz
        self._since_s = since_s
        self._person: list[tuple[int, Samples]] = []
        self._agent: list[tuple[int, Samples]] = []

    def person(self, samples: Samples, at_s: float) -> None:
        """Said from this time on."""
        self._person.append((self._place(at_s), samples))

    def agent(self, samples: Samples, at_s: float) -> None:
        """Come at this time, and played when what came before it has been."""
        ends = max((place + len(one) for place, one in self._agent[-1:]), default=0)
        self._agent.append((max(ends, self._place(at_s)), samples))

    def interrupted(self, at_s: float) -> None:
        """Nothing more of what has come is played from this time on."""
        now = self._place(at_s)
        self._agent = [(place, one[: max(0, now - place)]) for place, one in self._agent]

    def samples(self) -> Samples:
        """`int16[n, 2]`: the person, the agent."""
        length = max((place + len(one) for place, one in (*self._person, *self._agent)), default=0)
        both = np.zeros((length, 2), np.int16)
        for channel, side in enumerate((self._person, self._agent)):
            for place, one in side:
                both[place : place + len(one), channel] = one
        return both

    def _place(self, at_s: float) -> int:
        return max(0, round((at_s - self._since_s) * self._rate_hz))


@asynccontextmanager
async def sound_file(option: str, path: Path, rate_hz: int, channels: int) -> AsyncIterator[SoundFile]:
    """A file that is complete afterwards. Raises ServerError where there can be none."""
    file = await anyio.to_thread.run_sync(SoundFile, option, path, rate_hz, channels)
    try:
        yield file
    finally:
        file.close()


def write_transcript(path: Path, lines: Sequence[tuple[str, str]]) -> None:
    """Who said what, a line each. Raises ServerError."""
    try:
        path.write_text("".join(f"{who}: {text}\n" for who, text in lines), encoding="utf-8")
    except OSError as error:
        raise ServerError(f"--transcript {path}: {error.strerror}") from error


def check_place(option: str, path: Path) -> None:
    """Raises ServerError where nothing could be kept."""
    if not path.parent.is_dir():
        raise ServerError(
            f"{option} {path}: there is no folder {path.parent}; make it first: mkdir -p {path.parent}"
        )
    if path.is_dir():
        raise ServerError(
            f"{option} {path}: this is a folder; name a file in it, such as {path / 'answer.wav'}"
        )
