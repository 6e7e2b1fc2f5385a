"""The wire's end of the ear: bytes of any format and cut in, 16 kHz samples and the session's clock out."""

import numpy as np

from audio.codecs import Decoder, is_native
from audio.formats import SPEECH_HZ, AudioFormat, Samples, samples_to_ms
from audio.resample import Resampler

_NOTHING: Samples = np.empty(0, np.int16)


class Intake:
    """Decodes and resamples one stream, and counts it.

    Two counts, both in samples at 16 kHz: `emitted_samples` have been returned, `received_samples` have come
    in and are ahead of the former by what is held back. A flush makes them equal.
    """

    __slots__ = (
        "_base_samples",
        "_carry",
        "_decoder",
        "_is_native",
        "_resampler",
        "_sample_bytes",
        "_waiting",
        "_waiting_bytes",
        "_wire_bytes",
        "emitted_samples",
        "format",
    )

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self.emitted_samples = 0
        self._sample_bytes = format.bytes_per_sample
        self._is_native = is_native(format)
        self._decoder = Decoder(format)
        self._resampler = Resampler(format.rate_hz, SPEECH_HZ)
        self._base_samples = 0
        self._wire_bytes = 0
        """Since the base; half a sample that was not flushed included."""
        self._waiting: list[bytes] = []
        """Of the wire, not decoded yet."""
        self._waiting_bytes = 0
        self._carry = _NOTHING

    @property
    def received_samples(self) -> int:
        """The clock: how much audio has come in, at 16 kHz. Never goes back, whatever the format."""
        wire_samples = self._wire_bytes // self._sample_bytes
        return self._base_samples + wire_samples * SPEECH_HZ // self.format.rate_hz

    @property
    def received_ms(self) -> int:
        """The clock in whole milliseconds."""
        return samples_to_ms(self.received_samples, SPEECH_HZ)

    @property
    def ready_samples(self) -> int:
        """How many a push of nothing would return, of what waits for more bytes."""
        more = (self._decoder.partial_bytes + self._waiting_bytes) // self._sample_bytes
        return len(self._carry) + self._resampler.ready(more)

    def put_by(self, data: bytes) -> None:
        """Have these bytes wait for more, undecoded."""
        self._wire_bytes += len(data)
        self._waiting_bytes += len(data)
        self._waiting.append(data)

    def push(self, data: bytes, worth_samples: int = 1, each: int = 1) -> Samples:
        """The `int16[n]` that these bytes and those before bring forth, often none.

        What would be fewer than `worth_samples` waits for more bytes, undecoded: resampled in one go, they cost less.
        So may what is beyond that and a multiple of `each`.
        """
        self._wire_bytes += len(data)
        most = 0
        if worth_samples > 1:
            more = (self._decoder.partial_bytes + self._waiting_bytes + len(data)) // self._sample_bytes
            ready = self._resampler.ready(more)
            if len(self._carry) + ready < worth_samples:
                self._waiting.append(data)
                self._waiting_bytes += len(data)
                return _NOTHING
            most = ready - (ready - worth_samples) % each
        if self._waiting:
            self._waiting.append(data)
            data = self._take()
        has_carry = len(self._carry) > 0
        if most and self._is_native and not (has_carry or len(data) % 2 or self._decoder.partial_bytes):
            samples = self._resampler.process_bytes(data, most)
        else:
            samples = self._resampler.process(self._decoder.decode(data))
        if has_carry:
            samples = np.concatenate((self._carry, samples))
            self._carry = _NOTHING
        self.emitted_samples += len(samples)
        return samples

    def skip(self, kept_bytes: int) -> Samples:
        """Of what waits for more bytes take all but the last `kept_bytes`: as many `int16[n]` as a push would return,
        of which those that were not carried over are zeros."""
        assert kept_bytes > 0, "for everything there is `push`"
        waiting = self._take()
        old, kept = waiting[:-kept_bytes], waiting[-kept_bytes:]
        self._waiting, self._waiting_bytes = [kept], len(kept)
        samples = self._resampler.process(self._decoder.decode(old), is_needed=False)
        samples, self._carry = np.concatenate((self._carry, samples)), _NOTHING
        self.emitted_samples += len(samples)
        return samples

    def flush(self) -> Samples:
        """All that is still held back, `int16[n]`; only half a sample still waits for its other byte."""
        self._settle()
        samples = np.concatenate((self._carry, self._resampler.process(_NOTHING, last=True)))
        self._carry = _NOTHING
        self.emitted_samples += len(samples)
        self._base_samples = self.emitted_samples
        self._wire_bytes %= self._sample_bytes
        return samples

    def drop_partial_sample(self) -> None:
        """Forget half a sample of the wire: the next byte begins a new one."""
        self._settle()
        self._decoder.reset()
        self._wire_bytes -= self._wire_bytes % self._sample_bytes

    def change_format(self, format: AudioFormat) -> None:
        """What comes next is in another format. Nothing is lost: what was held back leads the next push."""
        self.unread(self.flush())
        self.format = format
        self._sample_bytes = format.bytes_per_sample
        self._is_native = is_native(format)
        self._decoder = Decoder(format)
        self._resampler = Resampler(format.rate_hz, SPEECH_HZ)
        self._wire_bytes = 0  # half a sample of another format is none

    def unread(self, samples: Samples) -> None:
        """Give the last samples returned back: they lead the next push."""
        self.emitted_samples -= len(samples)
        self._carry = np.concatenate((samples, self._carry))

    def _settle(self) -> None:
        """Decode what waits."""
        if self._waiting:
            samples = self._resampler.process(self._decoder.decode(self._take()))
            self._carry = np.concatenate((self._carry, samples))

    def _take(self) -> bytes:
        waiting = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        return waiting
