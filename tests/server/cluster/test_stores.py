"""Every store keeps the same promises: the memory of one node, and a real Valkey or Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
import redis.asyncio  # before there is a loop that it would block
from redis.exceptions import RedisError

from server.cluster.shared import DEADLINE_S, RETRY_S, SharedStore, StoreState
from server.cluster.store import MAX_VALUE_BYTES, SWEPT_EVERY_S, Budget, MemoryStore, Store, Values
from server.cluster.valkey import ValkeyStore
from stages.testing.virtual_time import virtual
from tests.support.dead_line import dead_line
from tests.support.patience import PATIENCE_S
from tests.support.store_server import StoreServer, store_server

NOW = 0.0


@asynccontextmanager
async def open_store(kind: str) -> AsyncIterator[Store]:
    if kind == "memory":
        yield MemoryStore()
        return
    async with store_server() as server:
        store = ValkeyStore.at(server.url, timeout_s=PATIENCE_S)
        yield store
        await store.close()


STORES = pytest.mark.parametrize("kind", ["memory", "valkey"])


@STORES
async def test_all_of_a_budget_may_be_spent_and_then_one_waits(kind: str) -> None:
    budget = Budget(3, 60.0)
    async with open_store(kind) as store:
        assert [await store.spend("k", budget, 1, NOW) for _ in range(3)] == [0, 0, 0]
        assert 19 < await store.spend("k", budget, 1, NOW) <= 20
        assert 19 < await store.spend("k", budget, 0, NOW) <= 20, "asking says the same, and costs nothing"
        assert await store.spend("other", budget, 1, NOW) == 0


@STORES
async def test_places_are_claimed_kept_and_given_back(kind: str) -> None:
    async with open_store(kind) as store:
        assert await store.claim("k", "a", 2, 60, NOW) == 0
        assert await store.claim("k", "b", 2, 60, NOW) == 0
        assert 59 < await store.claim("k", "c", 2, 60, NOW) <= 60
        assert await store.claim("k", "a", 2, 60, NOW) == 0, "who has a place keeps it"
        await store.release("k", "b")
        assert await store.claim("k", "c", 2, 60, NOW) == 0
        await store.release("k", "nobody")


@STORES
async def test_many_that_claim_at_once_get_no_more_places_than_there_are(kind: str) -> None:
    got: list[float] = []
    async with open_store(kind) as store, anyio.create_task_group() as tasks:

        async def claim(holder: str) -> None:
            got.append(await store.claim("k", holder, 5, 60, NOW))

        for n in range(40):
            tasks.start_soon(claim, str(n))
    assert got.count(0) == 5


@STORES
async def test_a_value_is_read_again_and_taken_once(kind: str) -> None:
    async with open_store(kind) as store:
        assert await store.read("k", NOW) is None
        await store.write("k", b"one\x00\xff", 60, NOW)
        assert await store.read("k", NOW) == b"one\x00\xff"
        await store.write("k", b"two", 60, NOW)
        taken: list[bytes | None] = []

        async def take() -> None:
            taken.append(await store.take("k", NOW))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(take)
        assert (taken.count(b"two"), taken.count(None)) == (1, 9)
        assert await store.read("k", NOW) is None


@STORES
async def test_a_value_that_is_too_large_is_refused(kind: str) -> None:
    async with open_store(kind) as store:
        with pytest.raises(ValueError, match=f"the limit is {MAX_VALUE_BYTES}"):
            await store.write("k", b"x" * (MAX_VALUE_BYTES + 1), 60, NOW)


async def test_what_expires_in_the_shared_store_is_gone() -> None:
    async with open_store("valkey") as store:
        await store.write("k", b"one", 0.05, NOW)
        await store.claim("place", "a", 1, 0.05, NOW)
        await anyio.sleep(0.2)
        assert await store.read("k", NOW) is None
        assert await store.claim("place", "b", 1, 60, NOW) == 0


async def test_memory_forgets_what_expires_first() -> None:
    store = MemoryStore()
    for n in range(80):
        await store.write(str(n), b"x" * MAX_VALUE_BYTES, 10 + n, NOW)
    assert await store.read("0", NOW) is None
    assert await store.read("79", NOW) is not None


class Clock:
    """A loop's clock, set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shared(server: StoreServer, clock: Clock) -> SharedStore:
    return SharedStore(ValkeyStore.at(server.url, timeout_s=PATIENCE_S), (RedisError,), clock)


def state(store: SharedStore) -> StoreState:
    return store.state


async def test_a_lost_store_is_replaced_by_memory_until_it_is_back() -> None:
    clock, budget = Clock(), Budget(1, 60.0)
    async with store_server() as server:
        store = shared(server, clock)
        await store.write("before", b"1", 60, NOW)
        assert state(store) is StoreState.REACHED
        await server.stop()
        assert await store.spend("k", budget, 1, NOW) == 0
        assert state(store) is StoreState.LOST
        assert await store.spend("k", budget, 1, NOW) > 0, "this node goes on counting"
        await store.write("meanwhile", b"2", 60, NOW)
        assert await store.read("meanwhile", NOW) == b"2"
        await server.start()
        assert await store.read("before", NOW) is None, "not yet asked again"
        assert state(store) is StoreState.LOST
        clock.now += RETRY_S
        await store.write("after", b"3", 60, NOW)
        assert state(store) is StoreState.REACHED
        assert await store.read("after", NOW) == b"3"
        assert await store.take("meanwhile", NOW) == b"2", (
            "what this node wrote meanwhile is still known to it"
        )
        await store.close()


