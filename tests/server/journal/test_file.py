"""The thread that writes recordings goes on, whatever one session gives it."""

from pathlib import Path

import pytest

from server.journal.file import SessionFile, Writer, read_journal
from server.journal.records import Over, Read


def deep(levels: int) -> list[object]:
    """Lists in a list."""
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


def test_what_cannot_be_written_ends_the_recording_of_its_session_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer()
    bad, good = (SessionFile(tmp_path / name, writer, 1 << 20) for name in ("bad", "good"))
    for file in (bad, good):
        file.begin({})
    bad.put(Read("key", 0, deep(100_000)), 0)
    for file in (bad, good):
        file.put(Over(0, "over"), 0)
        file.close()
    writer.close()
    assert bad.refused
    assert "bad cannot be recorded any more" in caplog.text
    assert read_journal(tmp_path / "good").how == "over"
