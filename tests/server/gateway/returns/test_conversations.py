"""What the store has of a session, while it lives and when it is over, is what its settings say."""

from collections.abc import Callable

import anyio
import pytest

from server.cluster.store import MemoryStore
from server.gateway.returns.conversations import Conversations
from tests.support.stage import Stage, play

LEASE_S = 3600.0


class SlowStore(MemoryStore):
    """Its first write takes longer than the others."""

    waits_s = 1.0

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        waits_s, self.waits_s = self.waits_s, 0.0
        await anyio.sleep(waits_s)
        await super().write(key, value, lease_s, now)


def keeps(unsettled_ms: int) -> str:
    """What a dialect keeps whose client can come back."""
    return "{}"


def of_node(store: MemoryStore, keep_s: float, node: str = "node_1") -> Conversations:
    return Conversations(store, node, keep_s=keep_s, lease_s=LEASE_S, now=anyio.current_time)


def known(keep_s: float, kept: Callable[[int], str] | None) -> tuple[bool, bool]:
    """Whether the store has a session while it lives, and when it is over."""
    found: list[bool] = []

    async def story(stage: Stage) -> None:
        conversations = of_node(MemoryStore(), keep_s)
        async with conversations.kept(stage.session, "owner", kept):
            found.append(await conversations.read(stage.session.id) is not None)
        found.append(await conversations.read(stage.session.id) is not None)

    play(lambda: Stage("Hello."), story)
    return found[0], found[1]


def test_what_is_not_to_be_kept_is_gone_from_the_store_with_its_session() -> None:
    assert known(300.0, keeps) == (True, True)
    assert known(300.0, None) == (True, True)
    assert known(0.0, keeps) == (True, False)
    assert known(0.0, None) == (False, False)


def test_what_was_being_written_does_not_come_behind_the_end() -> None:
    async def story(stage: Stage) -> None:
        store = SlowStore()
        store.waits_s = 0.0
        conversations = of_node(store, 300.0)
        async with anyio.create_task_group() as tasks:
            async with conversations.kept(stage.session, "owner", keeps):
                store.waits_s = 1.0
                tasks.start_soon(conversations.save, conversations.live[stage.session.id])
                await anyio.sleep(0.1)
        kept = await conversations.read(stage.session.id)
        assert kept is not None
        assert (kept.node, kept.dialect) == ("", "")
        await anyio.sleep(301.0)
        assert await conversations.read(stage.session.id) is None

    play(lambda: Stage("Hello."), story)


def test_a_node_that_was_only_slow_leaves_what_another_has_written() -> None:
    async def story(stage: Stage) -> None:
        store = MemoryStore()
        slow, other = of_node(store, 300.0), of_node(store, 300.0, "node_2")
        async with slow.kept(stage.session, "owner", keeps):
            async with other.kept(stage.session, "owner", keeps):
                pass
            await other.save(other.live.setdefault(stage.session.id, slow.live[stage.session.id]))
        kept = await slow.read(stage.session.id)
        assert kept is not None
        assert kept.node == "node_2"

    play(lambda: Stage("Hello."), story)


def test_a_session_that_cannot_be_written_down_ends_nobody(caplog: pytest.LogCaptureFixture) -> None:
    faults: list[Exception] = []

    def keeps_at_times(unsettled_ms: int) -> str:
        if faults:
            raise faults[0]
        return "{}"

    async def nothing() -> None:
        pass

    async def story(stage: Stage) -> None:
        conversations = of_node(MemoryStore(), 300.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conversations.run, nothing)
            async with conversations.kept(stage.session, "owner", keeps_at_times):
                faults.append(RuntimeError("it cannot be kept"))
                stage.ask("what time is it", "text")
                await stage.wire.until("response.done")
                await anyio.sleep(1.0)
                assert "could not be written down" in caplog.text
                faults.clear()
                stage.ask("and now", "text")
                await anyio.sleep(1.0)
                kept = await conversations.read(stage.session.id)
                assert kept is not None
                assert kept.items[-2].generated == "and now"
                faults.append(RuntimeError("it cannot be kept"))
                with pytest.raises(RuntimeError):
                    async with conversations.kept(stage.session, "owner", keeps_at_times):
                        pass
                assert not conversations.live
                faults.clear()
            tasks.cancel_scope.cancel()

    play(lambda: Stage("It is noon.", "Still noon."), story)
