"""Makes a test of a recorded session: a file of Python, and a copy of the recording beside it."""

import re
import shutil
from pathlib import Path

from server.journal.file import Journal, JournalError
from server.journal.tracing import timeline

_MAX_LINES = 60

_PAGE = '''"""A recorded session, as a test: `stageflow-voice replay --trace {copy}` prints it in words.

{timeline}
"""

from pathlib import Path


def test_{name}(replay):
    """The session goes as it went. Say here what should have happened in its stead, and mend it."""
    told = replay(Path(__file__).with_name("{copy}"){hook})
    assert not told.differences
'''


def write_test(recording: Path, test: Path, journal: Journal, app: str | None) -> Path:
    """Write it; returns where the copy of the recording is. Raises JournalError where either cannot be written."""
    name = re.sub(r"\W", "_", test.stem.removeprefix("test_")) or "session"
    copy = test.with_suffix(".journal")
    lines = [line.replace("\\", "/").replace('"""', "'''") for line in timeline(journal)]
    shown = lines[:_MAX_LINES] + (
        [f"... and {len(lines) - _MAX_LINES} lines more"] if lines[_MAX_LINES:] else []
    )
    hook = f", app={app!r}" if app else ""
    page = _PAGE.format(copy=copy.name, name=name, timeline="\n".join(shown), hook=hook)
    try:
        test.parent.mkdir(parents=True, exist_ok=True)
        with test.open("x", encoding="utf-8") as file:
            file.write(page)
        if recording.resolve() != copy.resolve():
            shutil.copyfile(recording, copy)
    except OSError as error:
        raise JournalError(f"the test cannot be written: {error}") from None
    return copy
