"""Which stretches of an utterance are read in one piece, and which readings still hold when it has grown. Pure.

What is longer than a window is cut at quiet places. A cut depends on no sound after it but that there is some,
so an utterance that grows keeps its segments but for the last; and the last reading holds as long as only
quiet was added. That makes the end of an utterance cheap: who asks for its text as soon as the voice is gone,
and again when it is certain that it will not go on, pays once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stages.providers.whisper.quiet import (
    FRAME_SAMPLES,
    frame_levels,
    quiet_after,
    quietest_sample,
    speech_span,
)
from stages.providers.whisper.text import Reading

LONGEST_SAMPLES = 15 * SPEECH_HZ
"""Of audio read in one piece. The window would hold twice as much, but no better: measured on four minutes of
continuous speech, pieces of 15 s have as few word errors, and nobody waits for the text of more than 15 s."""

_CUT_FROM = 0.6
"""Share of the longest piece from which on it may be cut: so that there is a pause to cut in, even when somebody reads
aloud."""

_MARGIN_SAMPLES = ms_to_samples(300, SPEECH_HZ)
"""Left around the speech when silence is left out: soft consonants are softer than noise."""

TAIL_SAMPLES = ms_to_samples(60, SPEECH_HZ)
"""Of quiet that a reading must have had at its end to hold. Measured on 14 clips that end in silence or in
noise: readings that had 40 ms or more have as many word errors as those that had all of it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be read in one piece. Positions count from the first sample of the utterance."""

    end_sample: int
    heard_from: int
    heard_to: int
    """The model is given the samples from `heard_from` to here: silence around the speech is left out."""
    quiet_dbfs: float
    """Nothing more is said while what follows is not louder."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch and what was read in it."""

    stretch: Stretch
    reading: Reading


def segment_end(samples: Samples, start: int, longest: int = LONGEST_SAMPLES) -> int:
    """Where the segment ends that begins at `start`, of at most `longest` samples."""
    if len(samples) - start <= longest:
        return len(samples)
    return quietest_sample(samples, start + int(_CUT_FROM * longest), start + longest)


def next_stretch(samples: Samples, start: int, longest: int = LONGEST_SAMPLES) -> Stretch:
    """What is to be read from `start` on; `heard_from` and `heard_to` are the same if nothing is loud."""
    end = segment_end(samples, start, longest)
    levels = frame_levels(samples[start:end])
    span = speech_span(levels)
    if span is None:
        return Stretch(end, start, start, quiet_after(levels))
    first, last = (start + frame * FRAME_SAMPLES for frame in span)
    return Stretch(
        end, max(start, first - _MARGIN_SAMPLES), min(end, last + _MARGIN_SAMPLES), quiet_after(levels)
    )


def still_valid(
    segments: Sequence[Segment], samples: Samples, longest: int = LONGEST_SAMPLES
) -> list[Segment]:
    """Those of the first `segments` that need not be read again, though the utterance is now `samples`.

    It must begin with the samples that were read.
    """
    valid: list[Segment] = []
    start = 0
    for segment in segments:
        end = segment_end(samples, start, longest)
        if not _holds(segment.stretch, samples, end):
            break
        valid.append(replace(segment, stretch=replace(segment.stretch, end_sample=end)))
        start = end
    return valid


def is_whole(segments: Sequence[Segment], samples: Samples) -> bool:
    """Whether `segments` reach to the end of `samples`, so that nothing is left to read."""
    return bool(segments) and segments[-1].stretch.end_sample == len(samples)


def read_on(
    known: Sequence[Segment],
    samples: Samples,
    most: float,
    read: Callable[[int], Segment | None],
    longest: int = LONGEST_SAMPLES,
) -> list[Segment] | None:
    """Those of `known` that are still valid, and those that follow, up to the end or `most` new ones; `read` reads the
    segment that begins at a sample, or None to give up, and then this is None."""
    segments = still_valid(known, samples, longest)
    valid = len(segments)
    while not is_whole(segments, samples) and len(segments) - valid < most:
        segment = read(segments[-1].stretch.end_sample if segments else 0)
        if segment is None:
            return None
        segments.append(segment)
    return segments


def _holds(stretch: Stretch, samples: Samples, end: int) -> bool:
    if end <= stretch.end_sample:
        return end == stretch.end_sample
    since = frame_levels(samples[max(0, stretch.heard_to - TAIL_SAMPLES) : end])
    return bool((since <= stretch.quiet_dbfs).all())
