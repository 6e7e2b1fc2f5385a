"""Sessions that are recorded and replayed: the same events, bit by bit, in whatever conversation."""

import os
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import HealthCheck, given, settings

from server.domain.ids import Ids
from server.journal.chance import SEED_BYTES, seeded
from server.journal.door import Door
from server.journal.file import SessionFile, Writer, read_journal
from server.journal.loops import FollowedLoop, VirtualClock
from server.journal.recording import recording
from server.journal.replaying import Replayed, replay
from tests.server.session.stories import STORIES
from tests.server.session.test_stories import requests_over
from tests.support.theatre import Story, stage_of, tell

MORE = int(os.environ.get("REPLAYS", "0"))
"""So many random conversations, and all stories."""
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


def converse(story: Story, door: Door) -> Awaitable[None]:
    return door.run(stage_of(story, door).session.run)


def again(story: Story, path: Path) -> Replayed:
    return replay(read_journal(path), partial(converse, story))


TOLD = (
    "three pauses are one turn",
    "a recogniser that fails is apologised for",
    "going on after a false end joins the words",
    "an interruption during a tool call",
    "the voice does not stop when told to",
    "an early end that the recogniser takes back is none",
)
"""Of the stories: what the random ones do not have."""


@pytest.mark.parametrize("name", STORIES if MORE else TOLD)
def test_a_story_is_replayed_bit_by_bit(name: str, tmp_path: Path) -> None:
    record(STORIES[name], tmp_path / "a")
    goes_as_it_went(again(STORIES[name], tmp_path / "a"))


def goes_as_it_went(replayed: Replayed) -> None:
    assert replayed.journal.how == "over"
    assert replayed.differences == []
    assert replayed.said == replayed.journal.told
    assert replayed.begun == replayed.journal.asked


@settings(
    max_examples=MORE or 8,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)
@given(story=requests_over())
def test_any_conversation_is_replayed_bit_by_bit(story: Story) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        record(story, path)
        goes_as_it_went(again(story, path))
