"""The live sessions: how many are about to ask the models, and where they go when the server drains."""

import anyio

from server.cluster.store import MemoryStore
from server.gateway.door.roster import NEW_S, Roster
from server.gateway.returns.returning import Returns
from tests.support.stage import QueueWire, Stage, play, speak


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


def test_a_session_is_about_to_ask_while_it_is_new_and_while_somebody_speaks() -> None:
    async def story(stage: Stage) -> None:
        roster = Roster(1, Returns(MemoryStore(), grace_s=0, lease_s=60, now=anyio.current_time))
        await stage.wire.until("session.created")
        with roster.has(stage.session):
            assert roster.asking() == 1
            await anyio.sleep(NEW_S + 0.1)
            assert roster.asking() == 0
            await speak(stage, 1.0, silence_s=0.0)
            assert roster.asking() == 1
            await speak(stage, 0.0)
            await stage.wire.until("response.done")
            assert roster.asking() == 0
        assert roster.asking() == 0

    play(lambda: Stage("Hello."), story)


def test_a_session_in_which_somebody_writes_is_not_about_to_ask_although_it_is_new() -> None:
    async def story(stage: Stage) -> None:
        roster = Roster(1, Returns(MemoryStore(), grace_s=0, lease_s=60, now=anyio.current_time))
        await stage.wire.until("session.created")
        with roster.has(stage.session):
            assert roster.asking() == 1
            stage.ask("hello", modality="text")
            await stage.wire.until("response.done")
            assert anyio.current_time() < NEW_S
            assert roster.asking() == 0
            await speak(stage, 1.0, silence_s=0.0)
            assert roster.asking() == 1, "now somebody speaks as well"

    play(lambda: Stage("Hello."), story)


def test_who_was_cut_off_while_they_spoke_is_about_to_ask_only_when_they_are_back() -> None:
    async def story(stage: Stage) -> None:
        roster = Roster(1, Returns(MemoryStore(), grace_s=0, lease_s=60, now=anyio.current_time))
        await stage.wire.until("session.created")
        with roster.has(stage.session):
            await anyio.sleep(NEW_S + 0.1)
            await speak(stage, 1.0, silence_s=0.0)
            stage.wire.hang_up()
            await anyio.sleep(10.0)
            assert stage.session.link.is_detached
            assert roster.asking() == 0
            stage.wire = QueueWire()
            stage.session.link.attach(stage.wire)
            assert roster.asking() == 1

    play(lambda: Stage("Hello.", grace_s=60.0), story)
