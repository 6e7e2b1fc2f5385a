"""The wire's end of the ear: bytes of any format and cut in, 16 kHz samples and the session's clock out."""

import numpy as np

from audio.codecs import Decoder
from audio.formats import SPEECH_HZ, AudioFormat, Samples, samples_to_ms
from audio.resample import Resampler

_NOTHING: Samples = np.empty(0, np.int16)


class Intake:
    """Decodes and resamples one stream, and counts it.

    Two counts, both in samples at 16 kHz: `emitted_samples` have been returned, `received_samples` have come
    in and are ahead of the former by what the resampler holds back. A flush makes them equal.
    """

    __slots__ = (
        "_base_samples",
        "_carry",
        "_decoder",
        "_resampler",
        "_wire_samples",
        "emitted_samples",
        "format",
    )

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self.emitted_samples = 0
        self._decoder = Decoder(format)
        self._resampler = Resampler(format.rate_hz, SPEECH_HZ)
        self._base_samples = 0
        self._wire_samples = 0
        self._carry = _NOTHING

    @property
    def received_samples(self) -> int:
        """The clock: how much audio has come in, at 16 kHz. Never goes back, whatever the format."""
        return self._base_samples + self._wire_samples * SPEECH_HZ // self.format.rate_hz

    @property
    def received_ms(self) -> int:
        """The clock in whole milliseconds."""
        return samples_to_ms(self.received_samples, SPEECH_HZ)

    def push(self, data: bytes) -> Samples:
        """The `int16[n]` that these bytes bring forth, often none."""
        decoded = self._decoder.decode(data)
        self._wire_samples += len(decoded)
        samples = self._resampler.process(decoded)
        if len(self._carry):
            samples = np.concatenate((self._carry, samples))
            self._carry = _NOTHING
        self.emitted_samples += len(samples)
        return samples

    def flush(self) -> Samples:
        """All that is still held back, `int16[n]`; only half a sample still waits for its other byte."""
        samples = np.concatenate((self._carry, self._resampler.process(_NOTHING, last=True)))
        self._carry = _NOTHING
        self.emitted_samples += len(samples)
        self._base_samples = self.emitted_samples
        self._wire_samples = 0
        return samples

    def drop_partial_sample(self) -> None:
        """Forget half a sample of the wire: the next byte begins a new one."""
        self._decoder.reset()

    def change_format(self, format: AudioFormat) -> None:
        """What comes next is in another format. Nothing is lost: what was held back leads the next push."""
        self.unread(self.flush())
        self.format = format
        self._decoder = Decoder(format)
        self._resampler = Resampler(format.rate_hz, SPEECH_HZ)

    def unread(self, samples: Samples) -> None:
        """Give the last samples returned back: they lead the next push."""
        self.emitted_samples -= len(samples)
        self._carry = np.concatenate((samples, self._carry))
