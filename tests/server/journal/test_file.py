"""The thread that writes recordings goes on, whatever one session gives it."""

from pathlib import Path

import pytest

from server.journal.beyond import ArrivalKind
from server.journal.file import JournalError, RecordWriter, SessionFile, read_journal
from server.journal.records import Came, Over, Read


def deep(levels: int) -> list[object]:
    """Lists in a list."""
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


def test_what_cannot_be_written_ends_the_recording_of_its_session_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = RecordWriter()
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


def test_frames_of_the_client_come_back_as_they_were(tmp_path: Path) -> None:
    """Fifty a second: they have a form of their own in the file."""
    came = [
        Came(turn, 7, ArrivalKind.VALUE, frame)
        for turn, frame in enumerate([b"\x00\xff" * 400, b"", '{"a": "\u00fc"}', "", "half \ud83d a pair"])
    ]
    end = Came(9, 7, ArrivalKind.END, None)
    writer = RecordWriter()
    file = SessionFile(tmp_path / "a", writer, 1 << 20)
    file.begin({"seed": b"1"})
    for record in (*came, end, Over(9, "over")):
        file.put(record, 0)
    file.close()
    writer.close()
    journal = read_journal(tmp_path / "a")
    assert journal.setup == {"seed": b"1"}
    assert journal.came == [*came, end]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            b"stageflow-voice journal 1\n",
            "is a recording of format 1, and this version of the server reads format 2",
        ),
        (
            b"stageflow-voice journal 3\n",
            "is a recording of format 3, and this version of the server reads format 2",
        ),
        (b"RIFF....WAVE", "is no recording"),
        (b"", "is no recording"),
    ],
)
def test_a_file_of_another_format_is_refused_by_its_first_line(
    tmp_path: Path, line: bytes, says: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(line + b"\x00" * 64)
    with pytest.raises(JournalError, match=f"{path} {says}"):
        read_journal(path)