async def test_a_call_that_is_cancelled_while_it_tries_lets_the_next_one_try() -> None:
    clock = Clock()
    async with store_server() as server:
        store = shared(server, clock)
        await server.stop()
        await store.read("k", NOW)
        await server.start()
        clock.now += RETRY_S
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.read("k", NOW)
        assert state(store) is StoreState.LOST
        await store.read("k", NOW)
        assert state(store) is StoreState.REACHED
        await store.close()


def test_what_nobody_asks_for_any_more_does_not_stay_in_memory() -> None:
    values = Values()
    values.write("said", b"words", 300.0, NOW)
    values.write("other", b"", 3600.0, NOW + 299.0)
    assert len(values) == 2
    values.write("other", b"", 3600.0, NOW + 300.0 + SWEPT_EVERY_S)
    assert len(values) == 1


class FarStore(MemoryStore):
    """A store that can be out of reach."""

    is_lost = False

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        if self.is_lost:
            raise OSError
        await super().write(key, value, lease_s, now)

    async def close(self) -> None:
        pass


class SilentStore(FarStore):
    """A store that never answers."""

    async def read(self, key: str, now: float) -> bytes | None:
        await anyio.sleep_forever()
        raise AssertionError


class NearStore(FarStore):
    """A store whose answer comes in three pieces, to a node whose loop others hold all the while."""

    async def read(self, key: str, now: float) -> bytes | None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            until_s = loop.time() + DEADLINE_S / 2
            while loop.time() < until_s:
                pass
            await anyio.lowlevel.checkpoint()
        return await super().read(key, now)


async def test_a_store_that_answers_while_the_loop_is_held_is_not_lost() -> None:
    store = SharedStore(NearStore(), (), anyio.current_time)
    await store.write("k", b"value", 3600, NOW)
    assert await store.read("k", NOW) == b"value"
    assert state(store) is StoreState.REACHED


@virtual
async def test_a_call_that_is_not_answered_ends_at_its_deadline() -> None:
    store = SharedStore(SilentStore(), (), anyio.current_time)
    assert await store.read("k", NOW) is None
    assert anyio.current_time() == pytest.approx(DEADLINE_S)
    assert state(store) is StoreState.LOST


async def test_a_lost_store_is_asked_at_once_whether_it_answers_by_who_cannot_wait() -> None:
    far = FarStore()
    store = SharedStore(far, (), Clock())
    assert await store.answers()
    far.is_lost = True
    await store.write("k", b"value", 3600, NOW)
    far.is_lost = False
    assert state(store) is StoreState.LOST
    assert await store.answers()
    assert state(store) is StoreState.REACHED


@virtual
async def test_a_lost_store_that_somebody_else_asks_just_then_is_asked_as_well() -> None:
    far, answered = FarStore(), [False]

    class Hesitant(FarStore):
        async def read(self, key: str, now: float) -> bytes | None:
            if not answered[0]:
                answered[0] = True
                await anyio.sleep_forever()
            return await far.read(key, now)

    store = SharedStore(Hesitant(), (), Clock())
    store.state = StoreState.LOST
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.read, "k", NOW)
        await anyio.lowlevel.checkpoint()
        assert state(store) is StoreState.TRYING
        assert await store.answers()
        tasks.cancel_scope.cancel()
    assert state(store) is StoreState.REACHED


@pytest.mark.parametrize(
    ("command", "mended"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["full", "a copy"],
)
async def test_a_store_that_only_answers_and_takes_nothing_is_lost_until_it_takes_something(
    command: tuple[str, ...], mended: tuple[str, ...]
) -> None:
    clock = Clock()
    async with store_server() as server:
        admin = redis.asyncio.Redis.from_url(server.url.replace("valkey", "redis"))
        store = shared(server, clock)
        await store.read("k", NOW)
        await admin.execute_command(*command)  # type: ignore[no-untyped-call]
        await store.write("k", b"1", 60, NOW)
        for _ in range(3):
            clock.now += RETRY_S
            assert await store.read("k", NOW) == b"1"
            assert state(store) is StoreState.LOST
        await admin.execute_command(*mended)  # type: ignore[no-untyped-call]
        clock.now += RETRY_S
        await store.read("k", NOW)
        assert (state(store), store.returns) == (StoreState.REACHED, 1)
        await admin.aclose()
        await store.close()


async def test_what_was_written_while_the_store_was_lost_does_not_outlive_what_came_after() -> None:
    clock, far = Clock(), FarStore()
    store = SharedStore(far, (), clock)
    far.is_lost = True
    await store.write("k", b"old", 3600, NOW)
    assert await store.read("k", NOW) == b"old"
    far.is_lost = False
    clock.now += RETRY_S
    await store.write("k", b"new", 60, NOW)
    await far.take("k", NOW)  # another node
    assert await store.read("k", NOW) is None


async def test_a_mailbox_whose_connection_has_died_in_silence_is_listened_to_again() -> None:
    heard: list[bytes] = []
    async with store_server() as server, dead_line(server.port) as line:
        other = ValkeyStore.at(server.url, timeout_s=PATIENCE_S)
        remote = ValkeyStore.at(f"valkey://127.0.0.1:{line.port}/0", timeout_s=PATIENCE_S, listen_s=0.2)
        node = SharedStore(remote, (RedisError,), anyio.current_time)

        async def tell(message: bytes) -> None:
            with anyio.fail_after(PATIENCE_S):
                while message not in heard:
                    await other.tell("mailbox", message)
                    await anyio.sleep(0.05)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(node.listen, "mailbox", heard.append)
            await tell(b"before")
            await anyio.sleep(0.5)  # nothing is said, and the connection is asked for life
            line.die()
            await tell(b"after")
            tasks.cancel_scope.cancel()
        assert heard.index(b"before") < heard.index(b"after")
        await node.close()
        await other.close()
