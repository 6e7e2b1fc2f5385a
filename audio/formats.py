"""Sample rates and encodings as values, and the one place where samples become milliseconds and back.

Inside the server audio is always mono `int16[n]`; everything else is a wire format and lives at the edge.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from audio.errors import FormatError

Samples: TypeAlias = npt.NDArray[np.int16]
"""Mono PCM, `int16[n]`."""

SPEECH_HZ = 16_000
"""The rate that recognisers and voice activity detectors listen at."""

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Rates we accept on the wire: those of telephony, speech models and browsers."""


class Encoding(StrEnum):
    """How a sample is written on the wire."""

    PCM16 = "pcm16"
    PCMU = "pcmu"
    PCMA = "pcma"


_SILENT = {Encoding.PCM16: b"\0", Encoding.PCMU: b"\xff", Encoding.PCMA: b"\xd5"}
"""A byte of a sample that is zero."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One mono wire format. G.711 is always 8 kHz."""

    encoding: Encoding = Encoding.PCM16
    rate_hz: int = 24_000

    def __post_init__(self) -> None:
        if self.rate_hz not in RATES_HZ:
            allowed = ", ".join(map(str, RATES_HZ))
            raise FormatError(f"rate {self.rate_hz} Hz is not supported; use one of {allowed}")
        if self.encoding is not Encoding.PCM16 and self.rate_hz != 8_000:
            raise FormatError(f"{self.encoding} is 8000 Hz only, not {self.rate_hz} Hz")

    @property
    def bytes_per_sample(self) -> int:
        """Two for linear PCM, one for G.711."""
        return 2 if self.encoding is Encoding.PCM16 else 1

    def silence(self, size_bytes: int) -> bytes:
        """So much of it in which nothing is heard."""
        return _SILENT[self.encoding] * size_bytes


def samples_to_ms(samples: int, rate_hz: int) -> int:
    """Whole milliseconds that `samples` last, rounded down."""
    return samples * 1000 // rate_hz


def ms_to_samples(ms: float, rate_hz: int) -> int:
    """Whole samples in `ms` milliseconds, rounded down."""
    return int(ms * rate_hz) // 1000
