"""The configuration file where there is one: what reads it is imported only then."""

from pathlib import Path

from server.config.file_content import FileContent


def content_of(path: Path | None) -> tuple[FileContent, tuple[str, ...]]:
    """What the file says, if there is one, and every fault in it. The tables of its reader take some hundredths of a
    second to make, and most servers have no file."""
    if path is None:
        return FileContent(), ()
    from server.config.file import read_file

    return read_file(path)
