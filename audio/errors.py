"""What can go wrong with samples, and whose fault it is.

AudioError
├── FormatError        the audio is not what its description says (caller's data: rate, encoding, byte count)
├── SettingError       a tuning value is out of its range (caller's data: thresholds, durations)
└── AudioFileError     a file cannot be read as audio
"""


class AudioError(Exception):
    """Root of everything this package raises on purpose."""


class FormatError(AudioError):
    """Audio that does not fit its declared format; the message names the field and what is allowed."""


class SettingError(AudioError):
    """One or more tuning values out of range; the message names every one of them and what is allowed."""


class AudioFileError(AudioError):
    """A file that is missing, empty, or not audio."""
