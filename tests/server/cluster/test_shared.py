"""Calls of a shared store that come at once take turns, so that a burst of openings is not taken for its loss."""

from dataclasses import dataclass

import anyio
import pytest
import redis.asyncio
from redis.exceptions import RedisError

from server.cluster import shared
from server.cluster.shared import CALLS_AT_ONCE, DEADLINE_S, RETRY_S, TURN_S, SharedStore, StoreState
from server.cluster.store import MemoryStore
from server.cluster.valkey import ValkeyStore
from stages.testing.virtual_time import virtual
from tests.support.patience import PATIENCE_S
from tests.support.store_server import store_server

BURST = 150
"""More than the connections that the client library allows."""


@dataclass
class CountingStore(MemoryStore):
    """Takes its time for each call, and says how many there were at once, at most."""

    takes_s: float
    at_once: int = 0
    most_at_once: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        self.asked, self.at_once = self.asked + 1, self.at_once + 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await anyio.sleep(self.takes_s)
        finally:
            self.at_once -= 1
        return await super().claim(key, holder, places, lease_s, now)

    async def close(self) -> None:
        """There is nothing to close."""


async def open_many(store: SharedStore) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(BURST):
            tasks.start_soon(store.claim, "sessions", f"s{number}", BURST, 60.0, 0.0)


async def longest_wait(store: SharedStore) -> float:
    """Of many that open a session at once, in seconds."""
    began, waits = anyio.current_time(), list[float]()

    async def claim(holder: str) -> None:
        await store.claim("sessions", holder, BURST, 60.0, 0.0)
        waits.append(anyio.current_time() - began)

    async with anyio.create_task_group() as tasks:
        for number in range(BURST):
            tasks.start_soon(claim, f"s{number}")
    return max(waits)


@virtual
async def test_the_deadline_of_a_call_begins_with_its_turn() -> None:
    remote = CountingStore(takes_s=0.9 * TURN_S / (BURST // CALLS_AT_ONCE))
    store = SharedStore(remote, (), anyio.current_time)
    assert DEADLINE_S < await longest_wait(store) < TURN_S
    assert (remote.asked, remote.most_at_once) == (BURST, CALLS_AT_ONCE)
    assert store.state is StoreState.REACHED


@virtual
async def test_a_store_that_is_too_slow_for_all_who_wait_is_lost_to_them_until_it_is_tried_again() -> None:
    remote = CountingStore(takes_s=0.8 * DEADLINE_S)
    store = SharedStore(remote, (), anyio.current_time)
    assert await longest_wait(store) <= TURN_S + DEADLINE_S
    assert remote.most_at_once == CALLS_AT_ONCE
    assert remote.asked < BURST, "this node has counted the others by itself"
    await anyio.sleep(RETRY_S)
    before = remote.asked
    await store.claim("sessions", "later", BURST + 1, 60.0, 0.0)
    assert (store.state, remote.asked) == (StoreState.REACHED, before + 1)
    assert store.returns == 1, "what was counted here is told once more"


@virtual
async def test_those_that_wait_for_their_turn_do_not_wait_for_a_store_that_is_lost_meanwhile() -> None:
    remote = CountingStore(takes_s=3600.0)
    store = SharedStore(remote, (), anyio.current_time)
    await open_many(store)
    assert remote.asked == CALLS_AT_ONCE
    assert anyio.current_time() < 2 * DEADLINE_S


class FullStore(CountingStore):
    """Takes nothing more, though it answers whoever claims a place."""

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        raise OSError("there is no room")


@virtual
async def test_an_answer_to_a_call_from_before_does_not_bring_a_lost_store_back() -> None:
    store = SharedStore(FullStore(takes_s=0.5 * DEADLINE_S), (), anyio.current_time)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.claim, "sessions", "asked before", BURST, 60.0, 0.0)
        await anyio.sleep(0.1 * DEADLINE_S)
        await store.write("key", b"1", 60.0, 0.0)
    assert (store.state, store.returns) == (StoreState.LOST, 0)
    await anyio.sleep(RETRY_S)
    await store.claim("sessions", "tries", BURST, 60.0, 0.0)
    assert (store.state, store.returns) == (StoreState.LOST, 0)


async def test_a_burst_makes_no_more_connections_than_there_are_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        shared, "DEADLINE_S", PATIENCE_S
    )  # on a busy machine a call takes longer, which is no loss
    monkeypatch.setattr(shared, "TURN_S", PATIENCE_S)
    async with store_server() as server:
        store = SharedStore(
            ValkeyStore.at(server.url, timeout_s=PATIENCE_S), (RedisError,), anyio.current_time
        )
        await open_many(store)
        asked = redis.asyncio.Redis.from_url(server.url.replace("valkey", "redis"))
        ours = [one for one in await asked.client_list() if one["name"] == "stageflow-voice"]
        await asked.aclose()
        await store.close()
    assert 1 <= len(ours) <= CALLS_AT_ONCE
