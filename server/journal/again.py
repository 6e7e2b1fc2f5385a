"""A file in, the session again: what the command and the fixture of tests call."""

from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

from server.journal.door import Door
from server.journal.file import read_journal
from server.journal.replaying import Replayed, replay
from server.journal.setup import make_session


def replay_file(path: Path, hook: Any = None) -> Replayed:
    """Run the session again. Blocks; in a thread without a running loop. Raises JournalError."""
    journal = read_journal(path)
    return replay(journal, partial(_converse, journal.setup, hook))


def _converse(setup: dict[str, Any], hook: Any, door: Door) -> Awaitable[None]:
    return make_session(door, setup, hook=hook).run()
