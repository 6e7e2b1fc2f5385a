"""The files of the page for people, read once: what is not in the folder when the server starts is not there.

Nothing of a request ever becomes a path of the file system, so there is nothing to climb out of.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Files of other kinds are not served."""


@dataclass(frozen=True)
class WebFile:
    """One file as it is sent."""

    body: bytes
    content_type: str

    @cached_property
    def gzipped(self) -> bytes | None:
        """The same, compressed; None where that saves little."""
        small = gzip.compress(self.body, 6, mtime=0)  # 9 takes twice as long for 0.2 %
        return small if len(small) < 0.9 * len(self.body) else None

    @cached_property
    def etag(self) -> str:
        """Changes when the file does."""
        return f'"{self.version}"'

    @cached_property
    def version(self) -> str:
        """The same in plain letters, for an address."""
        return hashlib.sha256(self.body).hexdigest()[:32]


def read_files(folder: Traversable, prefix: str = "/") -> Mapping[str, WebFile]:
    """All files of a folder by the path of their address; hidden ones stay hidden."""
    files: dict[str, WebFile] = {}
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            files.update(read_files(entry, f"{prefix}{entry.name}/"))
        elif suffix in _TYPES:
            files[prefix + entry.name] = WebFile(entry.read_bytes(), _TYPES[suffix])
    return files
