"""A file in, the session again: what the command and the fixture of tests call."""

from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

from server.domain.errors import ServerError
from server.journal.answers import Faults
from server.journal.door import Door
from server.journal.file import Journal, JournalError, read_journal
from server.journal.origin import other_origin
from server.journal.replaying import Replayed, no_collections, replay
from server.journal.setup import make_session


def replay_file(path: Path, app: str | None = None, faults: Faults | None = None) -> Replayed:
    """Run the session of a file again; see `replay_journal`."""
    with no_collections():
        return replay_journal(read_journal(path), path, app, faults)


def replay_journal(
    journal: Journal, path: Path, app: str | None = None, faults: Faults | None = None
) -> Replayed:
    """Run the session again that was read from `path`. `app` (`module:app`) is the server that had it, if that edits
    its pipeline. With `faults` providers fail as they did not then. Blocks; in a thread without a running loop. Raises
    JournalError."""
    converse = partial(_converse, journal.setup, _hook(app))
    try:
        return replay(journal, converse, faults)
    except ServerError:
        raise
    except Exception as error:  # a session raises nothing: the record does not fit this code
        if origin := other_origin(journal.setup):
            raise JournalError(
                f"{path} cannot be replayed: {origin}; {type(error).__name__}: {error}"
            ) from error
        raise


def _hook(app: str | None) -> Any:
    if app is None:
        return None
    from server.cli.targets import find_server, put_here_on_path  # a server of its own, which most do without

    put_here_on_path()
    return find_server(app).configure().crew.hook


def _converse(setup: dict[str, Any], hook: Any, door: Door) -> Awaitable[None]:
    return make_session(door, setup, hook=hook).run()
