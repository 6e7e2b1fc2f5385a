"""Sessions that are recorded and replayed: the same events, bit by bit, in whatever conversation."""

import os
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings

from server.domain.ids import Ids
from server.journal.chance import SEED_BYTES, seeded
from server.journal.door import Door
from server.journal.file import Journal, SessionFile, Writer, read_journal
from server.journal.loops import FollowedLoop, VirtualClock
from server.journal.recording import recording
from server.journal.replaying import Replayed, replay
from server.session.session import Session
from tests.server.session.stories import STORIES
from tests.server.session.test_stories import conversations
from tests.support.theatre import Story, stage_of, tell

SEED = bytes(range(SEED_BYTES))


def record(story: Story, path: Path) -> None:
    """Play a story in virtual time, and record it."""
    writer = Writer()
    file = SessionFile(path, writer, 1 << 30)
    loop = FollowedLoop(VirtualClock())

    async def main() -> None:
        file.begin({"seed": SEED})
        async with recording(loop, Ids(seeded(SEED)), file) as door:
            stage = stage_of(story, door)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(door.run, stage.session.run)
                await tell(story, stage)
                stage.wire.hang_up()

    try:
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        file.close()
        writer.close()


def session_of(story: Story, door: Door) -> Session:
    return stage_of(story, door).session


def again(story: Story, path: Path) -> Replayed:
    return replay(read_journal(path), partial(session_of, story))


def is_same(replayed: Replayed) -> bool:
    return replayed.said == replayed.journal.told


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, tmp_path: Path) -> None:
    record(STORIES[name], tmp_path / "a")
    told = again(STORIES[name], tmp_path / "a")
    assert told.journal.how == "over"
    assert told.said == told.journal.told
    assert told.begun == told.journal.asked
