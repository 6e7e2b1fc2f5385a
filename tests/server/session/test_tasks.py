"""A task of a session runs in its name, whoever has it begun."""

from collections.abc import Callable
from contextvars import ContextVar, copy_context

import anyio
import pytest

from server.session.tasks import SessionTasks
from stageflow.core import StageContext, StageOutput
from stages.runtime.lines import caller, calls_of
from tests.support.stage import SlowGuard, Stage, play

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


def test_anyio_need_not_ask_whose_loop_it_is_in_the_stages_of_a_turn() -> None:
    known = pytest.importorskip("sniffio").current_async_library_cvar
    found: list[str | None] = []

    class Looks(SlowGuard):
        async def execute(self, ctx: StageContext) -> StageOutput:
            found.append(known.get())
            return await super().execute(ctx)

    async def story(stage: Stage) -> None:
        stage.ask("hi")
        await stage.wire.until("response.done")

    play(lambda: Stage("Yes.", guard=Looks(blocks=False)), story)
    assert found == ["asyncio"]
