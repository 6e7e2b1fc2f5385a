"""Callers who come within a second to a server with the embedded models: who is answered how late, and who is refused.

One caller talks first, so that the models are warm. Then the callers come, evenly within a second; each asks one
question after the other until the time is over. Who is refused is gone. `/readyz` is asked ten times a second
meanwhile: what it says is what one more caller would have been told.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from subprocess import PIPE

import anyio
import anyio.to_thread

from server.cli.load_order import embedded_voice
from server.client.load.calls.runner import Load, Place, Run, Runner
from server.client.load.calls.turns import Ending, Outcome
from server.client.load.measuring.scenario_file import make_voicebox
from server.client.load.script import Mix
from server.client.load.targets import find_target

COUNTS = (12, 6, 3)
ALONE_S, LASTS_S = 12.0, 40.0
SAID = ("What time is it now?", "What is twelve times seven?", "Tell me what you can do for me.")
MIX = Mix.model_validate(
    {
        "scenarios": [
            {
                "name": name,
                "think_ms": [300, 1500],
                "steps": [{"say": text} for text in SAID[n:] + SAID[:n]] * 9,
            }
            for n, name in enumerate(("first", "second", "third"))
        ]
    }
)
LATE_MS = 1_000.0
"""Later than a caller alone by more than this is late."""


@dataclass
class Readiness:
    """What `/readyz` said: when it changed, and to what."""

    changes: list[tuple[float, str]] = field(default_factory=list)
    most_wait_ms: float = 0.0

    def note(self, at_s: float, told: dict[str, object], retry_after: str | None) -> None:
        status = str(told["status"])
        self.most_wait_ms = max(self.most_wait_ms, float(str(told.get("wait_ms", 0))))
        if status != (self.changes[-1][1].split()[0] if self.changes else "ready"):
            why = f" ({told.get('cause', '?')}, Retry-After {retry_after})" if retry_after else ""
            self.changes.append((at_s, f"{status}{why}"))


def ask(port: int) -> tuple[dict[str, object], str | None]:
    """What `/readyz` says, and its `Retry-After`."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return json.load(answer), None
    except urllib.error.HTTPError as refused:
        with refused:
            return json.load(refused), refused.headers["Retry-After"]


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """A server with the embedded models, which allows as many sessions as come; its port."""
    command = [sys.executable, "-m", "server", "serve", "--port", "0"]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None, env=os.environ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "listening on http://127.0.0.1:" not in said:
                said += (await process.stdout.receive()).decode()
            yield int(said.partition("listening on http://127.0.0.1:")[2].partition("/")[0])
        finally:
            process.terminate()


async def call(port: int, times_s: tuple[float, ...], lasts_s: float, readiness: Readiness) -> Run:
    """Calls that begin at these times."""
    target = find_target("voice.v1")
    voicebox = await anyio.to_thread.run_sync(make_voicebox, MIX, target, embedded_voice(), Path())
    place = Place(f"ws://127.0.0.1:{port}/v1/realtime", target)
    runner = Runner(place, MIX, voicebox, Load(lasts_s, times_s=times_s), seed=1)

    async def look() -> None:
        began_s = anyio.current_time()
        while True:
            told, retry_after = await anyio.to_thread.run_sync(ask, port)
            readiness.note(anyio.current_time() - began_s, told, retry_after)
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await runner.run()
        tasks.cancel_scope.cancel()
    return runner.so_far


def waits_ms(run: Run) -> list[float]:
    """From the last voiced sample of each question to the first sound of its answer."""
    return sorted(
        turn.v2v_ms
        for one in run.calls
        for turn in one.turns
        if turn.v2v_ms is not None and turn.outcome is Outcome.HELD
    )


def report(callers: int, alone_ms: float, run: Run, readiness: Readiness) -> str:
    """One row of the table, and what `/readyz` said."""
    waits, turns = waits_ms(run), [turn for one in run.calls for turn in one.turns]
    refused = [one.intended_s for one in run.calls if one.ending is Ending.REFUSED]
    late = sum(wait > alone_ms + LATE_MS for wait in waits)
    missed = sum(turn.outcome is Outcome.MISSED for turn in turns)
    gaps = sum(len(turn.gaps_ms) for turn in turns)
    row = (
        f"| {callers} | {callers - len(refused)} | {len(refused)} | {len(waits)} | {alone_ms:.0f} "
        f"| {median(waits) if waits else 0:.0f} | {waits[int(0.95 * len(waits))] if waits else 0:.0f} | {late} "
        f"| {missed} | {gaps} |"
    )
    said = "; ".join(f"{at_s:.1f} s: {what}" for at_s, what in readiness.changes) or "ready all the time"
    times = ", ".join(f"{at_s:.2f}" for at_s in refused) or "none"
    return f"{row}\n  refused at (s): {times}; /readyz: {said}; wait at most {readiness.most_wait_ms:.0f} ms"


async def main(counts: list[int]) -> None:
    """The table."""
    print("| callers | let in | refused | answers | alone ms | p50 | p95 | late | missed | gaps |")
    print("|" + " --- |" * 10, flush=True)
    for callers in counts:
        async with served() as port:
            alone = waits_ms(await call(port, (0.0,), ALONE_S, Readiness()))
            readiness = Readiness()
            times_s = tuple(n / callers for n in range(callers))
            run = await call(port, times_s, LASTS_S, readiness)
            print(report(callers, median(alone) if alone else 0.0, run, readiness), flush=True)


if __name__ == "__main__":
    anyio.run(main, [int(word) for word in sys.argv[1:]] or list(COUNTS))
