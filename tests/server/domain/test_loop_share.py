"""Steps of a kind are spread over turns of the loop, in the order in which they were asked for."""

from collections import Counter

import anyio
import pytest

from server.domain.loop_share import LoopShare
from server.output.outbound import STEPS_A_TURN
from stageflow.core import StageContext, StageKind, StageOutput
from stages.testing.virtual_time import run_virtual, virtual_loop
from tests.support.stage import Stage


def test_only_so_many_steps_are_taken_in_a_turn_and_nobody_is_left_behind() -> None:
    async def main() -> None:
        share, steps, turns = LoopShare(3), Counter[int](), Counter[int]()

        async def work(worker: int) -> None:
            for _ in range(10):
                await share.step()
                steps[worker] += 1
                turns[virtual_loop().turns] += 1
                assert max(steps.values()) - min(steps[each] for each in range(20)) <= 3 + 1

        async with anyio.create_task_group() as tasks:
            for worker in range(20):
                tasks.start_soon(work, worker)
        assert max(turns.values()) <= 2 * 3
        assert len(turns) <= 20 * 10 / 3 + 2, "no turn is wasted"

    run_virtual(main)


def test_a_single_step_waits_for_nothing() -> None:
    async def main() -> None:
        share = LoopShare(1)
        for _ in range(3):
            turn = virtual_loop().turns
            await share.step()
            assert virtual_loop().turns == turn
            await anyio.sleep(0.01)

    run_virtual(main)


def test_who_is_cancelled_takes_no_step_from_the_others() -> None:
    async def main() -> None:
        share, order = LoopShare(1), list[str]()

        async def work(name: str) -> None:
            await share.step()
            order.append(name)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, "first")
            async with anyio.create_task_group() as given_up:
                given_up.start_soon(work, "given up")
                tasks.start_soon(work, "last")
                given_up.cancel_scope.cancel()
        assert order == ["first", "last"]

    run_virtual(main)


def test_a_call_is_made_in_another_turn_and_in_its_order() -> None:
    async def main() -> None:
        share, turns, began = LoopShare(2), list[int](), virtual_loop().turns
        for _ in range(6):
            share.later(lambda: turns.append(virtual_loop().turns))
        await anyio.sleep(0.01)
        assert turns[0] > began
        assert [turns.count(turn) for turn in sorted(set(turns))] == [2, 2, 2]

    run_virtual(main)


def test_who_goes_on_and_on_takes_one_step_a_turn() -> None:
    async def main() -> None:
        share, turns = LoopShare(5), list[int]()

        def go_on() -> None:
            turns.append(virtual_loop().turns)
            if len(turns) < 10:
                share.later(go_on)

        share.later(go_on)
        await anyio.sleep(0.01)
        assert len(set(turns)) == 10

    run_virtual(main)


class Talker:
    """An agent that has all its words at once; counts in which turn of the loop it got rid of each."""

    name = "agent"
    kind = StageKind.AGENT

    def __init__(self) -> None:
        self.tokens = Counter[int]()

    async def execute(self, ctx: StageContext) -> StageOutput:
        for _ in range(60):
            await ctx.stream.send("word ")
            self.tokens[virtual_loop().turns] += 1
        return StageOutput.ok(text="word " * 60)


@pytest.mark.no_cover
def test_twenty_answers_at_once_share_a_turn_of_the_loop() -> None:
    """Models and voices that are faster than life: nobody else waits for a token of each of them."""
    talker = Talker()

    async def main() -> None:
        share = LoopShare(STEPS_A_TURN)
        async with anyio.create_task_group() as tasks:

            async def converse() -> None:
                stage = Stage(agent=talker, share=share)
                async with anyio.create_task_group() as own:
                    own.start_soon(stage.session.run)
                    stage.ask("hello")
                    await stage.wire.until("response.done")
                    stage.wire.hang_up()

            for _ in range(20):
                tasks.start_soon(converse)

    run_virtual(main)
    assert talker.tokens.total() == 20 * 60
    assert max(talker.tokens.values()) <= 2 * STEPS_A_TURN
