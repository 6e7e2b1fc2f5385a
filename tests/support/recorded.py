"""A session of a `Stage` that is recorded in virtual time, and replayed."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio

from server.domain.ids import Ids
from server.journal.chance import SEED_BYTES, seeded
from server.journal.door import Door
from server.journal.file import RecordWriter, SessionFile, read_journal
from server.journal.loops import FollowedLoop, VirtualClock
from server.journal.recording import recording
from server.journal.replaying import Replayed, replay
from tests.support.stage import Stage

SEED = bytes(range(SEED_BYTES))

StageOf = Callable[[Door], Stage]


def record_stage(stage_of: StageOf, story: Callable[[Stage], Awaitable[Any]], path: Path) -> None:
    """Tell the story beside the session, hang up at its end, and write all of it to the file."""

    async def main(loop: FollowedLoop, file: SessionFile) -> None:
        file.begin({"seed": SEED})
        async with recording(loop, Ids(seeded(SEED)), file) as door:
            stage = stage_of(door)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(door.run, stage.session.run)
                await story(stage)
                stage.wire.hang_up()

    write(path, main)


def write(path: Path, main: Callable[[FollowedLoop, SessionFile], Coroutine[Any, Any, None]]) -> None:
    """Run `main` on a loop in virtual time, with the file that it is to write."""
    writer = RecordWriter()
    file = SessionFile(path, writer, 1 << 30)
    loop = FollowedLoop(VirtualClock())
    try:
        loop.run_until_complete(main(loop, file))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        file.close()
        writer.close()


def converse_on(stage_of: StageOf, door: Door) -> Awaitable[None]:
    """The session that is replayed."""
    return door.run(stage_of(door).session.run)


def replay_stage(stage_of: StageOf, path: Path) -> Replayed:
    """Run the recorded session again."""
    return replay(read_journal(path), lambda door: converse_on(stage_of, door))


def check_goes_as_it_went(replayed: Replayed) -> None:
    """All that it said and asked for is the same, to its end."""
    assert replayed.journal.how == "over"
    assert replayed.differences == []
    assert replayed.said == replayed.journal.told
    assert replayed.begun == replayed.journal.asked
