"""Files that are made once: whole or not at all, and never a reason to fail."""

import os
from pathlib import Path

import pytest

from stages.runtime.made_files import UNFINISHED_S, UNUSED_S, digest_of, keep, tidy, use


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


def aged(path: Path, age_s: float) -> Path:
    """A file that was used last so many seconds before now."""
    now = path.stat().st_mtime
    os.utime(path, (now - age_s, now - age_s))
    return path


def test_who_makes_one_takes_away_what_nobody_has_used_for_long(tmp_path: Path) -> None:
    names = [
        f"model-{digest_of([bytes([number])])}{suffix}" for number, suffix in enumerate(("", ".onnx", ".npy"))
    ]
    for name in (*names, "notes.txt"):
        (tmp_path / name).touch()
    unused, used, again = (aged(tmp_path / name, UNUSED_S + 100) for name in names)
    aged(tmp_path / "notes.txt", UNUSED_S + 100)
    aged(used, 100 - UNUSED_S)
    use(again)
    made = tmp_path / f"model-{digest_of([b'new'])}"
    assert keep(made, Path.touch)
    assert set(tmp_path.iterdir()) == {used, again, made, tmp_path / "notes.txt"}
    assert not unused.exists()


def test_a_file_made_under_a_clock_that_was_ahead_takes_nothing_away(tmp_path: Path) -> None:
    ahead = tmp_path / f"model-{digest_of([b'ahead'])}"
    ahead.touch()
    aged(ahead, -10 * UNUSED_S)
    made = tmp_path / f"model-{digest_of([b'new'])}"
    assert keep(made, Path.touch)
    assert set(tmp_path.iterdir()) == {ahead, made}


def test_what_was_left_unfinished_goes_and_what_is_being_made_stays(tmp_path: Path) -> None:
    left, begun = tmp_path / ".making-left", tmp_path / ".making-begun"
    for folder in (left, begun):
        folder.mkdir()
        (folder / "half").touch()
    aged(left, UNFINISHED_S + 100)
    aged(begun, UNFINISHED_S - 100)
    keep(tmp_path / "file", Path.touch)
    assert {path.name for path in tmp_path.iterdir()} == {".making-begun", "file"}


def test_files_of_somebody_else_are_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Path] = []

    def refuse(path: Path) -> None:
        refused.append(path)
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    use(tmp_path)
    assert refused == [tmp_path]
    tidy(tmp_path / "missing")
