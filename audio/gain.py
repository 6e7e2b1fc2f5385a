"""A slow gain for a detector of speech: quiet voices are raised to the level that it knows, loud ones left as they are.

The level of the voice is learnt from what the detector takes for one, fast upwards and slowly downwards, and while
nobody speaks it is forgotten slowly: so somebody who steps back from the microphone is heard again, and the room's
noise is not raised with every pause. Until a voice was heard it is taken for a quiet one: the first words count.
No frame is raised above the level that is aimed at, whatever came before it. Levels are dBFS of frames.
"""

TARGET_DBFS = -15.0
MOST_DB = 24.0
"""More raises the noise of a quiet room to where speech may be."""

_UP, _DOWN = 0.3, 0.02
"""Share of the way to a voiced frame's level, if that is louder, and if it is softer: most are, in every word."""
_FORGET_DB_PER_S = 0.3


class SlowGain:
    """The slow gain of one stream of samples."""

    __slots__ = ("_forget_db", "_voice_dbfs")

    def __init__(self, frame_s: float) -> None:
        """`frame_s` is how long a frame lasts."""
        self._voice_dbfs = TARGET_DBFS - MOST_DB
        self._forget_db = _FORGET_DB_PER_S * frame_s

    def at(self, dbfs: float) -> float:
        """The factor for a frame of this level."""
        gain_db = min(MOST_DB, TARGET_DBFS - max(self._voice_dbfs, dbfs))
        return 1.0 if gain_db <= 0 else float(10 ** (gain_db / 20))

    def heard(self, dbfs: float, *, is_voice: bool) -> None:
        """A frame had this level, as it came in, and was a voice or not."""
        if is_voice:
            share = _UP if dbfs > self._voice_dbfs else _DOWN
            self._voice_dbfs += share * (dbfs - self._voice_dbfs)
        else:
            self._voice_dbfs = max(TARGET_DBFS - MOST_DB, self._voice_dbfs - self._forget_db)
