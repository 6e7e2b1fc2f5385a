"""How many talking sessions one core holds: our server as by default, Pipecat's bot, and a bare WebSocket server.

Each server runs on one core, the callers on the others: those of `stageflow-voice load`, who play what they hear and
say when they themselves were late. They ask a recorded question, hear the answer out, and ask again, in 20 ms frames
both ways and in real time. The providers are scripted, with the same delays everywhere: a recogniser of 100 ms, a model
that begins after 200 ms and says 50 tokens a second, a voice that begins after 100 ms; a turn ends with a pause of
500 ms.

Ours speaks Realtime (JSON and base64), as stock clients do; the others move plain PCM, which is cheaper. The bare
server knows nothing of what it moves: of six seconds it sends for as long as our answer lasts.

A server holds so many sessions when nine of ten turns are answered within 1.5 s of the last voiced sample and no sound
is late. The knee is the most that it held.
"""

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from subprocess import PIPE

import anyio
from bench_sessions import SERVER_CORE, Process
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from server.client.load.calls.audit import Audit, AuditLimits
from server.client.load.calls.runner import Load, Place, Run, Runner
from server.client.load.calls.turns import Outcome, Turn
from server.client.load.measuring.scenario_file import check_mix, make_voicebox
from server.client.load.targets import find_target

HERE = Path(__file__).parent
QUESTION = HERE.parent / "tests" / "data" / "speech" / "cards_002.wav"
PIPECAT = HERE.parent / ".venv-pipecat" / "bin" / "python"
COUNTS = (1, 10, 25, 50, 100, 150, 200)
RAMP_S, MEASURED_S = 6.0, 18.0
"""One cycle of question and answer in which the callers begin, and three that are measured."""
MOST_WAIT_MS, MOST_GAPS = 1500.0, 0
TRIES = 3
"""Of a run, until one was valid: where the callers themselves were late, nothing is known of the server."""
FRAME_BYTES, FRAME_S, ANSWER_FRAMES = 960, 0.02, 190

OURS = [sys.executable, "-m", "server", "serve", "--port", "0", "--config"]
COMMANDS = {
    "ours": [*OURS, str(HERE / "density" / "ours.toml")],
    "pipecat": [str(PIPECAT), str(HERE / "density" / "pipecat_bot.py")],
    "bare": [sys.executable, __file__, "--bare"],
}
PROTOCOLS = {"ours": "realtime", "pipecat": "pcm:16000", "bare": "pcm"}
MIX = {"scenarios": [{"name": "question", "steps": [{"file": str(QUESTION)}] * 8}]}


