"""One sample rate to another, as a stream that lags by less than 3 ms and does not depend on how it was cut.

Theory of operation
-------------------
A windowed sinc, 46 samples of the lower rate long, is laid over the input at the moment of each output sample.
Between two rates only a few moments differ, so the weights come from a bank that is made once for a pair of
rates, in 1 to 5 ms, and shared by all sessions. A group of outputs is one product of a window of input with a
matrix of the bank, which is what BLAS is fastest at: 8 to 16 us for 20 ms of audio.

The weights are whole multiples of 2 ** -30, and so is a weight times an int16: their sums stay far within the
53 bits of float64 and are exact in any order. So the result is the same to the bit for every cut of the input
and whatever BLAS computes it. The weights of each output add up to 1, but for so little that a constant stays
what it is.

Quality, measured by tests/audio/test_resample.py for every pair of `RATES_HZ`, relative to the lower of the
two Nyquist frequencies: within 0.1 dB up to 0.84, within 1 dB up to 0.87, and from 1 on, where alias and images
begin, 60 dB down. libsoxr at quality MQ takes a third to a half of the time, but works in blocks: it would lag by
21 ms on average, and by up to 118 ms between 8 and 16 kHz.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from audio.formats import Samples

_HALF_WIDTH = 23
"""Samples of the lower rate on either side of a moment: the delay, 2.9 ms at 8 kHz and 1.4 ms at 16 kHz."""

_KAISER_BETA = 5.8
"""60 dB of stopband and a little more, by Kaiser's formula beta = 0.1102 (dB - 8.7)."""

_CUTOFF = 0.918
"""Middle of the transition, relative to the lower Nyquist frequency: with this window it is over at 1."""

_WEIGHT_STEPS = 1 << 30
_GROUP, _PHASE_GROUP = 16, 24
"""Outputs of one product, at most: where one matrix is all, and where they alternate. The fastest of 8 to 48, and of
16 to 32; the windows of detectors are multiples of 16 besides."""

_BLOCK = 32
"""Groups at a time: keeps what a whole file needs in memory, and what BLAS would share out to threads, small."""

_SILENCE = bytes(8192)
"""Some tens of milliseconds of nothing, as a muted microphone sends it. What comes of that needs no arithmetic."""

_LOWEST, _HIGHEST = np.array(-32768.0), np.array(32767.0)
"""Arrays, because numpy takes longer to convert a number than to compare 20 ms of audio with it."""

