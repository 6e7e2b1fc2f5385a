"""Files that are made once: whole or not at all, and never a reason to fail."""

from pathlib import Path

from stages.runtime.made_files import digest_of, keep


def test_a_file_appears_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        assert not (tmp_path / "made" / "file").exists()
        path.write_text("whole")

    assert keep(tmp_path / "made" / "file", write)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["file"]
    assert (tmp_path / "made" / "file").read_text() == "whole"
    (tmp_path / "ordinary").touch()
    modes = {path.stat().st_mode for path in (tmp_path / "made" / "file", tmp_path / "ordinary")}
    assert len(modes) == 1  # what one user has fetched, others may read


def test_what_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not keep(tmp_path / "file" / "below", lambda path: path.touch())


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        raise OSError("the disk is full")

    assert not keep(tmp_path / "file", write)
    assert list(tmp_path.iterdir()) == []


def test_parts_are_told_apart() -> None:
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"])
    assert digest_of([b"ab", b"c"]) == digest_of(iter([b"ab", b"c"]))
