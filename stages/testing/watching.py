"""Watches what a provider does beside its work: steps that hold the event loop, tasks and sockets that it leaves
behind, secrets that it lets into the log."""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from stages.testing.cancelling import Steps

HOLDS_AT_MOST_S = 0.005
"""So long one step of a provider may hold the event loop, on which all sessions run."""
_FAREWELL_S = 0.5
"""What is on its way out has so long to be gone."""
_LOOKS = 50
_SCRATCHED = "***"


@dataclass(slots=True)
class Held:
    """The longest step on the loop while somebody watched."""

    longest_s: float = 0.0


class _Stopwatch:
    """Measures one step after the other of a task: what it has waited, in a step that gave the processor away by itself
    and only so, or else what it has computed. Time that the machine gave to others is not the step's."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.goes_on()

    def goes_on(self) -> None:
        self._began_s, self._computed_s, self._given, self._taken = _clocks()

    def waits(self, _: int) -> None:
        now_s, computed_s, given, taken = _clocks()
        has_waited = given > self._given and taken == self._taken
        took_s = now_s - self._began_s if has_waited else computed_s - self._computed_s
        self._held.longest_s = max(took_s, self._held.longest_s)


def _clocks() -> tuple[float, float, int, int]:
    """Time, what this thread has computed, how often it gave the processor away, and how often it was taken from it."""
    if sys.platform != "linux":
        return time.perf_counter(), time.perf_counter(), 0, 0
    import resource

    used = resource.getrusage(resource.RUSAGE_THREAD)
    return time.perf_counter(), time.thread_time(), used.ru_nvcsw, used.ru_nivcsw


class _TimedSteps(Steps[Any]):
    def __init__(self, coroutine: Coroutine[Any, Any, Any], watch: _Stopwatch) -> None:
        super().__init__(coroutine, watch.waits)
        self._watch = watch

    def before_step(self) -> None:
        self._watch.goes_on()


async def _timed(coroutine: Coroutine[Any, Any, Any], held: Held) -> Any:
    watch = _Stopwatch(held)
    try:
        return await _TimedSteps(coroutine, watch)
    finally:
        watch.waits(0)


@contextmanager
def steps_timed() -> Iterator[Held]:
    """Time every step of all tasks that begin in this block. The garbage collector, whose pauses are nobody's fault,
    has a rest."""
    held, loop = Held(), asyncio.get_running_loop()
    before = loop.get_task_factory()

    def factory(on: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        return asyncio.Task(_timed(coroutine, held), loop=on, **options)

    was_enabled = gc.isenabled()
    gc.disable()
    loop.set_task_factory(factory)
    try:
        yield held
    finally:
        loop.set_task_factory(before)
        if was_enabled:
            gc.enable()


# --- what is left behind ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Belongings:
    """The tasks of the running loop and the sockets of the process, at one moment."""

    tasks: frozenset[asyncio.Task[Any]]
    sockets: frozenset[str]

    @classmethod
    async def now(cls) -> "Belongings":
        """What there is. Tasks that have ended do not count."""
        sockets = await anyio.to_thread.run_sync(_sockets)
        return cls(frozenset(task for task in asyncio.all_tasks() if not task.done()), sockets)

    async def left_since(self) -> str:
        """What is still there that was not there before, in words; waits a moment for what is ending."""
        for _ in range(_LOOKS):
            if not await self._more():
                return ""
            await anyio.sleep(_FAREWELL_S / _LOOKS)
        return await self._more()

    async def _more(self) -> str:
        now = await Belongings.now()
        tasks = [task.get_name() for task in now.tasks - self.tasks]
        sockets = now.sockets - self.sockets
        found = [f"the task {name}" for name in sorted(tasks)] + [f"{len(sockets)} sockets"] * bool(sockets)
        return ", ".join(found)


def _sockets() -> frozenset[str]:
    """The sockets of this process, where the system lists them."""
    folder, found = Path("/proc/self/fd"), set[str]()
    for name in os.listdir(folder) if folder.exists() else ():
        with suppress(OSError):  # the folder itself is one of them, and is closed by now
            found.add(os.readlink(folder / name))
    return frozenset(target for target in found if target.startswith("socket:"))


# --- secrets ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Secrets:
    """Values that must not show, and where they did."""

    values: Sequence[str]
    seen: list[str] = field(default_factory=list)

    def look(self, text: str, place: str) -> None:
        """Remember `place` if `text` has a secret in it; and not the secret."""
        if any(value in text for value in self.values if value):
            self.seen.append(f"{place}: {self.hidden(text)}"[:200])

    def hidden(self, text: str) -> str:
        """The text without them."""
        for value in self.values:
            text = text.replace(value, _SCRATCHED) if value else text
        return text


class _LogEar(logging.Handler):
    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(f"{record.name}: {logging.Formatter().format(record)}")


@contextmanager
def log_heard(hear: Callable[[str], None]) -> Iterator[None]:
    """Hand over all that is logged in this block, as servers do: not what is meant for debugging."""
    root, ear = logging.getLogger(), _LogEar(hear)
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
