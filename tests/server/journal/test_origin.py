"""Recordings of another version of the server: refused in words, or replayed with a word of warning."""

from array import array
from pathlib import Path
from typing import Any

import pytest

from server.cli.replayed import replay_file
from server.journal import records as rec
from server.journal.chance import SEED_BYTES
from server.journal.file import JournalError, RecordWriter, SessionFile
from server.journal.origin import code_version, other_origin

OTHER = "0.0.9 0123456789ab"


def recording(path: Path, setup: dict[str, Any]) -> Path:
    """A session of ten turns of the loop that was made of `setup`, which lacks nearly all that there is today."""
    writer = RecordWriter()
    file = SessionFile(path, writer, 1 << 20)
    file.begin({"format": 2, "seed": bytes(SEED_BYTES), "hook": None} | setup)
    file.put(rec.Numbers("turns", array("d", [n / 10 for n in range(10)]).tobytes()), 0)
    file.put(rec.Over(10, "over"), 0)
    file.close()
    writer.close()
    return path


@pytest.mark.parametrize("setup", [{"code": OTHER}, {}], ids=["another", "one that does not say which it is"])
def test_a_recording_that_another_version_made_is_refused_in_words(
    setup: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(JournalError, match=r"a\.journal cannot be replayed: .* another version .*KeyError"):
        replay_file(recording(tmp_path / "a.journal", setup))


def test_a_fault_of_this_version_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        replay_file(recording(tmp_path / "a.journal", {"code": code_version()}))


def test_both_versions_are_named_where_they_differ() -> None:
    assert other_origin({"code": code_version()}) == ""
    told = other_origin({"code": OTHER})
    assert OTHER in told
    assert code_version() in told
