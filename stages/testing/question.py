"""A spoken sentence that comes along, for checks that need a voice."""

from pathlib import Path

from audio.files import read_audio
from audio.formats import Samples
from audio.resample import Resampler

SPEECH = Path(__file__).with_name("question.flac")
SAYS = "What is twelve times seven?"


def question(rate_hz: int, path: Path = SPEECH) -> Samples:
    """The sentence, or another file's sound, at this rate. Blocks. Raises AudioFileError."""
    samples, of_file_hz = read_audio(path)
    return Resampler(of_file_hz, rate_hz).process(samples, last=True)
