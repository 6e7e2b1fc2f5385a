"""Files that are made of a model's files once, so that no later start does the work again.

They lie beside the models, under a name that says what they were made of: whoever has other files, or another version
of what made them, looks for another name. They are optional. A directory that cannot be written costs time and nothing
else, and what is found broken is made again.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from stages.runtime.models import ModelStore

MADE_DIR = "made"


def made_dir() -> Path:
    """Where they lie, as this process's environment has it."""
    return ModelStore.from_environment().cache / MADE_DIR


def digest_of(parts: Iterable[bytes]) -> str:
    """Sixteen characters for a name, which are others when a part is another."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:16]


def keep(path: Path, write: Callable[[Path], None]) -> bool:
    """Have `write` make a file, and put it at `path` whole; False where that cannot be. Others may read it meanwhile,
    or make it too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as unfinished:
            made = Path(unfinished) / path.name
            write(made)
            os.replace(made, path)
    except OSError:
        return False
    return True


def forget(path: Path) -> None:
    """Take away what is broken."""
    with contextlib.suppress(OSError):
        path.unlink()
