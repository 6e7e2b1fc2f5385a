"""One thread that runs one blocking model for all sessions, one call at a time, in an order that is fair to each.

Embedded models compute for tenths of a second and use every core they are given, so nothing is won by running
two calls at once, and much is lost by running them on the event loop. Each model gets one `Worker`.

How it works. `submit` puts a `Job` into the line of the session that it belongs to (`stages.runtime.lines`); the
thread takes the next one, runs it without holding the lock, and hands it back to the event loop it came from. A
job ends in exactly one of two states, DONE or DROPPED, and its `on_done` is called only for the first, on its own
loop. A job that is running cannot be stopped: when it is cancelled, the thread finishes it and the result goes
nowhere.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum, auto
from itertools import count
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import anyio

from stages.errors import ProviderBusy, ProviderError
from stages.runtime.contexts import context_of_task
from stages.runtime.lines import Lines, caller
from stages.runtime.worker_counts import PRESSING, WorkerCounts, WorkerStatistics

T = TypeVar("T")

LINE_LIMIT = 8
"""Calls of one session that may wait for one model; more would be answered too late to be worth anything."""


class JobState(Enum):
    """WAITING → RUNNING → DONE, and from each of the first two to DROPPED."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    DROPPED = auto()


class Job(Generic[T]):
    """One call on its way through a `Worker`. Belongs to the event loop that submitted it."""

    def __init__(
        self,
        worker: "Worker",
        fn: Callable[[], T],
        on_done: Callable[["Job[T]"], None],
        priority: int = PRESSING,
    ) -> None:
        self.state = JobState.WAITING
        self.priority = priority
        self.caller = caller()
        self.context = context_of_task()
        """In which the caller is told: what it starts then is its own, too."""
        self.loop = asyncio.get_running_loop()
        self.submitted_at = self.begun_at = self.loop.time()
        self._worker = worker
        self._fn = fn
        self._on_done = on_done
        self._outcome: Callable[[], T] = fn

    def result(self) -> T:
        """What the call returned, or raises what it raised. Only once it is DONE."""
        assert self.state is JobState.DONE, f"a job that is {self.state.name} has no result"
        return self._outcome()

    def cancel(self) -> None:
        """A waiting call never runs, a running one is abandoned; `on_done` is not called. At any time."""
        self._worker.drop(self)

    def compute(self) -> None:
        """Run the call and keep what it returned or raised. On the worker's thread."""
        try:
            value = self._fn()
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it belongs to the caller and not to the thread
            self.fail(raised)
        else:
            self._outcome = lambda: value

    def fail(self, error: BaseException) -> None:
        """Let `result` raise `error`."""

        def outcome() -> T:
            raise error

        self._outcome = outcome

    def settle(self) -> None:
        """Tell the caller. On the caller's loop."""
        if self._worker.finish(self):
            self._on_done(self)


_WORKERS: WeakSet["Worker"] = WeakSet()
_NUMBERS = count(1)


def worker_statistics() -> dict[str, WorkerStatistics]:
    """Of the workers of this process, by their names; those that share one are taken together."""
    found: dict[str, WorkerStatistics] = {}
    for worker in tuple(_WORKERS):
        one, more = found.get(worker.name), worker.statistics()
        found[worker.name] = more if one is None else one.plus(more)
    return found


def each_worker() -> dict[tuple[str, int], WorkerStatistics]:
    """Of each worker of this process, by its name and a number that no other has."""
    return {(worker.name, worker.number): worker.statistics() for worker in tuple(_WORKERS)}


