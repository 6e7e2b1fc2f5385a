"""The files that `serve --lan` keeps from one start to the next: a key for the phone, and a certificate."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

CERT_NAME, KEY_NAME, ACCESS_NAME = "certificate.pem", "private-key.pem", "key.txt"
"""Files that are kept."""


def kept_in(environment: Mapping[str, str]) -> Path:
    """Where the key and the certificate are kept."""
    home = (
        environment.get("XDG_DATA_HOME") or Path(environment.get("HOME") or Path.home()) / ".local" / "share"
    )
    return Path(home) / "stageflow-voice" / "lan"


def kept_key(file: Path) -> str:
    """The key that a phone presents: the one that is kept, or a new one."""
    try:
        key = file.read_text().strip()
    except FileNotFoundError:
        key = ""
    if not key:
        key = secrets.token_urlsafe(18)
        write_secret(file, key.encode())
    return key


def write_secret(file: Path, data: bytes) -> None:
    """Write a file that nobody else may read."""
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
