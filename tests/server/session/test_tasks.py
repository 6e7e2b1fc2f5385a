"""A task of a session runs in its name, whoever has it begun."""

from collections.abc import Callable
from contextvars import ContextVar, copy_context

import anyio
import pytest

from server.session.tasks import SessionTasks
from stages.runtime.lines import caller, calls_of

TURN: ContextVar[int] = ContextVar("turn", default=0)


@pytest.mark.parametrize("is_vital", [True, False])
async def test_a_task_that_a_stranger_has_begun_is_the_sessions(is_vital: bool) -> None:
    told: list[tuple[str, int]] = []
    before = copy_context()  # as a socket has it that a provider opened for the session before it ran

    async def tell() -> None:
        told.append((caller(), TURN.get()))

    def begin(tasks: SessionTasks) -> Callable[..., None]:
        return tasks.start_vital if is_vital else tasks.start

    with calls_of("one"):
        async with anyio.create_task_group() as group:
            tasks = SessionTasks("one")
            tasks.open(group)
            TURN.set(7)
            begin(tasks)(tell)  # what belongs to a turn stays that turn's
            before.run(begin(tasks), tell)
            with calls_of("two"):
                async with anyio.create_task_group() as other:
                    others = SessionTasks("two")
                    others.open(other)
                    begin(tasks)(tell)
    assert sorted(told) == [("one", 0), ("one", 0), ("one", 7)]