_Wave = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Bank:
    """The weights for one pair of rates: `up` outputs last as long as `down` inputs."""

    up: int
    down: int
    reach: int
    """Inputs before, and after, a moment that it depends on."""
    group: int
    window: int
    """Inputs that a group depends on, at most."""
    phases: int
    """After so many groups the weights repeat."""
    weights: npt.NDArray[np.float64]
    """`float64[phases + _BLOCK - 1, window, group]`, repeated so that a block is a slice; just one if it is all."""

    @property
    def before(self) -> bytes:
        """The silence that a stream begins after."""
        return bytes(2 * (self.reach - 1))

    def start(self, group: int) -> int:
        """The number of the input sample that the window of this group begins with."""
        return group * self.group * self.down // self.up - self.reach + 1

    def ready(self, received: int) -> int:
        """How many outputs depend on no input after the first `received`."""
        return max(0, -(-(received - self.reach) * self.up // self.down))

    def total(self, received: int) -> int:
        """How many outputs a stream of `received` inputs has, rounded to the nearest."""
        return (2 * received * self.up + self.down) // (2 * self.down)

    def compute(self, history: bytes, first: int, count: int) -> _Wave:
        """The `count` groups from group `first` on, whose window begins with `history`."""
        if count <= _BLOCK:
            return self._block(history, 0, first, count)
        start = self.start(first)
        return np.concatenate(
            [
                self._block(history, self.start(group) - start, group, min(_BLOCK, first + count - group))
                for group in range(first, first + count, _BLOCK)
            ]
        )

    def _block(self, history: bytes, offset: int, first: int, count: int) -> _Wave:
        if self.phases == 1:
            step = self.group * self.down // self.up
            # Views that overlap, by the constructor of arrays, because `as_strided` takes 2 us.
            windows = np.ndarray((count, self.window), np.int16, history, 2 * offset, (2 * step, 2))
            # `dot`, because the operator is a general ufunc and takes half a microsecond longer.
            wave: _Wave = windows.astype(np.float64).dot(self.weights[0])
            return wave.reshape(-1)
        starts = np.arange(first, first + count) * (self.group * self.down) // self.up
        starts += offset - starts[0]
        every = np.ndarray((starts[-1] + 1, self.window), np.int16, history, 0, (2, 2))
        windows = every[starts].astype(np.float64)
        phase = first % self.phases
        wave = windows[:, None, :] @ self.weights[phase : phase + count]
        return wave.reshape(-1)


@cache
def _bank(from_hz: int, to_hz: int) -> _Bank:
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    lower = min(from_hz, to_hz) / from_hz
    half_width = _HALF_WIDTH / lower
    reach = math.ceil(half_width)
    group = (
        _GROUP - _GROUP % up if up <= _GROUP else max(n for n in range(1, _PHASE_GROUP + 1) if up % n == 0)
    )
    phases = max(1, up // group)
    outputs = np.arange(phases * group)
    moments = outputs * down // up
    offsets = np.arange(1 - reach, reach + 1) - (outputs * down % up / up)[:, None]
    inside = np.sqrt(np.maximum(0, 1 - (offsets / half_width) ** 2))
    taps = np.sinc(_CUTOFF * lower * offsets) * np.i0(_KAISER_BETA * inside) * (np.abs(offsets) < half_width)
    taps = np.rint(taps / taps.sum(axis=1, keepdims=True) * _WEIGHT_STEPS) / _WEIGHT_STEPS

    shifts = (moments.reshape(phases, group) - moments[::group, None]).reshape(-1)
    weights = np.zeros((phases, 2 * reach + int(shifts.max()), group))
    for tap in range(2 * reach):
        weights[outputs // group, shifts + tap, outputs % group] = taps[:, tap]
    if phases > 1:
        weights = weights[np.arange(phases + _BLOCK - 1) % phases]
    weights.setflags(write=False)
    return _Bank(up, down, reach, group, weights.shape[1], phases, weights)


class Resampler:
    """A stream of `int16` from `from_hz` to `to_hz`; with equal rates it hands its input through, uncopied.

    Output lags but is not shifted: output sample k is what the input was at k / to_hz.
    """

    __slots__ = ("_bank", "_emitted", "_history", "_received")

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._bank = None if from_hz == to_hz else _bank(from_hz, to_hz)
        self._received = 0
        self._emitted = 0
        self._history = self._bank.before if self._bank else b""
        """Of the samples that have come, those that are still needed, as bytes: to join 20 ms of arrays takes 1 us."""

    def ready(self, samples: int) -> int:
        """How many outputs so many more samples would bring forth."""
        bank = self._bank
        return samples if bank is None else bank.ready(self._received + samples) - self._emitted

    def process(self, samples: Samples, last: bool = False, *, is_needed: bool = True) -> Samples:
        """The `int16[m]` that `samples` bring forth, often none at first; zeros in their place if it `is_needed` no
        more than to know how many.

        `last` brings out what is still held back and makes the resampler ready for a new stream.
        """
        return (
            samples
            if self._bank is None
            else self._bring(self._bank, samples.tobytes(), None, last, is_needed)
        )

    def process_bytes(self, samples: bytes, most: int) -> Samples:
        """The same with samples as bytes, as this machine has them, and at most so many outputs (with equal rates all):
        the others wait, and come with the next samples."""
        if self._bank is None:
            return np.frombuffer(samples, np.int16)
        return self._bring(self._bank, samples, most, False, True)

    def _bring(self, bank: _Bank, samples: bytes, most: int | None, last: bool, is_needed: bool) -> Samples:
        group, emitted, received = bank.group, self._emitted, self._received + len(samples) // 2
        upto = bank.total(received) if last else bank.ready(received)
        if most is not None and upto > emitted + most:
            upto = emitted + most
        first, end = emitted // group, -(-upto // group)
        start = bank.start(first)
        known = self._history + samples
        missing = bank.start(end - 1) - start + bank.window - len(known) // 2
        if last:
            self._history, self._received, self._emitted = bank.before, 0, 0
        else:
            self._history = known[2 * (bank.start(upto // group) - start) :]
            self._received, self._emitted = received, upto
        if upto <= emitted:
            return np.empty(0, np.int16)
        history = known + bytes(2 * missing) if missing > 0 else known
        if not is_needed or _SILENCE.startswith(history):
            return np.zeros(upto - emitted, np.int16)
        resampled = _quantise(bank.compute(history, first, end - first))
        if len(resampled) == upto - emitted:
            return resampled
        return resampled[emitted - first * group : upto - first * group]


def _quantise(wave: _Wave) -> Samples:
    np.rint(wave, out=wave)
    np.minimum(wave, _HIGHEST, out=wave)
    np.maximum(wave, _LOWEST, out=wave)
    return wave.astype(np.int16)
