"""Cancels a call at every place where it waits, and sees that it ends at once, however busy the machine is."""

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

T = TypeVar("T")

CANCEL_WITHIN_S = 0.05
"""So soon a cancelled call has ended: then a person who interrupts does not notice."""
TRIES = 5
"""A call has so many tries at being quick, because machines are shared: what waits by itself is late each time."""
_MOST_PLACES = 12
_UNDER_WAY_S = 0.01


class Stopwatch:
    """Counts from when it is made, in seconds, without the time for which this thread was kept from a core."""

    def __init__(self) -> None:
        self._began_s = _own_time_s()

    def took_s(self) -> float:
        """Seconds since it was made; can be asked again."""
        return _own_time_s() - self._began_s


async def is_quick(attempt: Callable[[], Awaitable[float]], within_s: float, what: str) -> None:
    """`attempt` says how many seconds `what` took; one of several attempts must take at most `within_s`."""
    took_s = []
    for _ in range(TRIES):
        took_s.append(await attempt())
        if took_s[-1] <= within_s:
            return
    raise AssertionError(
        f"{what} for {1000 * min(took_s):.0f} ms at best; {1000 * within_s:.0f} ms are allowed"
    )


class Steps(Generic[T]):
    """Awaits a coroutine, and calls `on_wait` each time before it waits, with how often it has waited by then."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], on_wait: Callable[[int], None]) -> None:
        self._coroutine = coroutine
        self._on_wait = on_wait
        self.waits = 0
        self.cancelled_at = 0
        """The last wait that a cancellation has ended: its own scopes have some too, and at one that nobody may
        disturb there is none."""

    def before_step(self) -> None:
        """Called each time before the coroutine goes on."""

    def __await__(self) -> Generator[Any, Any, T]:
        thrown: BaseException | None = None
        while True:
            self.before_step()
            try:
                waits_for = self._coroutine.send(None) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as done:
                result: T = done.value
                return result
            self.waits += 1
            self._on_wait(self.waits)
            thrown = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001  # it is the coroutine's to handle, cancellation too
                thrown = error
                if isinstance(error, anyio.get_cancelled_exc_class()):
                    self.cancelled_at = self.waits


async def cancel_at_every_wait(call: Callable[[], Awaitable[object]], what: str) -> None:
    """Cancel `call` at each place where it waits (at a dozen of them, if there are more): it must end within 50 ms, and
    by the cancellation, not with a result."""

    async def made() -> object:
        return await call()

    whole = Steps(made(), lambda waits: None)
    await whole
    places = min(whole.waits, _MOST_PLACES)
    for place in range(places):
        await _cancel_at(made, 1 + place * whole.waits // places, what)


async def _cancel_at(made: Callable[[], Coroutine[Any, Any, object]], wait: int, what: str) -> None:
    async def attempt() -> float:
        since: list[Stopwatch] = []
        with anyio.CancelScope() as scope:

            def on_wait(waits: int) -> None:
                if waits == wait:
                    since.append(Stopwatch())
                    scope.cancel()

            steps = Steps(made(), on_wait)
            await steps
        if steps.cancelled_at < wait and not scope.cancelled_caught:
            return 0.0  # it had less to wait for this time, or what it waited for had come
        assert scope.cancelled_caught, f"{what} was cancelled at its wait {wait}, and went on to its end"
        return since[0].took_s()

    await is_quick(attempt, CANCEL_WITHIN_S, f"{what} went on after it was cancelled at its wait {wait},")


async def cancel_under_way(call: Callable[[], Awaitable[object]], what: str) -> None:
    """Cancel `call` 10 ms after it has begun; one of several tries must end in time."""

    async def under_way() -> None:
        await call()

    async def attempt() -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(under_way)
            await anyio.sleep(_UNDER_WAY_S)
            since = Stopwatch()
            group.cancel_scope.cancel()
        return since.took_s()

    await is_quick(attempt, CANCEL_WITHIN_S, f"{what} went on after it was cancelled,")


def _own_time_s() -> float:
    return anyio.current_time() - kept_waiting_s()


def kept_waiting_s() -> float:
    """How long this thread has been ready to run so far, and had no core because others had them: that a call is late
    by so much is no fault of its own. 0 where the system does not tell; Linux does, in /proc/PID/schedstat."""
    if sys.platform != "linux":
        return 0.0
    try:
        of_thread = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return 0.0
    try:
        _, delay_ns, _ = os.read(of_thread, 100).split()
        return int(delay_ns) / 1e9
    finally:
        os.close(of_thread)


async def twice_at_once(call: Callable[[], Awaitable[T]]) -> list[T]:
    """The results of two calls that run at the same time."""
    results: list[T] = []

    async def keep() -> None:
        results.append(await call())

    async with anyio.create_task_group() as group:
        group.start_soon(keep)
        group.start_soon(keep)
    return results