class Worker:
    """One named thread, started by the first call. Bounded; closed by its owner."""

    def __init__(self, name: str, *, line_limit: int = LINE_LIMIT) -> None:
        self.name = name
        self.number = next(_NUMBERS)
        self._line_limit = line_limit
        self._changed = threading.Condition()
        self._waiting = Lines[Job[Any]](line_limit)
        self._running: Job[Any] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._counts = WorkerCounts()
        _WORKERS.add(self)

    async def run(self, fn: Callable[[], T], *, priority: int = PRESSING) -> T:
        """What `fn()` returns or raises, run on the thread; lower `priority` first, then the sessions in turns.

        Raises ProviderBusy when too many calls of this session wait, ProviderError when the worker is closed.
        Cancel-safe: a call that waits never runs, one that runs is abandoned.
        """
        done = anyio.Event()
        job = self.submit(fn, lambda _: done.set(), priority=priority)
        try:
            await done.wait()
        finally:
            job.cancel()  # nothing, if it is done
        return job.result()

    def submit(
        self, fn: Callable[[], T], on_done: Callable[[Job[T]], None], *, priority: int = PRESSING
    ) -> Job[T]:
        """Like `run` for callers that cannot wait: `on_done(job)` is called later on the current loop."""
        with self._changed:
            if self._closed:
                raise ProviderError(f"{self.name} is closed")
            job = Job(self, fn, on_done, priority)
            if self._waiting.is_full(job.caller):
                raise ProviderBusy(
                    f"{self.name}: {self._line_limit} calls of this session are waiting, which is the limit"
                )
            self._waiting.add(job.caller, priority, job)
            if self._thread is None:
                # A daemon, so that a native call that never returns cannot hold up the exit of the process.
                self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return job

    def close(self, *, timeout_s: float = 5.0) -> None:
        """End the thread after the call it is in; all others fail with ProviderError. May be called twice.

        Blocks for at most `timeout_s`, so call it off the loop. A call that takes longer fails like the
        others, and its thread is left to end by itself.
        """
        with self._changed:
            self._closed = True
            for job in self._waiting.take_all():
                self._refuse(job)
            self._changed.notify()
        if self._thread is None:
            return
        self._thread.join(timeout_s)
        with self._changed:
            if self._running is not None:
                self._refuse(self._running)

    def is_outranked(self, priority: int) -> bool:
        """Whether a more urgent call waits, so that one of `priority` had better make room. Any thread."""
        with self._changed:
            least = self._waiting.least_priority()
            return least is not None and least < priority

    def statistics(self) -> WorkerStatistics:
        """A snapshot; safe to call from any thread."""
        with self._changed:
            counts, running = self._counts, self._running
            return WorkerStatistics(
                waiting=len(self._waiting),
                running=0 if running is None else 1,
                pressing=self._waiting.count(PRESSING),
                running_s=0.0 if running is None else running.loop.time() - running.begun_at,
                **asdict(counts),
            )

    def drop(self, job: Job[Any]) -> None:
        """See `Job.cancel`."""
        with self._changed:
            if job.state is JobState.WAITING:
                self._waiting.remove(job.caller, job)
            if job.state in (JobState.WAITING, JobState.RUNNING):
                job.state = JobState.DROPPED
                self._counts.dropped += 1

    def finish(self, job: Job[Any]) -> bool:
        """Count a job that came back to its loop; False if nobody wants it any more."""
        with self._changed:
            if job.state in (JobState.DONE, JobState.DROPPED):
                return False
            job.state = JobState.DONE
            self._counts.done += 1
            return True

    def _serve(self) -> None:
        while (job := self._take()) is not None:
            job.compute()
            with self._changed:
                self._counts.end(job.priority, job.loop.time() - job.begun_at)
                self._running = None
            self._hand_back(job)
            del job  # an idle thread keeps nobody's samples alive

    def _take(self) -> Job[Any] | None:
        """The next job, now RUNNING, or None when the worker is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._running = self._waiting.take()
            self._running.state = JobState.RUNNING
            self._running.begun_at = self._running.loop.time()
            self._counts.begin(self._running.begun_at - self._running.submitted_at)
            return self._running

    def _refuse(self, job: Job[Any]) -> None:
        job.fail(ProviderError(f"{self.name} was closed"))
        self._hand_back(job)

    def _hand_back(self, job: Job[Any]) -> None:
        try:
            job.loop.call_soon_threadsafe(job.settle, context=job.context)
        except RuntimeError:  # its loop is closed, so nobody is waiting
            self.drop(job)
