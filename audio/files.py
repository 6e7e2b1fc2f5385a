"""Audio files in and out: anything libsndfile reads, as mono int16; WAV on disk and in memory."""

import io
from pathlib import Path

import numpy as np
import soundfile

from audio.errors import AudioFileError
from audio.formats import Samples
from audio.levels import from_float

_BLOCK_SAMPLES = 1 << 16


def read_audio(path: str | Path) -> tuple[Samples, int]:
    """`(int16[n], rate_hz)` of a WAV, FLAC, Ogg, MP3 … file; its channels are averaged.

    Raises AudioFileError that names the path and why it cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise AudioFileError(f"{path}: {error.strerror}") from error
    return _read(data, str(path))


def write_wav(path: str | Path, samples: Samples, rate_hz: int) -> None:
    """Write `int16[n]` as a mono 16-bit WAV file. Raises AudioFileError with path and reason."""
    try:
        Path(path).write_bytes(encode_wav(samples, rate_hz))
    except OSError as error:
        raise AudioFileError(f"{path}: {error.strerror}") from error


def encode_wav(samples: Samples, rate_hz: int) -> bytes:
    """`int16[n]` as the bytes of a mono 16-bit WAV file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _read(data: bytes, name: str) -> tuple[Samples, int]:
    blocks: list[Samples] = []
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate_hz = int(file.samplerate)
            # In blocks, because a damaged header may claim more samples than fit into memory; and as floats,
            # because libsndfile does not scale the samples of a float file when it is asked for int16.
            while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                blocks.append(from_float(block.mean(axis=1)))
    except soundfile.LibsndfileError as error:
        raise AudioFileError(f"{name}: {error.error_string}") from error
    if not blocks:
        raise AudioFileError(f"{name}: no samples in it")
    return np.concatenate(blocks), rate_hz
