"""Which process of this machine listens at a port, and whether it still is the same: what Linux shows in `/proc`."""

import os
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


def owners_of(port: int) -> set[int]:
    """The processes that listen at that TCP port, as far as this user may see."""
    sockets = {
        f"socket:[{number}]"
        for table in ("tcp", "tcp6")
        for number in _listening(_PROC / "net" / table, port)
    }
    return {int(folder.name) for folder in _PROC.iterdir() if folder.name.isdigit() and _has(folder, sockets)}


def started(pid: int) -> str | None:
    """When that process has begun, by a count of the system's; None when it is over."""
    try:
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]


def is_python(pid: int) -> bool:
    """Whether that process is one of Python's, as far as this user may see."""
    try:
        return os.readlink(_PROC / str(pid) / "exe").rpartition("/")[2].startswith(("python", "pypy"))
    except OSError:
        return False


def _listening(table: Path, port: int) -> set[str]:
    """The numbers of the sockets."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:  # a system without IPv6
        return set()
    return {row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port}


def _has(folder: Path, sockets: set[str]) -> bool:
    try:
        return any(os.readlink(file) in sockets for file in (folder / "fd").iterdir())
    except OSError:  # of another user, or just gone
        return False
