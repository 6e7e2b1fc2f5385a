"""The pytest plug-in for sessions: replays recorded ones, with faults where they are wanted, and has virtual time.

def test_a_bad_turn(replay):
    told = replay("tests/bad_turn.journal")
    assert not told.differences

def test_a_bad_turn_without_its_voice(replay):
    told = replay("tests/bad_turn.journal", faults={"voice": ProviderError("gone")})
    assert any(event["type"] == "error" for _, event in told.events)

def test_an_hour_passes(virtual_time):
    virtual_time(anyio.sleep, 3600)
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from server.journal.replaying import Replayed


@pytest.fixture
def replay() -> Callable[..., "Replayed"]:
    """`replay(file, app=None, faults=None)` runs a recorded session again; see `server.journal.replaying.Replayed`.

    `app` (`module:app`) is the server that edits its pipeline, if one does. `faults` says which providers fail as they
    did not then, by `recogniser`, `model`, `voice` or `tool`: with the exception that is given, or never answer (None).
    """
    from server.cli.replayed import replay_file  # costs a second, and only who asks for it has it

    def replay(file: str | Path, app: str | None = None, faults: Any = None) -> "Replayed":
        return replay_file(Path(file), app, faults)

    return replay


@pytest.fixture
def virtual_time() -> Callable[..., Any]:
    """`virtual_time(function, *arguments)` runs an async function: see `stages.testing.virtual_time`."""
    from stages.testing.virtual_time import run_virtual

    return run_virtual
