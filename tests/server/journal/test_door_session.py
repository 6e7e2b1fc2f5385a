"""What others do to a recorded session comes to an end with it."""

from pathlib import Path

import anyio
import pytest

from server.domain.ids import Ids
from server.domain.values import SessionConfig
from server.domain.wire import WireClosed
from server.journal.door import Door
from server.journal.file import RecordWriter, SessionFile
from server.journal.loops import FollowedLoop, VirtualClock
from server.journal.recording import recording
from server.journal.sessions import DoorSession, Made
from tests.support.patience import PATIENCE_S
from tests.support.stage import QueueWire, Stage, realtime


def test_who_comes_back_to_a_recorded_session_that_is_over_does_not_wait(tmp_path: Path) -> None:
    writer, loop = RecordWriter(), FollowedLoop(VirtualClock())
    file = SessionFile(tmp_path / "a", writer, 1 << 30)

    async def main() -> None:
        file.begin({})
        async with recording(loop, Ids(), file) as door:
            session, wire = session_of(door)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.run)
                await wire.until("session.created")
                other = QueueWire()
                assert await session.attach(other, None, None) is wire
                other.hang_up()
        assert not door.on_finish
        with anyio.fail_after(PATIENCE_S), pytest.raises(WireClosed):
            await session.attach(QueueWire(), None, None)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
        file.close()
        writer.close()


def session_of(door: Door) -> tuple[DoorSession, QueueWire]:
    wire = QueueWire()
    made = Made(realtime(SessionConfig()), Stage("Hello.", door=door).services, wire)  # type: ignore[arg-type]
    return DoorSession(door, made), wire
