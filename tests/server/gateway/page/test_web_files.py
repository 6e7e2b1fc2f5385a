"""The files of the page: read once, each with its type."""

from pathlib import Path

from server.gateway.page.web_files import read_files


def test_the_folder_is_read_with_its_folders_and_without_what_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("index.html", "app.js", "parts/worklet.js", ".env", ".git/x.js", "notes.md", "app.py"):
        (tmp_path / name).write_text(name)
    files = read_files(tmp_path)
    assert {path: file.content_type for path, file in files.items()} == {
        "/index.html": "text/html; charset=utf-8",
        "/app.js": "text/javascript; charset=utf-8",
        "/parts/worklet.js": "text/javascript; charset=utf-8",
    }


def test_the_etag_changes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("one")
    (tmp_path / "b.js").write_text("one")
    before = read_files(tmp_path)
    (tmp_path / "a.js").write_text("two")
    after = read_files(tmp_path)
    assert before["/a.js"].etag == before["/b.js"].etag == after["/b.js"].etag != after["/a.js"].etag
