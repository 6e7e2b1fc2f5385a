"""Which code made a recording: it goes as it went with that code alone, and who replays it with another is told so."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("audio", "server", "stageflow", "stages")


@cache
def code_version() -> str:
    """The version of the package, and a digest of its Python files. Reads them all once: 40 ms; blocks."""
    root = Path(__file__).parents[2]
    digest = hashlib.blake2b(digest_size=6)
    for package in _PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return f"{metadata.version('stageflow-voice')} {digest.hexdigest()}"


def other_origin(setup: Mapping[str, Any]) -> str:
    """What to say of a recording that this code has not made; empty where it has."""
    maker = setup.get("code", "one that did not say which")
    if maker == code_version():
        return ""
    return f"the recording was made by another version of the server ({maker}; this is {code_version()})"
