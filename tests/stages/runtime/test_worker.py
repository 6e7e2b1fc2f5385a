"""The worker thread: what runs when, who hears of it, and what is left when nobody wants it any more."""

import asyncio
import threading
import weakref
from collections.abc import Iterator
from functools import partial

import anyio
import anyio.to_thread
import pytest

from stages.errors import ProviderBusy, ProviderError
from stages.runtime.lines import caller, calls_of
from stages.runtime.worker import Job, Worker, each_worker
from stages.runtime.worker_counts import WorkerStatistics
from tests.support.patience import PATIENCE_S


class Gate:
    """A call that reports that it has begun and then lasts until it is opened."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(PATIENCE_S)
        return "opened"

    async def wait_begun(self) -> None:
        assert await anyio.to_thread.run_sync(self.begun.wait, PATIENCE_S)


def ignore(_: Job[object]) -> None:
    """For jobs whose end does not matter."""


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test-worker", line_limit=3)
    yield worker
    worker.close()
    assert "test-worker" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


async def test_a_call_returns_what_the_thread_computed(worker: Worker) -> None:
    assert await worker.run(lambda: threading.current_thread().name) == "test-worker"
    assert worker.statistics() == WorkerStatistics(waiting=0, running=0, done=1, dropped=0)


@pytest.mark.parametrize("error", [ValueError("odd"), StopIteration(), SystemExit(3)])
async def test_what_a_call_raises_goes_to_its_caller_and_the_next_call_runs(
    worker: Worker, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(
        (type(error), RuntimeError)
    ):  # a coroutine cannot raise StopIteration: Python makes it this
        await worker.run(fail)
    assert await worker.run(lambda: 1) == 1


async def test_the_most_urgent_runs_first_and_equals_in_order(worker: Worker, gate: Gate) -> None:
    ran: list[str] = []
    async with anyio.create_task_group() as tasks:
        worker.submit(gate, ignore)
        await gate.wait_begun()
        for name, priority in (("late", 1), ("first", 0), ("second", 0)):
            tasks.start_soon(partial(worker.run, partial(ran.append, name), priority=priority))
            await anyio.lowlevel.checkpoint()
        gate.open.set()
    assert ran == ["first", "second", "late"]


async def test_a_call_can_ask_whether_a_more_urgent_one_waits(worker: Worker, gate: Gate) -> None:
    worker.submit(gate, ignore)
    await gate.wait_begun()
    assert not worker.is_outranked(2)
    worker.submit(lambda: None, ignore, priority=1)
    assert worker.is_outranked(2)
    assert not worker.is_outranked(1)


async def test_a_full_worker_refuses_and_names_its_limit(worker: Worker, gate: Gate) -> None:
    worker.submit(gate, ignore)
    await gate.wait_begun()
    waiting = [worker.submit(lambda: None, ignore) for _ in range(3)]
    with pytest.raises(
        ProviderBusy, match="test-worker: 3 calls of this session are waiting, which is the limit"
    ):
        await worker.run(lambda: None)
    waiting[1].cancel()
    worker.submit(lambda: None, ignore)  # a cancelled call gives its place back at once


async def test_a_session_that_fills_its_line_is_refused_and_another_is_served_next(
    worker: Worker, gate: Gate
) -> None:
    ran: list[str] = []
    worker.submit(gate, ignore)
    await gate.wait_begun()
    with calls_of("greedy"):
        for number in range(3):
            worker.submit(partial(ran.append, f"greedy {number}"), ignore)
        with pytest.raises(ProviderBusy):
            worker.submit(lambda: None, ignore)
    done = anyio.Event()
    with calls_of("innocent"):
        worker.submit(partial(ran.append, "innocent"), lambda _: done.set())
    gate.open.set()
    await done.wait()
    assert ran[:2] in (["greedy 0", "innocent"], ["innocent", "greedy 0"])


async def test_what_an_answer_starts_is_of_the_session_that_asked(worker: Worker) -> None:
    answered, callers = anyio.Event(), list[str]()

    def on_done(_: Job[None]) -> None:
        callers.append(caller())
        answered.set()

    with calls_of("mine"):
        worker.submit(lambda: None, on_done)
    await answered.wait()
    assert callers == ["mine"]


async def test_a_cancelled_call_that_waits_never_runs(worker: Worker, gate: Gate) -> None:
    ran: list[int] = []
    async with anyio.create_task_group() as tasks:
        worker.submit(gate, ignore)
        await gate.wait_begun()
        tasks.start_soon(worker.run, partial(ran.append, 1))
        await anyio.lowlevel.checkpoint()
        assert worker.statistics().waiting == 1
        tasks.cancel_scope.cancel()
    gate.open.set()
    await worker.run(lambda: None)
    assert ran == []
    assert worker.statistics() == WorkerStatistics(waiting=0, running=0, done=2, dropped=1)


async def test_it_tells_what_is_waited_for_and_how_long_calls_took(worker: Worker, gate: Gate) -> None:
    worker.submit(gate, ignore)
    await gate.wait_begun()
    worker.submit(lambda: None, ignore, priority=1)
    waiting = worker.run(lambda: None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(worker.run, lambda: None))
        await anyio.lowlevel.checkpoint()
        busy = worker.statistics()
        gate.open.set()
    await waiting
    await worker.run(lambda: None, priority=2)
    idle = worker.statistics()
    assert (busy.waiting, busy.pressing, busy.pressed) == (2, 1, 0)
    assert busy.running_s > 0.0 == idle.running_s
    assert (idle.computed, idle.pressed) == (5, 3)
    assert busy.running_s < idle.pressed_s <= idle.computed_s
    assert each_worker()[worker.name, worker.number] == idle


async def test_a_cancelled_call_that_runs_is_left_behind(worker: Worker, gate: Gate) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run, gate)
        await gate.wait_begun()
        tasks.cancel_scope.cancel()  # and the group ends, though the gate is still shut
    assert worker.statistics() == WorkerStatistics(waiting=0, running=1, done=0, dropped=1)
    gate.open.set()
    assert await worker.run(lambda: "next") == "next"
    assert worker.statistics() == WorkerStatistics(waiting=0, running=0, done=1, dropped=1)


async def test_a_submitted_call_is_answered_on_the_loop_and_never_after_cancel(
    worker: Worker, gate: Gate
) -> None:
    answered = anyio.Event()
    answers: list[tuple[str, threading.Thread]] = []

    def on_done(job: Job[str]) -> None:
        answers.append((job.result(), threading.current_thread()))
        answered.set()

    running = worker.submit(gate, on_done)
    await gate.wait_begun()
    running.cancel()
    gate.open.set()
    worker.submit(lambda: "yes", on_done)
    await answered.wait()
    assert answers == [("yes", threading.main_thread())]


async def test_a_result_on_its_way_is_not_delivered_after_cancel(worker: Worker) -> None:
    computed = threading.Event()
    answers: list[object] = []
    job = worker.submit(lambda: 1, answers.append)
    worker.submit(computed.set, ignore)
    computed.wait(
        PATIENCE_S
    )  # blocks the loop on purpose: the answer is in its queue and cannot have been given
    job.cancel()
    await worker.run(lambda: None)
    assert answers == []


async def test_close_fails_what_waits_and_finishes_what_runs(worker: Worker, gate: Gate) -> None:
    outcomes: dict[str, str] = {}
    both = anyio.Event()

    def note(name: str, job: Job[str]) -> None:
        try:
            outcomes[name] = job.result()
        except ProviderError as error:
            outcomes[name] = str(error)
        if name == "waiting":
            gate.open.set()  # only now may the running one end
        else:
            both.set()

    worker.submit(gate, partial(note, "running"))
    worker.submit(lambda: "never", partial(note, "waiting"))
    await gate.wait_begun()
    await anyio.to_thread.run_sync(worker.close)
    await both.wait()
    assert outcomes == {"running": "opened", "waiting": "test-worker was closed"}
    with pytest.raises(ProviderError, match="test-worker is closed"):
        await worker.run(lambda: None)


async def test_close_gives_up_on_a_call_that_is_stuck(worker: Worker, gate: Gate) -> None:
    async def expect_closed() -> None:
        with pytest.raises(ProviderError, match="test-worker was closed"):
            await worker.run(gate)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expect_closed)
        await gate.wait_begun()
        await anyio.to_thread.run_sync(partial(worker.close, timeout_s=0.01))
    gate.open.set()


def test_a_worker_that_was_never_used_has_no_thread_and_closes() -> None:
    worker = Worker("idle")
    assert "idle" not in [thread.name for thread in threading.enumerate()]
    worker.close()
    worker.close()


def test_a_loop_that_ends_before_its_answer_harms_nobody(worker: Worker, gate: Gate) -> None:
    async def leave_early() -> None:
        worker.submit(gate, ignore)
        worker.submit(lambda: None, ignore)
        await gate.wait_begun()

    asyncio.run(leave_early())
    gate.open.set()
    assert asyncio.run(worker.run(lambda: "here")) == "here"
    assert worker.statistics() == WorkerStatistics(waiting=0, running=0, done=1, dropped=2)


def test_who_is_told_may_make_a_scope_in_a_program_of_asyncio(worker: Worker) -> None:
    async def main() -> None:
        made = asyncio.get_running_loop().create_future()
        worker.submit(lambda: None, lambda _: made.set_result(anyio.CancelScope()))
        async with asyncio.timeout(PATIENCE_S):
            assert not (await made).cancel_called

    asyncio.run(main())


def test_an_idle_worker_keeps_no_call_alive(worker: Worker) -> None:
    class Samples:
        pass

    samples = Samples()
    watch = weakref.ref(samples)
    asyncio.run(worker.run(partial(id, samples)))
    asyncio.run(worker.run(lambda: None))  # the thread has come back for more, so it has let go of the first
    del samples
    assert watch() is None
