"""One sample rate to another, as a stream whose output does not depend on how the input was cut.

libsoxr at quality MQ, about 15 us for 20 ms of audio. It works in blocks, so what comes out lags: by 21 ms on
average and 41 ms at most for the rates of browsers, by 64 and 118 ms between 8 and 16 kHz. The stream runs in
int32, at the scale of int16 on both sides, because libsoxr dithers 16-bit output: there the result depends on
the cut (by up to 2 steps) and silence does not stay silent. In int32 it is the same to the bit for every cut.
"""

import numpy as np
import numpy.typing as npt
import soxr

from audio.formats import Samples

_LOWEST, _HIGHEST = np.array(-32768, np.int32), np.array(32767, np.int32)
"""Arrays, because numpy takes longer to convert a number than to compare 20 ms of audio with it."""


class Resampler:
    """A stream of `int16` from `from_hz` to `to_hz`; with equal rates it hands its input through, uncopied.

    Output lags but is not shifted: output sample k is what the input was at k / to_hz.
    """

    __slots__ = ("_stream",)

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = (
            None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int32", quality="MQ")
        )

    def process(self, samples: Samples, last: bool = False) -> Samples:
        """The `int16[m]` that `samples` bring forth, often none, then more at once.

        `last` brings out what is still held back and makes the resampler ready for a new stream.
        """
        if self._stream is None:
            return samples
        resampled: npt.NDArray[np.int32] = self._stream.resample_chunk(samples.astype(np.int32), last=last)
        if last:
            self._stream.clear()
        np.minimum(resampled, _HIGHEST, out=resampled)
        np.maximum(resampled, _LOWEST, out=resampled)
        return resampled.astype(np.int16)
