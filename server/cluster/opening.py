"""Which store the configuration asks for, opened for as long as the server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from server.cluster.shared import CONNECTION_S, SharedStore
from server.cluster.store import MemoryStore, Store
from server.cluster.valkey import SCHEMES, ValkeyStore
from server.domain.errors import ConfigError

MEMORY = "memory"


def store_fault(address: str) -> str | None:
    """Why no store can be at that address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if address == MEMORY or (parts.scheme in SCHEMES and parts.netloc):
        return None
    return f"must be {MEMORY!r} or an address such as valkey://127.0.0.1:6379/0"


@asynccontextmanager
async def open_store(address: str) -> AsyncIterator[Store]:
    """The store at that address, or the memory of this process. A store that cannot be reached is taken for lost, and
    tried again. Raises ConfigError without the package that it needs."""
    if address == MEMORY:
        yield MemoryStore()
        return
    try:
        remote, failure = await anyio.to_thread.run_sync(_connect, address)
    except ImportError as error:
        raise ConfigError(
            "a shared store needs the package redis: pip install 'stageflow-voice[cluster]' "
            "(scripts/setup cluster in a checkout)"
        ) from error
    store = SharedStore(remote, (failure,), anyio.current_time)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.watch)
            yield store
            tasks.cancel_scope.cancel()
    finally:
        await store.close()


def _connect(address: str) -> tuple[ValkeyStore, type[Exception]]:
    """In a thread: what it imports is read from disk."""
    from redis.exceptions import RedisError

    try:
        return ValkeyStore.at(address, timeout_s=CONNECTION_S), RedisError
    except ValueError as error:
        raise ConfigError(f"store: {error}") from error
