"""Virtual time: jumps, order, exactness, and hangs that are found."""

import asyncio
import math
from weakref import WeakSet

import anyio
import pytest

from stages.testing.virtual_time import StalledError, run_virtual, virtual, virtual_loop


@virtual
async def test_an_hour_passes_at_once_and_exactly() -> None:
    began_s = anyio.current_time()
    await anyio.sleep(3600)
    assert anyio.current_time() - began_s == 3600


@virtual
async def test_who_was_due_while_all_stood_still_is_late() -> None:
    virtual_loop().stand_still(0.5)
    assert anyio.current_time() == 0.5
    await anyio.sleep_until(0.2)
    assert anyio.current_time() == 0.5


@virtual
async def test_timers_go_off_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def note(name: str, delay_s: float) -> None:
        await anyio.sleep(delay_s)
        seen.append((name, anyio.current_time()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note, "late", 2.0)
        tasks.start_soon(note, "early", 0.5)
        tasks.start_soon(note, "middle", 1.0)
    assert seen == [("early", 0.5), ("middle", 1.0), ("late", 2.0)]


@virtual
async def test_who_waits_for_a_time_has_it_when_woken() -> None:
    """Two who were woken a little too early, and waited again, would wake each other for ever."""
    due_s = 5.0

    async def wait(turns: int) -> None:
        await anyio.sleep(math.nextafter(due_s, 0.0))
        for _ in range(turns):
            await asyncio.sleep(0)
        while virtual_loop().time() < due_s:
            assert virtual_loop().turns < 100
            await asyncio.sleep(due_s - virtual_loop().time())
        assert virtual_loop().time() == due_s

    async with anyio.create_task_group() as tasks:
        for turns in range(2):
            tasks.start_soon(wait, turns)


@virtual
async def test_deadlines_cut_what_is_too_slow() -> None:
    with anyio.move_on_after(1) as scope:
        await anyio.sleep(1.5)
    assert scope.cancelled_caught
    assert anyio.current_time() == 1


def test_results_come_out_and_arguments_go_in() -> None:
    async def double(number: int) -> int:
        await anyio.sleep(number)
        return 2 * number

    assert run_virtual(double, 21) == 42


def test_a_hang_is_found_at_once() -> None:
    with pytest.raises(StalledError):
        run_virtual(anyio.sleep_forever)


def test_errors_come_out_as_they_are() -> None:
    async def fail() -> None:
        await anyio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_virtual(fail)


@pytest.mark.parametrize("delay_s", [1, 2])
@virtual
async def test_the_decorator_keeps_parameters(delay_s: int) -> None:
    await anyio.sleep(delay_s)
    assert anyio.current_time() == delay_s


@pytest.mark.parametrize("others", [0, 1, 5])
def test_timers_of_one_time_ring_in_the_order_in_which_they_were_set(others: int) -> None:
    async def rung() -> list[int]:
        loop, order = asyncio.get_running_loop(), list[int]()
        for one in range(others):
            loop.call_at(0.2 + one * 0.1, order.append, -1)
        for one in range(9):
            loop.call_at(6.68, order.append, one)
            loop.call_at(7.0 + one, order.append, -1).cancel()
        await anyio.sleep(10)
        return [one for one in order if one >= 0]

    assert run_virtual(rung) == [*range(9)]


@pytest.mark.parametrize("others", [(), (0.06,)])
def test_it_is_as_late_as_was_asked_for_whoever_else_waits(others: tuple[float, ...]) -> None:
    async def time() -> float:
        loop = asyncio.get_running_loop()
        for at_s in others:
            loop.call_at(at_s, int)
        await anyio.sleep(0.87)
        return loop.time()

    assert run_virtual(time) == 0.87


@virtual
async def test_timers_that_were_cancelled_do_not_pile_up() -> None:
    loop = virtual_loop()
    rung: list[int] = []
    for number in range(50):
        loop.call_at(3600.0 + number, rung.append, number)
    timers: WeakSet[asyncio.TimerHandle] = WeakSet()
    for number in range(5_000):
        timers.add(timer := loop.call_at(7200.0 + number, int))
        timer.cancel()
        await asyncio.sleep(0)
    assert len(timers) < 200
    await anyio.sleep_until(3649.0)
    assert rung == [*range(50)]


@virtual
async def test_a_timer_that_is_cancelled_is_not_waited_for() -> None:
    loop = virtual_loop()
    loop.call_at(1.0, int).cancel()
    await anyio.sleep_until(2.0)
    assert loop.turns < 10
    assert loop.time() == 2.0
