"""What providers' adapters cost the process that they run in: CPU of a turn and of a silent session, against their
fakes in another process, beside bare clients of the same messages; and what many sessions leave behind."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio
import uvloop
from bare_client import Trace, bare, replay, traced
from websockets.asyncio.server import serve

from stages.providers.piecewise import open_utterance
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from tests.support.adapter_turns import provider_of, session, session_of
from tests.support.adapters import ADAPTERS, Adapter

ROUNDS, TURNS, WARM = 20, 10, 8
BARGE_INS = 50


# --- the other process --------------------------------------------------------------------------------------


def key(adapter: Adapter) -> str:
    return f"{adapter.kind} {adapter.name}"


async def serve_all() -> None:
    async with AsyncExitStack() as stack:
        urls = {key(one): await stack.enter_async_context(one.served()) for one in ADAPTERS}
        floor = await stack.enter_async_context(
            serve(replay, "127.0.0.1", 0, compression=None, max_size=None)
        )
        port = next(iter(floor.sockets)).getsockname()[1]
        print(json.dumps({**urls, "floor": f"ws://127.0.0.1:{port}"}), flush=True)
        await asyncio.Event().wait()


# --- measuring ----------------------------------------------------------------------------------------------


async def cpu_ms(turn: Callable[[], Awaitable[None]]) -> float:
    began = time.process_time()
    for _ in range(TURNS):
        await turn()
    return (time.process_time() - began) / TURNS * 1000


async def cost(adapter: Adapter, urls: dict[str, str]) -> tuple[float, float | None]:
    """Milliseconds of CPU a turn: the adapter's, and the bare client's.

    Rounds alternate, and of each the best counts: other work of the machine only adds.
    """
    trace: Trace = []
    requests: list[Any] = []
    async with provider_of(adapter, urls[key(adapter)]) as provider, session(adapter, provider) as turn:
        for _ in range(WARM):
            await turn()
        with traced(trace, requests):
            await turn()
            await asyncio.sleep(0.05)
        async with bare(list(trace), list(requests), urls["floor"]) as same:
            ours, floors = [], []
            for _ in range(ROUNDS):
                ours.append(await cpu_ms(turn))
                if same is not None:
                    floors.append(await cpu_ms(same))
            return min(ours), min(floors) if floors else None


async def idle_percent(adapter: Adapter, urls: dict[str, str], sessions: int, seconds: float) -> float:
    """Of a core, by one session in which nothing is said."""
    async with provider_of(adapter, urls[key(adapter)]) as provider, AsyncExitStack() as stack:
        for _ in range(sessions):
            await stack.enter_async_context(session(adapter, provider))
        await asyncio.sleep(1)
        began = time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - began) / seconds / sessions * 100


async def left_behind(adapter: Adapter, urls: dict[str, str], sessions: int) -> tuple[int, int]:
    """Tasks and files that are more after so many sessions with a turn each than before."""
    await some_sessions(adapter, urls, 1)  # whatever a process keeps
    await asyncio.sleep(0.2)
    before = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
    await some_sessions(adapter, urls, sessions)
    await asyncio.sleep(0.5)
    after = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
    return after[0] - before[0], after[1] - before[1]


async def some_sessions(adapter: Adapter, urls: dict[str, str], number: int) -> None:
    """So many of one provider with a turn each, ten at once."""
    async with provider_of(adapter, urls[key(adapter)]) as provider:
        for begun in range(0, number, 10):
            async with AsyncExitStack() as stack:
                some = range(begun, min(begun + 10, number))
                turns = [await stack.enter_async_context(session(adapter, provider)) for _ in some]
                async with anyio.create_task_group() as tasks:
                    for turn in turns:
                        tasks.start_soon(turn)


async def barge_in_ms(adapter: Adapter) -> list[float]:
    """From the moment an answer is cancelled to the service's having read so, in this process; sorted."""
    found = []
    async with (
        serving(adapter.fake()) as server,
        provider_of(adapter, server.url) as provider,
        session_of(provider) as voice,
    ):
        for _ in range(BARGE_INS):
            async with open_utterance(voice) as utterance:
                await utterance.push("A long sentence that is cut short. " * 5)
                async with aclosing(utterance.audio()) as audio:
                    await anext(audio)
                    sent, began = len(server.sent()), time.perf_counter()
                    utterance.cancel()

                    def reached(server: FakeServer, sent: int = sent) -> bool:
                        return len(server.sent()) > sent

                    await server.until(reached)
                    found.append((time.perf_counter() - began) * 1000)
    return sorted(found)


async def main(options: argparse.Namespace, urls: dict[str, str]) -> None:
    chosen = [one for one in ADAPTERS if not options.only or any(word in key(one) for word in options.only)]
    if options.sessions:
        print(f"| adapter | tasks left of {options.sessions} sessions | files |\n| --- | ---: | ---: |")
        for adapter in chosen:
            tasks, files = await left_behind(adapter, urls, options.sessions)
            print(f"| {key(adapter)} | {tasks} | {files} |", flush=True)
        return
    if options.barge_in:
        print("| voice | from a barge-in to the service, ms | longest |\n| --- | ---: | ---: |")
        for adapter in (one for one in chosen if one.kind == "tts" and one.serve is serving):
            times = await barge_in_ms(adapter)
            print(f"| {adapter.name} | {times[len(times) // 2]:.2f} | {times[-1]:.2f} |", flush=True)
        return
    print(
        "| adapter | CPU a turn, ms | bare client | adapter's own |"
        + (" idle, % of a core |" if options.idle else "")
    )
    print("| --- | ---: | ---: | ---: |" + (" ---: |" if options.idle else ""))
    for adapter in chosen:
        ours, floor = await cost(adapter, urls)
        row = [f"{ours:.2f}"] + (["", ""] if floor is None else [f"{floor:.2f}", f"{ours - floor:.2f}"])
        if options.idle:
            row.append(f"{await idle_percent(adapter, urls, 20, options.idle):.3f}")
        print(f"| {key(adapter)} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the names of adapters")
    parser.add_argument(
        "--idle", type=float, default=0, metavar="SECONDS", help="measure silent sessions too"
    )
    parser.add_argument(
        "--sessions", type=int, default=0, help="count what so many sessions leave behind instead"
    )
    parser.add_argument("--barge-in", action="store_true", help="measure how soon voices hear of one instead")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        uvloop.run(serve_all())
    else:
        with subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
        ) as services:
            assert services.stdout is not None
            try:
                uvloop.run(main(given, json.loads(services.stdout.readline())))
            finally:
                services.kill()
