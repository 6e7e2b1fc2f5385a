"""What the server itself adds to a turn, what a session holds of memory, and what is left of sessions that are over.

Our server as by default, with Silero, on one core; providers are scripted and take no time, so all that lies between
the frame that ends a turn and its first audio is the server's own. First the sessions of `bench-sessions` talk all the
time; then, on another server, callers ask, hear the answer, hang up and are followed by others, until so many sessions
have come and gone. Memory is what the process holds when no session is left, beside what it held after the first ones:
the detector and the buffers of the first sessions are made once.
"""

import os
import sys
from collections.abc import Sequence
from statistics import quantiles
from typing import Final

import anyio
from bench_density import HERE, OURS, started
from bench_sessions import SERVER_CORE, Process, measure_at, read_script
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

SERVER: Final = (*OURS, str(HERE / "density" / "at_once.toml"))
SESSIONS: Final = 25
ROUNDS: Final = 3
AT_ONCE: Final = 25
FIRST_GONE: Final = 100
ALL_GONE: Final = 600
MOST_P50_MS, MOST_P99_MS, MOST_MB, MOST_GROWTH = 5.0, 25.0, 1.0, 0.05
FRAME_S: Final = 0.02
CALL_FRAMES: Final = 150
"""Three seconds: the question, the pause that ends it, and half a second of the answer."""
SETTLE_S, RETRY_S = 2.0, 0.5


async def own_share(script: Sequence[str]) -> None:
    """Turns of sessions that talk all the time."""
    costs = []
    for _ in range(ROUNDS):
        async with started(*SERVER) as (process, _):
            costs.append(await measure_at(process, SESSIONS, script))
    waits = [ms for cost in costs for ms in cost.tally.waits_ms]
    cuts = quantiles(waits, n=100, method="inclusive")
    memory_mb = max(cost.rss_kb for cost in costs) / 1024
    say(f"own share of a turn at {SESSIONS} sessions, p50", cuts[49], MOST_P50_MS, f"ms (n={len(waits)})")
    say(f"own share of a turn at {SESSIONS} sessions, p99", cuts[98], MOST_P99_MS, f"ms (n={len(waits)})")
    say("memory of a session", memory_mb, MOST_MB, "MB")


async def listen(connection: ClientConnection) -> None:
    """Take what comes, until the connection is closed."""
    async for _ in connection:
        pass


async def opened(url: str) -> ClientConnection:
    """A connection; a busy server may refuse, and is called again a little later."""
    while True:
        try:
            return await connect(url, compression=None, max_size=None)
        except InvalidStatus:
            await anyio.sleep(RETRY_S)


async def call(url: str, script: Sequence[str]) -> None:
    """Ask, hear the beginning of the answer, hang up."""
    connection = await opened(url)
    async with connection, anyio.create_task_group() as tasks:
        tasks.start_soon(listen, connection)
        began = anyio.current_time()
        for number, frame in enumerate(script[:CALL_FRAMES]):
            await anyio.sleep_until(began + number * FRAME_S)
            await connection.send(frame)
        await connection.close()


async def come_and_go(process: Process, script: Sequence[str], sessions: int) -> None:
    """So many sessions, some at a time."""
    left = iter(range(sessions))

    async def caller() -> None:
        for _ in left:
            await call(process.url, script)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(caller)
    await anyio.sleep(SETTLE_S)


async def memory_left(script: Sequence[str]) -> None:
    """What is left of sessions that came and went."""
    async with started(*SERVER) as (process, _):
        fresh_kb = process.rss_kb()
        await come_and_go(process, script, FIRST_GONE)
        first_kb = process.rss_kb()
        await come_and_go(process, script, ALL_GONE - FIRST_GONE)
        last_kb = process.rss_kb()
    told = ", ".join(f"{kb / 1024:.1f}" for kb in (fresh_kb, first_kb, last_kb))
    print(f"memory, MB: fresh, after {FIRST_GONE} sessions, after {ALL_GONE}: {told}", flush=True)
    grown = (last_kb / first_kb - 1) * 100
    say(f"memory after {ALL_GONE - FIRST_GONE} more sessions", grown, MOST_GROWTH * 100, "% more")


def say(what: str, value: float, most: float, unit: str) -> None:
    """A line, with its limit."""
    print(f"{what}: {value:.2f} {unit}, at most {most:g}: {'yes' if value <= most else 'NO'}", flush=True)


async def main() -> None:
    """All of it."""
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {SERVER_CORE} or {SERVER_CORE})
    script = read_script()
    if "--memory" not in sys.argv:
        await own_share(script)
    if "--turns" not in sys.argv:
        await memory_left(script)


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
