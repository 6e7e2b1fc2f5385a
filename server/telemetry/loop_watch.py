"""Says in the log who holds the event loop: a plug-in that blocks it is named, with the line where it does.

A thread looks every 40 ms whether the loop has gone round since. Where it has not in three looks, all sessions wait,
and what the loop's thread is at is what they wait for. It looks at the loops of plug-ins as well, where only those wait
who have called the plug-in.
"""

import logging
import sys
import threading
from collections.abc import Iterator
from types import CodeType, FrameType

import anyio

from stages.runtime.plug_in_loops import OURS, loops_apart

log = logging.getLogger(__name__)

BEAT_S = 0.04
_MISSED_BEATS = 3
"""So many looks in a row without a beat of the loop are no accident."""
_QUIET_BEATS = 1200
"""After so many looks, a minute, the same place is told of again."""

_THEIRS = frozenset({*sys.stdlib_module_names, "anyio", "uvloop"}) - {"__main__"}
_LOOP = frozenset({"asyncio.runners", "asyncio.base_events", "asyncio.events"})
"""What is beyond them runs the loop, and is not run by it."""


class LoopWatch:
    """Watches one event loop."""

    def __init__(self) -> None:
        self._beats = 0
        self._loop_thread = 0
        self._told: dict[str, int] = {}

    async def watch(self) -> None:
        """Watch the running loop. Returns only when cancelled; its thread ends with it."""
        self._loop_thread = threading.get_ident()
        over = threading.Event()
        threading.Thread(target=self._look, args=(over,), name="loop watch", daemon=True).start()
        try:
            while True:
                await anyio.sleep(BEAT_S)
                self._beats += 1
        finally:
            over.set()

    def _look(self, over: threading.Event) -> None:
        seen = missed = look = 0
        while not over.wait(BEAT_S):
            look += 1
            missed = 0 if self._beats != seen else missed + 1
            seen = self._beats
            if missed == _MISSED_BEATS:
                self._tell("the event loop", "all sessions", self._loop_thread, look)
            for loop in loops_apart():
                if loop.missed_beats() == _MISSED_BEATS:
                    self._tell(f"the event loop of {loop.name}", "its callers", loop.thread_id, look)

    def _tell(self, loop: str, waiting: str, thread: int, look: int) -> None:
        frame = sys._current_frames().get(thread)  # noqa: SLF001
        place = place_of(frame) if frame else None
        if place is None or look - self._told.get(place, -_QUIET_BEATS) < _QUIET_BEATS:
            return
        self._told[place] = look
        held_ms = 1000 * BEAT_S * _MISSED_BEATS
        log.warning("%s has been held for %.0f ms or more, and %s with it: %s", loop, held_ms, waiting, place)


def place_of(frame: FrameType) -> str | None:
    """Where somebody else's code was entered, as `module.function (file:line)`; without any, where ours is. None where
    the loop only waits: then it was not held, but the machine had others to serve."""
    innermost, entered, is_ours = frame, None, False
    for one in _outwards(frame):
        module = str(one.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        is_ours = package in OURS
        if is_ours or module in _LOOP:
            break
        if package not in _THEIRS:
            entered = one
    if entered is None and not is_ours:
        return None
    found = entered or innermost
    return place_in(str(found.f_globals.get("__name__", "?")), found.f_code, found.f_lineno)


def place_in(module: str, code: CodeType, line: int) -> str:
    """A line of code, as `module.function (file:line)`."""
    return f"{module}.{code.co_qualname} ({code.co_filename}:{line})"


def is_foreign(module: str) -> bool | None:
    """Whether a module is somebody else's, and not ours; None for one of Python or of the loop."""
    package = module.partition(".")[0]
    return None if package in _THEIRS else package not in OURS


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
