"""Event loops of their own for plug-ins: what blocks there keeps nobody waiting but those who asked it.

Code of somebody else's that runs on the loop of all sessions can hold all of them. So what an operator adds runs apart
where its interface permits: a call of it is a task on a loop in a thread, and what it gives comes over in order
(`stages.runtime.arrivals`). Cancelling does not wait for a plug-in that blocks: what it still gives goes nowhere. The
tools and stages of one top-level package share a loop, so they may share what is bound to one.
"""

import asyncio
import functools
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import (
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from stages.runtime.loop_line import LoopLine

T = TypeVar("T")

log = logging.getLogger(__name__)

OURS = frozenset({"server", "stages", "stageflow", "audio"})
"""Our packages; what is defined elsewhere is somebody else's."""
FAREWELL_S = 2.0
"""How long a loop may take to end; one that is blocked is left behind."""


def runs_apart(one: object) -> bool:
    """Whether a class, a function or an object is a plug-in's, which has not said `apart = False`."""
    while getattr(one, "apart", True) is not False:  # of what is around it, or of what is in it
        inner = one.func if isinstance(one, functools.partial) else getattr(one, "__wrapped__", None)
        if inner is None or not callable(one):
            return _package(one) not in OURS
        one = inner
    return False


def _package(one: object) -> str:
    module = one.__module__ if hasattr(one, "__qualname__") else type(one).__module__
    return str(module).partition(".")[0]


def path_of(provider: object) -> str:
    """The class of a provider, or of the one that it runs apart, for people who read a log."""
    kind = type(getattr(provider, "runs", provider))
    return f"{kind.__module__}.{kind.__qualname__}"


class Apart(LoopLine):
    """An event loop in a thread."""

    def __init__(self, name: str) -> None:
        """`name` is whose it is."""
        super().__init__(asyncio.new_event_loop())
        self.name = name
        self._thread = threading.Thread(target=self._go_round, name=f"loop of {name}", daemon=True)
        self._thread.start()
        self._unanswered = self._missed = 0
        self._has_hinted = False
        _RUNNING.append(self)

    @property
    def thread_id(self) -> int:
        """The id of the loop's thread."""
        return self._thread.ident or 0

    def _go_round(self) -> None:
        """Until it is stopped: `sys.exit` in a plug-in ends its call, and not the loop for those after it."""
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                log.warning("%s would end the process (%r); its caller is told", self.name, error)
            else:
                return

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with contained():
                yield
        except RuntimeError as error:
            if not self._has_hinted and _is_of_another_loop(error):
                self._has_hinted = True
                log.error(
                    "%s uses what was made on another event loop: make it where it is used, or say `apart = False`",
                    self.name,
                )
            raise

    def _begin(self) -> None:
        super()._begin()
        # Tasks there are made as the calling loop makes its own, which may note who begins them.
        self._loop.set_task_factory(asyncio.get_running_loop().get_task_factory())

    def missed_beats(self) -> int:
        """How often in a row it has been asked by this for a sign of life and has not given it; 0 while nothing is
        called there. For one thread, at regular times."""
        self._missed = self._missed + 1 if self._unanswered else 0
        if self.calls and not self._unanswered:
            self._unanswered = 1
            with suppress(RuntimeError):  # it has just been closed
                self.soon(self._answer)
        return self._missed

    def _answer(self) -> None:
        self._unanswered = 0

    async def close(self, farewell: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Run this there as the last thing, and end the loop and its thread. May be called twice."""
        if self not in _RUNNING:
            return
        _RUNNING.remove(self)
        try:
            if farewell is not None:
                with anyio.move_on_after(FAREWELL_S):
                    await self.of(farewell())
        finally:
            with anyio.CancelScope(shield=True):
                await self._end()

    async def _end(self) -> None:
        with anyio.move_on_after(FAREWELL_S):
            await self.of(_without_tasks())
        self.soon(self._loop.stop)
        await anyio.to_thread.run_sync(self._thread.join, FAREWELL_S)
        if self._thread.is_alive():
            log.warning("%s still holds its event loop, and is left behind", self.name)
        else:
            self._loop.close()


@contextmanager
def contained() -> Iterator[None]:
    """Around a call of a plug-in: what would end the process is an error of the call. Raises RuntimeError."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"it would have ended the process: {error!r}") from error


def _is_of_another_loop(error: BaseException | None) -> bool:
    while error is not None:
        if "different loop" in str(error) or "different event loop" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _without_tasks() -> None:
    """End what a plug-in has left on its loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.wait(left) if left else None
    await asyncio.get_running_loop().shutdown_asyncgens()


# --- the loops of a process ---------------------------------------------------------------------------------------

_RUNNING: list[Apart] = []
_BY_PACKAGE: dict[str, Apart] = {}
_servers = 0
"""How many servers of this process have plug-ins run apart."""


def loops_apart() -> Sequence[Apart]:
    """All that run now, in any thread."""
    return tuple(_RUNNING)


@asynccontextmanager
async def plug_ins_apart() -> AsyncIterator[None]:
    """Tools and stages of plug-ins run apart within: on the same loop, however often the configuration is read anew."""
    global _servers  # what a plug-in keeps in its module is bound to a loop, and there once a process
    _servers += 1
    try:
        yield
    finally:
        _servers -= 1
        if not _servers:
            loops = [*_BY_PACKAGE.values()]
            _BY_PACKAGE.clear()
            async with anyio.create_task_group() as tasks:
                for loop in loops:
                    tasks.start_soon(loop.close)


def loop_of(one: object) -> Apart | None:
    """Where a plug-in's function or object runs; None where it is to be called here."""
    if not _servers:
        return None
    package = _package(inspect.unwrap(one) if callable(one) else one)
    if package not in _BY_PACKAGE:
        _BY_PACKAGE[package] = Apart(package)
    return _BY_PACKAGE[package]


def apart(function: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    """An async function that runs apart while a server has plug-ins do that, and otherwise where it is called."""

    @functools.wraps(function)
    async def call(*values: Any, **named: Any) -> T:
        loop = loop_of(function)
        made = function(*values, **named)
        return await (made if loop is None else loop.of(made))

    return call
