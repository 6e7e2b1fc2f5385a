"""Two calls beside each other: whoever has a result first is the one that counts."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from stages.errors import ProviderError

T = TypeVar("T")


class Runner(Generic[T]):
    """A call in a task of `tasks`: its result or its ProviderError, once it is over."""

    def __init__(self, tasks: TaskGroup, call: Callable[[], Awaitable[T]]) -> None:
        self.error: ProviderError | None = None
        self._results: list[T] = []
        self._over = anyio.Event()
        self._scope = anyio.CancelScope()
        self._call = call
        tasks.start_soon(self._run)

    @property
    def is_over(self) -> bool:
        """Whether it has a result, or an error."""
        return self._over.is_set()

    @property
    def has_result(self) -> bool:
        """Whether it went well."""
        return bool(self._results)

    async def over(self) -> None:
        """Wait until the call is over."""
        await self._over.wait()

    def result(self) -> T:
        """Of a call that is over. Raises its ProviderError."""
        if self.error is not None:
            raise self.error
        return self._results[0]

    def cancel(self) -> None:
        """Cancel the call."""
        self._scope.cancel()

    async def _run(self) -> None:
        with self._scope:
            try:
                self._results.append(await self._call())
            except ProviderError as error:
                self.error = error
            self._over.set()


async def any_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait until one of these calls is over."""
    async with anyio.create_task_group() as tasks:

        async def follow(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for wait in waits:
            tasks.start_soon(follow, wait)


async def first_of(ours: Runner[T], rival: Runner[T]) -> Runner[T]:
    """Which of two has a result first; where both fail, the first one is told of."""
    while not (ours.has_result or rival.has_result or (ours.is_over and rival.is_over)):
        await any_of(*(runner.over for runner in (ours, rival) if not runner.is_over))
    return rival if rival.has_result and not ours.has_result else ours
