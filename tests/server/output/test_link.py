"""A session's reader and its connections: another takes over while it waits, and a session that ends still ends."""

import asyncio
from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from server.output.link import Link, is_left, send_now, stop_hearing
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


class PromptWire(QueueWire):
    """Takes at once what it has room for."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.taken: list[str | bytes] = []

    def send_now(self, frame: str | bytes) -> bool:
        if len(self.taken) >= self.room:
            return False
        self.taken.append(frame)
        return True

    async def send(self, frame: str | bytes) -> None:
        self.taken.append(frame)


async def test_a_frame_that_is_sent_at_once_is_kept_for_the_next_connection_as_any_other() -> None:
    first, second = PromptWire(1), PromptWire(9)
    link = Link(first, grace_s=30)
    assert send_now(link, "one")
    assert not send_now(link, "two"), "there is no room"
    assert link.ring.last_seq == 1, "and nothing was done"
    await link.send("two")
    assert (first.taken, link.ring.after(0)) == (["one", "two"], ["one", "two"])
    link.detach()
    assert not send_now(link, "three"), "nobody is there"
    await link.send("three")
    link.attach(second)
    assert not send_now(link, "four"), "it is not its turn"
    await link.send("four")
    assert send_now(link, "five")
    assert second.taken == ["three", "four", "five"]
    assert link.ring.after(0) == ["one", "two", "three", "four", "five"]


async def test_a_connection_that_sends_nothing_at_once_is_waited_for() -> None:
    wire = QueueWire()
    link = Link(wire)
    assert not send_now(link, '{"type": "one"}')
    await link.send('{"type": "one"}')
    assert wire.types() == ["one"]
