"""The trials of `bench-turns`: recorded speech with pauses put into sentences, and where its voice begins and ends.

The truth comes from the clean recording's level alone, in frames of 20 ms, so that no detector is its own judge.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio.files import read_audio
from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from audio.levels import quantise, rms
from audio.resample import Resampler
from stages.providers.whisper.quiet import FRAME_SAMPLES, Levels, frame_levels
from tests.support.audio_maker import pink_noise, white_noise

LONGEST_S = 12.0
LEAD_MS, TAIL_MS = 500, 2_500
PAUSES_MS = (200, 300, 400, 600, 800, 1_000, 1_500)
SNRS_DB = (None, 20, 10)
_LEAST_PART_MS = 400
"""Of voice on each side of a pause: less is no part of a sentence."""
_LEAST_GAP_FRAMES = 4
"""A shorter gap is the closure of a plosive; many that are longer are too, and are paused in all the same."""
_LEAST_VOICE_FRAMES = 3
"""Less is a click."""
_BELOW_SPEECH_DB, _ABOVE_NOISE_DB = 35.0, 10.0
"""What is this far below the loud part of a recording, or not this far above its noise, is no voice."""
_GAPS = 2
"""Places for a pause in one recording, the widest gaps between its words."""
_FLOOR_DBFS = -70.0


@dataclass(frozen=True)
class Clip:
    """A recording at 16 kHz, its voice from `first` to `last` (samples), and gaps in it (frames)."""

    name: str
    samples: Samples
    first: int
    last: int
    gaps: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Trial:
    """One sentence with one pause in it (none if `pause_ms` is 0) and silence around; positions in samples."""

    name: str
    pause_ms: int
    snr_db: int | None
    samples: Samples
    began: int
    paused: int
    resumed: int
    ended: int
    added: int
    """Of the pause, how much is not in the recording."""

    def place(self, sample: int) -> int:
        """Where in the recording, lead included, a position is: the same for every length of the pause."""
        if sample < self.resumed:
            return min(sample, max(self.paused, self.resumed - self.added))
        return sample - self.added


def read_clip(path: Path) -> Clip | None:
    """The recording, if it is one sentence of bearable length with speech in it."""
    samples, rate_hz = read_audio(path)
    if len(samples) > LONGEST_S * rate_hz:
        return None
    if rate_hz != SPEECH_HZ:
        samples = Resampler(rate_hz, SPEECH_HZ).process(samples, last=True)
    return clip_of(path.stem, samples)


def clip_of(name: str, samples: Samples, most_gaps: int = _GAPS) -> Clip | None:
    """A sentence at 16 kHz with its widest gaps, if there is speech in it."""
    loud = _voiced(frame_levels(samples))
    voiced = np.flatnonzero(loud)
    if not len(voiced):
        return None
    first, last = int(voiced[0]), int(voiced[-1]) + 1
    least = ms_to_samples(_LEAST_PART_MS, SPEECH_HZ) // FRAME_SAMPLES
    edges = np.flatnonzero(np.diff(loud[first:last].astype(int))) + 1 + first
    quiet = [
        (int(start), int(stop))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
        if stop - start >= _LEAST_GAP_FRAMES and start - first >= least and last - stop >= least
    ]
    widest = sorted(sorted(quiet, key=lambda gap: gap[0] - gap[1])[:most_gaps])
    return Clip(name, samples, first * FRAME_SAMPLES, last * FRAME_SAMPLES, tuple(widest))


def _voiced(levels: Levels) -> npt.NDArray[np.bool_]:
    """Which frames hold voice; runs too short to be any are left out."""
    noise, speech = np.percentile(levels, (5, 95))
    loud: npt.NDArray[np.bool_] = levels > max(speech - _BELOW_SPEECH_DB, noise + _ABOVE_NOISE_DB)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(int), [0]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        loud[start:stop] = stop - start >= _LEAST_VOICE_FRAMES
    return loud


def trials(clip: Clip, pauses_ms: tuple[int, ...] = PAUSES_MS) -> Iterator[Trial]:
    """Each gap with each pause, clean and in noise; a recording without gaps is tried once, without a pause."""
    for snr_db in SNRS_DB:
        for start, stop in clip.gaps:
            for pause_ms in pauses_ms:
                yield trial(clip, pause_ms, snr_db, start, stop)
        if not clip.gaps:
            yield trial(clip, 0, snr_db, clip.last // FRAME_SAMPLES, clip.last // FRAME_SAMPLES)


def trial(clip: Clip, pause_ms: int, snr_db: int | None, first_frame: int, last_frame: int) -> Trial:
    """The gap between two frames widened to `pause_ms` (or left, if it is wider)."""
    start, stop = first_frame * FRAME_SAMPLES, last_frame * FRAME_SAMPLES
    lead, tail = ms_to_samples(LEAD_MS, SPEECH_HZ), ms_to_samples(TAIL_MS, SPEECH_HZ)
    added = max(0, ms_to_samples(pause_ms, SPEECH_HZ) - (stop - start)) if pause_ms else 0
    middle = (start + stop) // 2
    parts = (lead, clip.samples[:middle], added, clip.samples[middle:], tail)
    joined = np.concatenate([np.zeros(part, np.int16) if isinstance(part, int) else part for part in parts])
    speech_rms = rms(clip.samples[clip.first : clip.last])
    seed = len(clip.samples) + start
    noise = _noise(len(joined), speech_rms, snr_db, seed)
    return Trial(
        name=f"{clip.name}@{start}",
        pause_ms=pause_ms,
        snr_db=snr_db,
        samples=quantise(joined.astype(np.float64) + noise[: len(joined)]),
        began=lead + clip.first,
        paused=lead + start,
        resumed=lead + stop + added,
        ended=lead + clip.last + added,
        added=added,
    )


def _noise(n_samples: int, speech_rms: float, snr_db: int | None, seed: int) -> Samples:
    """A room: nearly silent, or as loud as the ratio to the speech says."""
    ms = n_samples * 1000 // SPEECH_HZ + 1
    if snr_db is None:
        return white_noise(ms, _FLOOR_DBFS, seed)
    return pink_noise(ms, 20 * float(np.log10(speech_rms / 32768)) - snr_db, seed)
