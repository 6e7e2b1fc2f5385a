"""Whether sessions are recorded, where, and how much of them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class RecordingRules(BaseModel):
    """Recordings hold what people say, in sound and in words. Off unless a directory is named."""

    model_config = ConfigDict(frozen=True)

    dir: Path | None = None
    """A file for each session goes there, for `stageflow-voice replay`."""
    max_session_bytes: int = Field(128 << 20, ge=1 << 16, le=16 << 30)
    """Of one session, before compression: ten minutes take about 40 MB. What comes afterwards is not recorded."""
    max_files: int = Field(200, ge=1, le=1_000_000)
    """In the directory; with so many there, no more sessions are recorded, and none is deleted."""
