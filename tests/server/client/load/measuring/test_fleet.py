"""Several processes under one controller: the same calls as from one, and what they found as if it were one's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from server.client.load.calls.audit import Audit
from server.client.load.calls.place import Place
from server.client.load.calls.run import Findings, Progress
from server.client.load.calls.runner import Load, Runner
from server.client.load.calls.turns import CallRecord
from server.client.load.measuring.fleet import Fleet, WorkerError, connected
from server.client.load.measuring.jobs import FROM_WORKER, Done, Job, Ready, make_job
from server.client.load.measuring.worker import worker
from server.client.load.reference.agent import Conduct
from server.client.load.reference.reference_server import reference_server
from server.client.load.script import Mix
from server.client.load.targets import Voice
from tests.server.client.load.booth import SAY, call, scenario, voicebox
from tests.support.patience import PATIENCE_S

QUICK = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300)
HEARS = {**SAY, "expect": "nothing", "within_ms": 100}
MIX = Mix(
    seed=3,
    scenarios=(
        scenario({"silence_ms": 60}, HEARS, {"hang_up": True}, think_ms=(0, 200)),
        scenario({"noise_ms": 200}, {"hang_up": True}, name="noise"),
    ),
)
LOAD = Load(60.0, times_s=(0.0, 0.1, 0.2, 0.3, 0.4))
"""It is over as soon as its calls are."""


@asynccontextmanager
async def workers(count: int, key: str | None = None) -> AsyncIterator[list[str]]:
    """Workers in this process, behind sockets."""
    if count == 0:
        yield []
        return
    async with worker("127.0.0.1", 0, key) as (port, _), workers(count - 1, key) as others:
        yield [f"127.0.0.1:{port}", *others]


def ignore(_: Progress) -> None:
    """What is told meanwhile."""


def said(calls: list[CallRecord]) -> list[tuple[object, ...]]:
    """Which calls there were, and at which sample of each something was said first."""
    return [
        (one.number, one.scenario, one.ending, round(one.turns[0].said_s[0] - (one.connected_s or 0), 6))
        for one in sorted(calls, key=lambda one: one.number)
    ]


async def test_the_calls_are_the_same_however_many_processes_make_them() -> None:
    box = voicebox(*MIX.scenarios)
    async with (
        reference_server(Conduct(answers=False)) as url,
        workers(2) as addresses,
        connected(addresses, None) as fleet,
    ):
        place = Place(url, Voice)
        alone = Runner(place, MIX, box, LOAD, seed=3)
        job = make_job(place, "voice.v1", MIX, box, LOAD, seed=3)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alone.run)
            tasks.start_soon(fleet.run, job, ignore)
        found = fleet.findings
    assert said(found.calls) == said(alone.so_far.calls)
    assert len({one.scenario for one in found.calls}) == 2
    assert found.faults == ()
    assert found.audit.frames > 100
    assert len(job.sounds) == 2
    for key, utterance in job.voicebox().steps.items():
        assert np.array_equal(utterance.samples, box.steps[key].samples)
        assert utterance.voiced_s == box.steps[key].voiced_s


async def test_what_was_found_by_then_is_told_when_the_load_is_cancelled() -> None:
    mix = Mix(scenarios=(scenario({"silence_ms": 60_000}),))
    told: list[Progress] = []
    async with reference_server(QUICK) as url, workers(2) as addresses, connected(addresses, None) as fleet:
        job = make_job(
            Place(url, Voice), "voice.v1", mix, voicebox(*mix.scenarios), Load(3600, callers=3), seed=1
        )
        with anyio.CancelScope() as scope:

            def stop(progress: Progress) -> None:
                told.append(progress)
                if progress.talking == 3:
                    scope.cancel()

            await fleet.run(job, stop)
        assert [one.number for one in fleet.findings.calls] == [0, 1, 2]
    assert told[-1].talking == 3


async def test_a_worker_that_is_gone_makes_the_run_invalid() -> None:
    mix = Mix(scenarios=(scenario({"silence_ms": 300}),))
    leaves = anyio.Event()
    async with AsyncExitStack() as others, reference_server(QUICK) as url, workers(1) as staying:
        addresses = [*staying, *await others.enter_async_context(workers(1))]
        async with connected(addresses, None) as fleet, anyio.create_task_group() as tasks:

            async def leave() -> None:
                await leaves.wait()
                await others.aclose()

            tasks.start_soon(leave)
            load = Load(3600, callers=2)
            job = make_job(Place(url, Voice), "voice.v1", mix, voicebox(*mix.scenarios), load, seed=1)
            with anyio.CancelScope() as scope:

                def watch(_: Progress) -> None:
                    leaves.set()
                    if fleet.findings.faults:
                        scope.cancel()

                await fleet.run(job, watch)
        found = fleet.findings
    assert [fault.split(":")[0] for fault in found.faults] == ["the worker 127.0.0.1"]
    assert {one.number % 2 for one in found.calls} == {0}


async def test_workers_that_cannot_be_had_are_named() -> None:
    async with workers(1, "secret") as (address,):
        with pytest.raises(WorkerError, match="refuses: give the key"):
            async with connected([address], "wrong"):
                pass
        async with connected([address], "secret"):
            with pytest.raises(WorkerError, match="has a controller already"):
                async with connected([address], "secret"):
                    pass
    with pytest.raises(WorkerError, match="start one with"):
        async with connected([address], None):
            pass


async def test_a_worker_says_what_it_cannot_do_and_serves_on() -> None:
    box = voicebox(*MIX.scenarios)
    async with reference_server(QUICK) as url, workers(1) as addresses, connected(addresses, None) as fleet:
        job = make_job(Place(url, Voice), "nowhere:Target", MIX, box, Load(1.0, callers=1), seed=1)
        with pytest.raises(WorkerError, match="cannot do this: --protocol nowhere:Target"):
            await fleet.run(job, ignore)
        await fleet.run(job.model_copy(update={"protocol": "voice.v1"}), ignore)
        assert fleet.findings.calls


@asynccontextmanager
async def silent_worker(
    *, silent_s: float = 60.0, end_s: float = 10.0
) -> AsyncIterator[tuple[Fleet, Job, anyio.Event]]:
    """A worker that begins, and then tells nothing; a job for it, and an event that is set when it has begun."""
    started = anyio.Event()

    async def hold(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(Ready().model_dump_json())
        await connection.recv()
        started.set()
        await connection.wait_closed()

    async with serve(hold, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/") as connection:
            job = make_job(
                Place("ws://localhost", Voice), "voice.v1", MIX, voicebox(*MIX.scenarios), LOAD, seed=1
            )
            yield Fleet({"far": connection}, silent_s=silent_s, end_s=end_s), job, started


async def test_a_controller_that_gives_no_job_leaves_the_worker_to_others() -> None:
    async with worker("127.0.0.1", 0, None, idle_s=0.1) as (port, gone):
        async with connect(f"ws://127.0.0.1:{port}/") as silent:
            with anyio.fail_after(PATIENCE_S):
                await silent.wait_closed()
                await gone.wait()
        async with connected([f"127.0.0.1:{port}"], None) as fleet:
            assert not fleet.findings.faults


async def test_a_worker_that_tells_nothing_any_more_is_given_up_and_named() -> None:
    async with silent_worker(silent_s=0.1) as (fleet, job, _):
        with anyio.fail_after(PATIENCE_S):
            await fleet.run(job, ignore)
        assert [fault.split(" is gone")[0] for fault in fleet.findings.faults] == ["the worker far"]


async def test_a_worker_that_does_not_tell_what_it_found_is_named_when_the_load_is_cancelled() -> None:
    async with silent_worker(end_s=0.1) as (fleet, job, started), anyio.create_task_group() as tasks:
        tasks.start_soon(fleet.run, job, ignore)
        await started.wait()
        tasks.cancel_scope.cancel()
    assert fleet.findings.faults == (
        "the worker far is gone, and what it found with it: it said nothing for 0.1 s after it was told to stop",
    )


async def test_a_worker_that_is_gone_before_a_load_is_named() -> None:
    async with AsyncExitStack() as stack:
        fleet, job, _ = await stack.enter_async_context(silent_worker())
        await stack.aclose()
        with pytest.raises(WorkerError, match="the worker far is gone"):
            await fleet.run(job, ignore)


def test_findings_survive_the_way() -> None:
    record = call(scenario(SAY, SAY), keeps_audio=True)
    audit = Audit(10, 0.1, 2.0, 3.0, 0.1, 0.5, 0.9, 0.4, 1.0)
    sent = Done(findings=Findings([record], 12.5, audit))
    got = FROM_WORKER.validate_json(sent.model_dump_json())
    assert isinstance(got, Done)
    assert (got.findings.audit, got.findings.lasted_s) == (audit, 12.5)
    (back,) = got.findings.calls
    for turn, again in zip(record.turns, back.turns, strict=True):
        assert np.array_equal(turn.audio, again.audio)  # type: ignore[arg-type]
        turn.audio = again.audio = None
    assert back == record


def test_several_audits_are_as_bad_as_the_worst_and_progress_is_added() -> None:
    good, bad = (
        Audit(10, 0.1, 2.0, 3.0, 0.1, 0.5, 0.9, 0.4, 1.0),
        Audit(20, 0.2, 1.0, 9.0, 0.1, 0.5, 0.8, 0.9, 0.7),
    )
    assert Audit.of_all([good, bad]) == Audit(30, 0.2, 2.0, 9.0, 0.1, 0.5, 0.9, 0.9, 0.7)
    both = Progress.of_all([Progress(2.0, 3, 4, None, {"gaps": 1}), Progress(3.0, 1, 2, 700.0, {"gaps": 2})])
    assert str(both) == "4 calls, 6 turns, slowest 700 ms, gaps 3"


def test_a_fleet_of_nobody_has_found_nothing() -> None:
    assert Fleet({}).findings.calls == []