async def serve_bare() -> None:
    """Take frames, and of six seconds send as many frames as an answer has."""

    async def move(connection: ServerConnection) -> None:
        number, frame = 0, bytes([1, 0] * (FRAME_BYTES // 2))
        async for _ in connection:
            number += 1
            if number % 300 > 300 - ANSWER_FRAMES:
                await connection.send(frame)

    async def hold(connection: ServerConnection) -> None:
        try:
            await move(connection)
        except ConnectionClosed:
            return

    async with serve(hold, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await anyio.sleep_forever()


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[tuple[Process, int]]:
    """The server that this command starts, on its core, and its port."""
    command = ["taskset", "-c", str(SERVER_CORE), *words]
    async with await anyio.open_process(command, stdout=PIPE, stderr=None) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not (lines := [line for line in said.splitlines(keepends=True) if port_in(line)]):
                said += (await process.stdout.receive()).decode()
            port = port_in(lines[0])
            yield Process(process.pid, f"ws://127.0.0.1:{port}/v1/realtime"), port
        finally:
            process.terminate()


def port_in(line: str) -> int:
    """The port that a line tells, 0 if it tells none: ours says a sentence, the others the number alone."""
    if not line.endswith("\n"):
        return 0
    text = line.strip().partition("ws://127.0.0.1:")[2].partition("/")[0] or line.strip()
    return int(text) if text.isdigit() else 0


@dataclass(frozen=True)
class Cost:
    """What one run has cost and given."""

    sessions: int
    cpu_share: float
    """Of the core, all sessions together."""
    rss_kb: float
    """A session, over the idle server."""
    turns: Sequence[Turn]
    gaps: int
    longest_gap_ms: float
    audit: Audit
    """How late the callers were."""

    @property
    def invalid(self) -> Sequence[str]:
        """Why nothing is known of the server, if nothing is."""
        return self.audit.faults(AuditLimits())

    @property
    def waits_ms(self) -> list[float]:
        """From the last voiced sample to the first that is heard."""
        return [turn.v2v_ms for turn in self.turns if turn.v2v_ms is not None]

    @property
    def holds(self) -> bool:
        """Whether people would be content. Every turn is to be answered."""
        waits = self.waits_ms
        return (
            len(waits) >= 2
            and quantiles(waits, n=10, method="inclusive")[-1] < MOST_WAIT_MS
            and self.gaps <= MOST_GAPS
            and len(waits) >= 0.95 * len(self.turns)
        )


async def measure(kind: str, sessions: int) -> Cost:
    """Load a fresh server of this kind with so many sessions."""
    target = find_target(PROTOCOLS[kind])
    mix = check_mix(MIX, "density")
    marks: list[tuple[float, float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        voicebox = make_voicebox(mix, target, None, Path(folder))
    async with started(*COMMANDS[kind]) as (process, _):
        idle_kb = process.rss_kb()

        def watch(so_far: Run) -> None:
            if so_far.lasted_s >= RAMP_S:
                marks.append((anyio.current_time(), process.cpu_s(), process.rss_kb()))

        load = Load(RAMP_S + MEASURED_S, callers=sessions, ramp_s=RAMP_S)
        run = await Runner(Place(process.url, target), mix, voicebox, load, 1).run(watch)
    (began_s, cpu_s, _), (ended_s, used_s, rss_kb) = marks[0], marks[-1]
    turns = [t for call in run.calls for t in call.turns if t.outcome is not Outcome.DISCARDED]
    gaps = [ms for turn in turns for ms in turn.gaps_ms]
    share = (used_s - cpu_s) / (ended_s - began_s)
    return Cost(
        sessions, share, (rss_kb - idle_kb) / sessions, turns, len(gaps), max(gaps, default=0.0), run.audit()
    )


HEAD = (
    "| server | sessions | CPU of a core, all | each | MB each | first sound ms p50 | p95 | turns | gaps "
    "| longest ms | holds | callers late ms p50, p99 |"
)


def row(kind: str, cost: Cost) -> str:
    """What is printed of a run."""
    waits = cost.waits_ms
    cuts = quantiles(waits, n=20, method="inclusive") if len(waits) > 1 and kind != "bare" else None
    shown = (f"{cuts[9]:.0f}", f"{cuts[18]:.0f}") if cuts else ("", "")
    judged = "" if kind == "bare" else "yes" if cost.holds else "no"
    late = cost.audit
    note = f" callers were late: {'; '.join(cost.invalid)}" if cost.invalid else ""
    return (
        f"| {kind} | {cost.sessions} | {cost.cpu_share:.1%} | {cost.cpu_share / cost.sessions:.2%} "
        f"| {cost.rss_kb / 1024:.2f} | {shown[0]} | {shown[1]} | {len(waits)} of {len(cost.turns)} | {cost.gaps} "
        f"| {cost.longest_gap_ms:.0f} | {judged} | {late.send_late_p50_ms:.1f}, {late.send_late_p99_ms:.1f}{note} |"
    )


async def main(counts: Sequence[int], only: Sequence[str]) -> None:
    """Measure and print a table, the servers in turns; then the ratios."""
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {SERVER_CORE} or {SERVER_CORE})
    kinds = [kind for kind in COMMANDS if kind in only and (kind != "pipecat" or PIPECAT.exists())]
    print(HEAD, "| --- " * (HEAD.count("|") - 1) + "|", sep="\n")
    costs: dict[str, list[Cost]] = {kind: [] for kind in kinds}
    for sessions in counts:
        for kind in kinds:
            if any(not cost.holds and not cost.invalid for cost in costs[kind]) and kind != "bare":
                continue  # it holds no more than before
            for _ in range(TRIES):
                costs[kind].append(await measure(kind, sessions))
                print(row(kind, costs[kind][-1]), flush=True)
                if not costs[kind][-1].invalid:
                    break
    for kind in [kind for kind in kinds if kind != "bare"]:
        held = [cost.sessions for cost in costs[kind] if cost.holds and not cost.invalid]
        broke = [cost.sessions for cost in costs[kind] if not cost.holds and not cost.invalid]
        least = f"{min(broke)} not" if broke else "more were not tried"
        print(f"{kind}: {max(held, default=0)} sessions held, {least}")


if __name__ == "__main__":
    backend = {"use_uvloop": True}
    if sys.argv[1:2] == ["--bare"]:
        anyio.run(serve_bare, backend_options=backend)
    else:
        only = sys.argv[1].split(",") if sys.argv[1:] and not sys.argv[1].isdigit() else list(COMMANDS)
        counts = [int(count) for count in sys.argv[1:] if count.isdigit()] or COUNTS
        anyio.run(main, counts, only, backend_options=backend)
