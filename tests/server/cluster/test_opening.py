"""The address of the store chooses it, and a wrong one is said before anything is loaded."""

import pytest

from server.cluster.opening import open_store, store_fault
from server.cluster.shared import SharedStore, StoreState
from server.cluster.store import MemoryStore
from server.config.environment import load_settings
from server.domain.errors import ConfigError
from tests.support.store_server import free_port, store_server


@pytest.mark.parametrize("address", ["memory", "valkey://host:6379/0", "rediss://:secret@host"])
def test_these_are_addresses_of_stores(address: str) -> None:
    assert store_fault(address) is None


@pytest.mark.parametrize("address", ["", "Memory", "valkey://", "http://host", "host:6379", "valkey://[::1"])
def test_these_are_none(address: str) -> None:
    with pytest.raises(
        ConfigError, match="STAGEFLOW_VOICE_STORE: must be 'memory' or an address such as valkey://"
    ):
        load_settings({"store": address}, env_file=None)


def test_the_password_of_the_store_is_in_no_log() -> None:
    assert "hush" in load_settings({"store": "valkey://:hush@host"}, env_file=None).secrets()


async def test_memory_needs_nothing() -> None:
    async with open_store("memory") as store:
        assert isinstance(store, MemoryStore)


async def test_a_store_that_is_not_there_yet_is_lost_and_the_server_starts_all_the_same() -> None:
    async with open_store(f"valkey://127.0.0.1:{free_port()}") as store:
        assert isinstance(store, SharedStore)
        await store.write("k", b"1", 60, 0.0)
        assert store.state is StoreState.LOST
        assert await store.read("k", 0.0) == b"1"


async def test_two_nodes_share_what_is_in_it() -> None:
    async with store_server() as server, open_store(server.url) as one, open_store(server.url) as two:
        await one.write("k", b"1", 60, 0.0)
        assert await two.take("k", 0.0) == b"1"
