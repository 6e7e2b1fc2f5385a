"""What the log says of a stage that failed: one line for whoever reads it, and apart from it what may hold
somebody's words.

What a provider or the configuration complains of is said in whole. Of any other exception the line has the kind
and the place: its message may quote what a person said.
"""

import traceback
from pathlib import PurePath

from stageflow.errors import DeadlineExceeded, StageFailed, StageTimeout
from stages.errors import StagesError

MAX_CHARS = 500
"""Of the line. Some servers answer an error with a page."""


def line_of(failure: StageFailed) -> str:
    """Which stage failed, and why, on one line."""
    said = " ".join(f"stage {failure.stage!r} failed: {_why(failure)}".split())
    return said if len(said) <= MAX_CHARS else said[: MAX_CHARS - 1] + "…"


def _why(failure: StageFailed) -> str:
    cause, kind = failure.__cause__, failure.data.get("error_type")
    if isinstance(cause, StagesError):
        return f"{type(cause).__name__}: {cause}"
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}{_place(cause)} (STAGEFLOW_VOICE_LOG_PERSONAL=true shows what it said)"
    if isinstance(kind, str):  # a provider's error (`stages.patience.failed`), or an answer that is not there
        return f"{kind}: {failure.error}"
    if isinstance(failure, (StageTimeout, DeadlineExceeded)):
        return failure.error
    return "it said so itself (STAGEFLOW_VOICE_LOG_PERSONAL=true shows why)"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
