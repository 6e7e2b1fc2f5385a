"""A server that drains sends its sessions away only where another node can have them."""

import anyio

from server.cluster.store import MemoryStore
from server.gateway.returning import Returns
from server.gateway.roster import Roster
from tests.support.stage import Stage, play


def test_while_the_store_is_lost_sessions_stay_until_the_time_is_over() -> None:
    async def story(stage: Stage) -> None:
        roster = Roster(1, Returns(MemoryStore(), grace_s=0, lease_s=60, now=anyio.current_time))
        await stage.wire.until("session.created")
        with roster.has(stage.session):
            await roster.drain(10.0, may_move=lambda: False)
            assert stage.wire.closed is None
            await roster.drain(10.0, may_move=lambda: True)
            assert stage.wire.closed == (1001, "the server is stopping")

    play(lambda: Stage("Hello."), story)
