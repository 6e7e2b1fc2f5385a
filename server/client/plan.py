"""What is to be said without a microphone, to whom, and what is to be kept of it: as the command line has it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from audio.errors import AudioFileError
from audio.files import read_audio
from audio.formats import Samples
from server.client.keeping import check_place
from server.client.waterfall import voiced_s
from server.domain.errors import ServerError


@dataclass(slots=True)
class PlannedSpeech:
    """A recording that is said, and when it was."""

    name: str
    samples: Samples
    rate_hz: int
    barge_in_after_ms: int | None
    voiced_s: list[tuple[float, float]]
    """Where voice begins and ends in the samples."""
    is_answered: bool = False
    """Whether the answer to it has begun to come."""
    interrupts: anyio.Event = field(default_factory=anyio.Event)
    """Set when it is time to interrupt the answer."""
    ends_s: list[float] = field(default_factory=list)
    """When the last sample of each stretch of voice had been sent."""
    interrupted_at_s: float | None = None
    """When the first voiced sample of the interruption was sent."""

    @property
    def length_s(self) -> float:
        """The length of the recording, in seconds."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Plan:
    """What is said, to whom, and what is kept of it."""

    url: str
    api_key: str | None
    speeches: Sequence[PlannedSpeech]
    """Said one after the other; none: `texts` are typed."""
    faults: Sequence[str]
    """What cannot be said, and why."""
    texts: Sequence[str]
    timeout_s: float
    max_wait_ms: int | None
    as_json: bool
    out: Path | None
    record: Path | None
    transcript: Path | None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Plan":
        """As the command line has it. Blocks to read the recording. Raises ServerError."""
        for option in ("out", "record", "transcript"):
            if (path := getattr(arguments, option)) is not None:
                check_place(f"--{option}", path)
        speeches, faults = _read_all(arguments.audio, arguments.barge_in_after)
        return cls(
            arguments.url,
            arguments.api_key,
            speeches,
            faults,
            arguments.text or (),
            arguments.timeout,
            arguments.max_wait,
            arguments.json,
            arguments.out,
            arguments.record,
            arguments.transcript,
        )


def _read_all(paths: Sequence[Path], barge_in_after_ms: int | None) -> tuple[list[PlannedSpeech], list[str]]:
    """The recordings, and what is wrong with the others. Raises ServerError where there is none to be said."""
    speeches, faults = [], []
    for path in paths:
        try:
            speeches.append(_read(path, barge_in_after_ms))
        except ServerError as error:
            faults.append(str(error))
    if faults and not speeches:
        raise ServerError("; ".join(faults))
    return speeches, faults


def _read(path: Path, barge_in_after_ms: int | None) -> PlannedSpeech:
    try:
        samples, rate_hz = read_audio(path)
    except AudioFileError as error:
        raise ServerError(
            f"{str(error).rstrip('.')}; name a recording, such as a WAV, FLAC, Ogg or MP3 file"
        ) from error
    return PlannedSpeech(path.name, samples, rate_hz, barge_in_after_ms, voiced_s(samples, rate_hz))
