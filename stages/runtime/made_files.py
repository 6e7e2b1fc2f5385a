"""Files that are made of a model's files once, so that no later start does the work again.

They lie beside the models, under a name that says what they were made of: whoever has other files, or another version
of what made them, looks for another name. They are optional. A directory that cannot be written costs time and nothing
else, and what is found broken is made again. Whoever makes one takes away what nobody has used for a month.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from stages.runtime.models import ModelStore

MADE_DIR = "made"

UNUSED_S = 30 * 24 * 3600
"""After this long nobody looks for a file any more: what it was made of is another version now."""

UNFINISHED_S = 3600
"""What has been in the making for this long was left by a process that was killed."""

_UNFINISHED = ".making-"
_OURS = re.compile(r".+-[0-9a-f]{16}(\.\w+)?")


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
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=_UNFINISHED) as unfinished:
            made = Path(unfinished) / path.name
            write(made)
            os.replace(made, path)
    except OSError:
        return False
    tidy(path.parent)
    return True


def use(path: Path) -> None:
    """Note that a file is in use, by its time of change. Whose files are somebody else's, lets that one note it."""
    with contextlib.suppress(OSError):
        os.utime(path)


def tidy(directory: Path) -> None:
    """Take away what has not been used for long and what was never finished. A new directory says what time it is: the
    newest file may be of a clock that was ahead."""
    with contextlib.suppress(OSError):
        changed = {entry: entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(directory)}
        with tempfile.TemporaryDirectory(dir=directory, prefix=_UNFINISHED) as fresh:
            now = os.stat(fresh).st_mtime
        for entry, then in changed.items():
            if entry.name.startswith(_UNFINISHED) and now - then > UNFINISHED_S:
                shutil.rmtree(entry.path, ignore_errors=True)
            elif _OURS.fullmatch(entry.name) and now - then > UNUSED_S:
                forget(Path(entry.path))


def forget(path: Path) -> None:
    """Take away what is broken."""
    with contextlib.suppress(OSError):
        path.unlink()
