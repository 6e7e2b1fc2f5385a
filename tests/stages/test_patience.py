"""How long a stage waits for a provider."""

import asyncio
import math

import anyio

from stages.patience import Lateness, patience
from stages.testing.virtual_time import virtual, virtual_loop


@virtual
async def test_each_of_many_waits_has_its_whole_time() -> None:
    lateness = Lateness(1.0)
    with lateness as scope:
        for _ in range(3):
            lateness.expect()
            await anyio.sleep(0.9)
            lateness.rest()
        await anyio.sleep(5.0)
        assert not scope.cancel_called, "nothing was waited for"
        lateness.expect()
        began_s = anyio.current_time()
        await anyio.sleep(0.5)
        lateness.expect()  # the same wait goes on
        await anyio.sleep(10.0)
    assert scope.cancelled_caught
    assert anyio.current_time() == began_s + 1.0


@virtual
async def test_a_wait_that_has_ended_leaves_no_timer() -> None:
    lateness = Lateness(1.0)
    with lateness as scope:
        lateness.expect()
    await anyio.sleep(2.0)
    assert not scope.cancel_called


@virtual
async def test_what_came_in_time_is_not_late_because_the_loop_was_held_up() -> None:
    """Both wait for the turn of the loop that comes too late: what was expected, and the timer."""
    lateness, loop = Lateness(1.0), virtual_loop()
    coming: asyncio.Future[None] = loop.create_future()
    began_s = 0.0
    loop.call_at(0.5, loop.stand_still, 5.0)
    loop.call_at(0.9, coming.set_result, None)
    with lateness as scope:
        lateness.expect()
        await coming
        lateness.rest()
        await anyio.sleep(0.1)  # it is handed on
        lateness.expect()
        began_s = anyio.current_time()
        await anyio.sleep(10.0)
    assert scope.cancelled_caught
    assert anyio.current_time() == began_s + 1.0


@virtual
async def test_a_wait_may_be_shorter_than_the_one_before() -> None:
    lateness = Lateness()
    with lateness as scope:
        lateness.expect(10.0)
        await anyio.sleep(1.0)
        lateness.rest()
        lateness.expect(2.0)
        await anyio.sleep(20.0)
    assert scope.cancelled_caught
    assert anyio.current_time() == 3.0


@virtual
async def test_a_wait_counts_from_when_all_was_heard_as_far_as_that_is_known_then() -> None:
    heard_until_s = 6.0
    lateness = Lateness()
    with lateness as scope:
        lateness.expect(1.0, lambda: heard_until_s)
        await anyio.sleep(2.5)
        assert not scope.cancel_called
        heard_until_s = 0.0  # the rest was thrown away
        await anyio.sleep(20.0)
    assert scope.cancelled_caught
    assert anyio.current_time() == 3.0, "it looks again after each second"


@virtual
async def test_what_came_in_time_is_not_late_though_it_goes_through_several_hands() -> None:
    """As what a socket reads does: each task that hands it on is a turn of the loop."""
    loop = virtual_loop()
    steps = [loop.create_future() for _ in range(4)]

    async def hand_on(number: int) -> None:
        await steps[number]
        steps[number + 1].set_result(None)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(hand_on, number)
        loop.call_at(0.5, loop.stand_still, 5.0)
        loop.call_at(0.9, steps[0].set_result, None)
        with patience(1.0) as scope:
            await steps[-1]
    assert not scope.cancel_called


@virtual
async def test_a_patience_without_end_sets_no_timer() -> None:
    with patience(math.inf) as scope:
        await anyio.sleep(10.0)
    with patience(1.0) as late:
        await anyio.sleep(10.0)
    assert (scope.cancelled_caught, late.cancelled_caught, anyio.current_time()) == (False, True, 11.0)
