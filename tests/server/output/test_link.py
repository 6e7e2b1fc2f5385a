"""A session's reader and its connections: another takes over while it waits, and a session that ends still ends."""

import asyncio
from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from server.output.link import Link, is_left, stop_hearing
from stages.testing.virtual_time import run_virtual
from tests.support.stage import QueueWire


class Reading:
    """Two frames of a link, read in a scope and a task of its own."""

    def __init__(self, link: Link) -> None:
        self.heard: list[str | bytes | None] = []
        self.scope = anyio.CancelScope()
        self.tasks: list[asyncio.Task[None]] = []
        self._link = link

    async def run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        with self.scope:
            for _ in range(2):
                self.heard.append(await self._link.receive())
            assert not task.cancelling()


async def test_who_waits_at_a_connection_gets_the_frames_of_the_one_that_takes_over() -> None:
    old, new = QueueWire(), QueueWire()
    link = Link(old, grace_s=30)
    reading = Reading(link)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading.run)
        old.say_raw("one")
        for _ in range(3):
            await checkpoint()
        assert link.attach(new) is old
        old.say_raw("nobody listens")
        new.say_raw("two")
    assert reading.heard == ["one", "two"]


async def test_a_frame_that_comes_with_the_take_over_is_not_the_sessions_any_more() -> None:
    old, new = QueueWire(), QueueWire()
    link = Link(old, grace_s=30)
    reading = Reading(link)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading.run)
        await checkpoint()
        old.say_raw("too late")
        link.attach(new)
        new.say_raw("one")
        new.say_raw("two")
    assert reading.heard == ["one", "two"]


@pytest.mark.parametrize("ends_first", [True, False])
@pytest.mark.parametrize("by_scope", [True, False])
async def test_a_session_that_ends_as_another_connection_takes_over_ends(
    ends_first: bool, by_scope: bool
) -> None:
    link = Link(QueueWire(), grace_s=30)
    reading = Reading(link)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading.run)
        await checkpoint()
        end: Callable[[], object] = reading.scope.cancel if by_scope else reading.tasks[0].cancel
        if ends_first:
            end()
        link.attach(QueueWire())
        if not ends_first:
            end()
    assert reading.heard == []
    assert reading.scope.cancelled_caught if by_scope else reading.tasks[0].cancelled()


def test_a_place_is_about_to_be_free_only_where_nobody_is_waited_for() -> None:
    """Whoever finds no place waits a moment for such a one, and for no other."""

    async def main() -> list[bool]:
        link = Link(QueueWire(), grace_s=30)
        told = [is_left(link, None), is_left(link, 1006), is_left(link, 1000)]
        link.detach()
        told += [is_left(link, 1006)]
        link.attach(QueueWire())
        told += [is_left(link, None)]
        stop_hearing(link)
        told += [is_left(link, 4000)]
        link.detach()
        await link.close(1000, "")
        return [*told, is_left(link, 1006), is_left(Link(QueueWire()), 1006)]

    assert run_virtual(main) == [False, False, True, False, False, False, True, True]
