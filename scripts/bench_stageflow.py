"""What the framework costs: CPU time by stage, by stream item and by branch, beside what asyncio itself costs.

One process, one event loop, no work in the stages. Each figure is the CPU time of the process (`process_time`,
so waiting and neighbours do not count) per unit, the minimum and the median of many batches. The baselines are
measured in the same run, between the others: a bare `await` of a coroutine, and a bare asyncio task.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from statistics import median, quantiles
from time import perf_counter, process_time

from stageflow import ContextSnapshot, Pipeline, PipelineGraph, StageContext, StageKind, StageOutput

STAGES = 6
FAN = 20
ITEMS = 1000
BATCHES = 60
RUNS = 20
"""Runs in a batch: a batch takes some milliseconds, far more than the clock's resolution."""
CONCURRENT = 300
STAGE_S = 0.05
FACTS = ContextSnapshot(input_text="hello", pipeline_run_id="bench")


class Nothing:
    """A stage that does nothing."""

    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Return at once."""
        return StageOutput.ok(text="hello")


class Wait(Nothing):
    """A stage that waits as for a service."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Sleep for 50 ms."""
        await asyncio.sleep(STAGE_S)
        return StageOutput.ok(text="hello")


class Send(Nothing):
    """A stage that sends items."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Send them all."""
        for number in range(ITEMS):
            await ctx.stream.send(number)
        return StageOutput.ok()


class Receive(Nothing):
    """A stage that reads them."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Count them."""
        count = 0
        async for _ in ctx.inputs.stream("send"):
            count += 1
        return StageOutput.ok(count=count)


def chain(stage: type[Nothing]) -> PipelineGraph:
    """Six stages in a row, as the voice pipeline has."""
    pipeline = Pipeline().with_stage("s0", stage())
    for number in range(1, STAGES):
        pipeline = pipeline.with_stage(f"s{number}", stage(), dependencies=(f"s{number - 1}",))
    return pipeline.build()


def fan() -> PipelineGraph:
    """One stage, twenty that wait for it, one that waits for them all."""
    pipeline = Pipeline().with_stage("first", Nothing())
    names = [f"branch{number}" for number in range(FAN)]
    for name in names:
        pipeline = pipeline.with_stage(name, Nothing(), dependencies=("first",))
    return pipeline.with_stage("last", Nothing(), dependencies=names).build()


def stream() -> PipelineGraph:
    """A sender and a reader."""
    return Pipeline().with_stage("send", Send()).with_stage("receive", Receive(), streams=("send",)).build()


async def bare_await() -> None:
    """The least that six stages could cost."""
    stage, ctx = Nothing(), StageContext(FACTS)
    for _ in range(STAGES):
        await stage.execute(ctx)


async def bare_tasks() -> None:
    """What six tasks cost."""
    stage, ctx, loop = Nothing(), StageContext(FACTS), asyncio.get_running_loop()
    for _ in range(STAGES):
        await loop.create_task(stage.execute(ctx))


async def cost_us(run: Callable[[], Awaitable[object]]) -> float:
    """CPU microseconds of one run, the mean of a batch."""
    began_s = process_time()
    for _ in range(RUNS):
        await run()
    return (process_time() - began_s) / RUNS * 1e6


async def costs() -> None:
    """Measure in turn, so that a slow moment of the machine meets all alike, and print."""
    linear, fanned, streamed = chain(Nothing), fan(), stream()
    measured: dict[str, tuple[int, Callable[[], Awaitable[object]]]] = {
        "bare await": (STAGES, bare_await),
        "bare task": (STAGES, bare_tasks),
        f"stage, of {STAGES} in a row": (STAGES, lambda: linear.run(FACTS)),
        f"fan-out of {FAN}, whole run": (1, lambda: fanned.run(FACTS)),
        f"stream item, of {ITEMS}": (ITEMS, lambda: streamed.run(FACTS)),
    }
    found: dict[str, list[float]] = {name: [] for name in measured}
    for batch in range(BATCHES + 1):
        for name, (units, run) in measured.items():
            cost = await cost_us(run) / units
            if batch:  # the first one warms up
                found[name].append(cost)
    print(f"{'CPU time, microseconds':32} {'min':>8} {'median':>8}")
    for name, values in found.items():
        print(f"{name:32} {min(values):8.2f} {median(values):8.2f}")
    await_us, task_us, stage_us = (median(values) for values in list(found.values())[:3])
    print(
        f"a stage costs {stage_us - await_us:.1f} us over a bare await, {stage_us / task_us:.2f} bare tasks"
    )


async def concurrent() -> None:
    """Wall time of each of 300 runs at once, six stages of 50 ms each: 300 ms at best."""
    graph = chain(Wait)
    took_ms: list[float] = []

    async def one() -> None:
        began_s = perf_counter()
        await graph.run(FACTS)
        took_ms.append((perf_counter() - began_s) * 1000)

    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(one()) for _ in range(CONCURRENT)]
    for task in tasks:
        await task
    last = quantiles(took_ms, n=20)[-1]
    print(
        f"{CONCURRENT} runs at once of {STAGES} stages of {STAGE_S * 1000:g} ms: "
        f"median {median(took_ms):.0f} ms, p95 {last:.0f} ms"
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    asyncio.run(costs())
    asyncio.run(concurrent())
