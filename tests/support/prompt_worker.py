"""A worker for real models in virtual time: each call is computed where it is taken up, and takes as long as it is
told.

So a whole session runs with the embedded models, the same on a machine that is busy and on one that is not.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from stages.runtime.worker import Job, JobState, Worker
from stages.runtime.worker_counts import PRESSING

T = TypeVar("T")


class PromptWorker(Worker):
    """One call at a time, on the loop's thread. For virtual time: the loop stands while a call is computed."""

    def __init__(self, name: str, took_s: float | None = None) -> None:
        """A call takes `took_s`, or the CPU time that it took."""
        super().__init__(name)
        self._took_s = took_s

    def submit(
        self, fn: Callable[[], T], on_done: Callable[[Job[T]], None], *, priority: int = PRESSING
    ) -> Job[T]:
        """As `Worker.submit`."""
        job = Job(self, fn, on_done, priority)
        self._waiting.add(job.caller, priority, job)
        if self._running is None:
            self._take_up()
        return job

    def _take_up(self) -> None:
        if not self._waiting:
            return
        job = self._running = self._waiting.take()
        job.state, job.begun_at = JobState.RUNNING, job.loop.time()
        began_s = time.thread_time()
        job.compute()
        took_s = time.thread_time() - began_s if self._took_s is None else self._took_s
        asyncio.get_running_loop().call_later(took_s, self._end, job, context=job.context)

    def _end(self, job: Job[Any]) -> None:
        self._running = None
        job.settle()
        self._take_up()
