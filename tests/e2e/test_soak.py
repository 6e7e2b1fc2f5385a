"""Sessions that come, talk, lose their line, come back and go leave nothing behind: no task, no file, no memory."""

import asyncio
import gc
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from server.client.client import RealtimeClient
from tests.support.live_server import LiveServer, ask, live_server
from tests.support.patience import PATIENCE_S

SOAK_S = float(os.environ.get("SOAK_S", "1"))
"""How long they come and go; `scripts/bench-resume soak` has minutes of it."""

AT_ONCE = 6

MAX_GROWTH_BYTES = 12 << 20
"""Of memory, whatever the time: what Python keeps of what it has freed."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 2 * SOAK_S)]


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process, server and clients, has of the machine."""

    memory_bytes: int
    files: int
    tasks: int

    @classmethod
    def now(cls) -> "Usage":
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = len(os.listdir("/proc/self/fd"))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), files, len(asyncio.all_tasks()))


async def one_call(server: LiveServer, chance: random.Random) -> None:
    """A client with a line that is lost now and then; some leave without a word."""
    is_voice = chance.random() < 0.7
    async with RealtimeClient(server.url, voice=is_voice) as client:
        await client.receive_until("session.created")
        for _ in range(chance.randint(1, 3)):
            await ask(client, "one two", chance.choice(["text", "audio"]))
            if is_voice and chance.random() < 0.5:
                client.vanish()
            await client.receive_until("response.done")
        if not is_voice and chance.random() < 0.2:
            client.vanish()


async def come_and_go(server: LiveServer, seconds: float, chance: random.Random) -> int:
    """So many sessions there were."""
    calls, until = 0, anyio.current_time() + seconds

    async def caller() -> None:
        nonlocal calls
        while anyio.current_time() < until:
            await one_call(server, chance)
            calls += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(caller)
    await server.until_sessions(0)
    return calls


async def settled(before: Usage) -> Usage:
    """What is used once it is no more than `before`, or in a while: a session is over before its socket has closed."""
    usage = Usage.now()
    with anyio.move_on_after(PATIENCE_S):
        while usage.files > before.files or usage.tasks > before.tasks:
            await anyio.sleep(0.05)
            usage = Usage.now()
    return usage


async def test_sessions_that_come_and_go_leave_nothing() -> None:
    chance = random.Random(5)
    async with live_server(resume_grace_s=30.0, keep_s=1.0) as server:
        await come_and_go(server, max(1.0, SOAK_S / 10), chance)
        before = Usage.now()
        calls = await come_and_go(server, SOAK_S, chance)
        after = await settled(before)
    if "SOAK_S" in os.environ:
        grown = f"{before.memory_bytes / 2**20:.1f}->{after.memory_bytes / 2**20:.1f}"
        print(
            f"seconds={SOAK_S:g} sessions={calls} memory_mb {grown} "
            f"files {before.files}->{after.files} tasks {before.tasks}->{after.tasks}",
            file=sys.stderr,
        )
    assert after.files <= before.files
    assert after.tasks <= before.tasks
    assert after.memory_bytes - before.memory_bytes < MAX_GROWTH_BYTES
