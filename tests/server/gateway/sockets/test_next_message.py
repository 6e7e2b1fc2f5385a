"""A message goes to the reader that waits, and to the library's queue whenever it has to wait itself."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from websockets.frames import Frame, Opcode

from server.gateway.sockets.next_message import NextMessage

ONE, TWO = Frame(Opcode.TEXT, b"one"), Frame(Opcode.TEXT, b"two")
MASK = bytes(4)
READ, OTHER = b"\x81\x83" + MASK + b"one", b"\x01\x83" + MASK + b"two"
"""What a read of the socket brings: a message, and the first part of one."""


async def wait(coming: NextMessage) -> None:
    await coming.wait()


async def test_one_message_is_handed_over_to_a_reader_that_waits() -> None:
    coming = NextMessage()
    assert not coming.offer(ONE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()
        assert coming.offer(ONE)
        assert not coming.offer(TWO), "it has one: this is the next"
    assert coming.take() == "one"
    assert not coming.is_there


@pytest.mark.parametrize(
    "frame", [Frame(Opcode.TEXT, b"on", fin=False), Frame(Opcode.TEXT, b"\xff")], ids=["a part", "no UTF-8"]
)
async def test_a_reader_is_woken_for_what_only_the_library_can_read(frame: Frame) -> None:
    coming = NextMessage()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()
        assert not coming.offer(frame)
    assert not coming.is_there


async def test_a_reader_that_is_cancelled_leaves_the_message_to_the_next() -> None:
    coming = NextMessage()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()
        assert coming.offer(Frame(Opcode.BINARY, b"one"))
        tasks.cancel_scope.cancel()
    assert not coming.offer(TWO)
    assert coming.take() == b"one"


async def test_a_read_that_is_a_message_is_handed_over_as_it_is() -> None:
    coming = NextMessage()
    assert not coming.offer_read(READ, None), "nobody waits"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()
        assert not coming.offer_read(OTHER, None)
        assert coming.offer_read(READ, None)
        assert not coming.offer_read(READ, None), "it has one: this is for the queue"
    assert coming.take() == "one"


async def test_within_a_message_in_parts_a_read_is_for_the_library() -> None:
    coming = NextMessage()
    coming.offer(Frame(Opcode.TEXT, b"", fin=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()
        assert not coming.offer_read(READ, None)
        coming.wake()


async def test_a_message_that_is_heard_as_it_comes_wakes_nobody() -> None:
    coming, heard = NextMessage(), list[str | bytes]()

    def hear(message: str | bytes) -> bool:
        heard.append(message)
        return len(heard) == 1

    coming.hear = hear
    assert not coming.offer_read(READ, None), "what came before has not been obeyed: nobody waits"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()
        assert coming.offer_read(READ, None)
        assert not coming.is_there
        assert coming.offer_read(READ, None), "the reader waits on"
    assert heard == ["one", "one"]
    assert coming.take() == "one", "the second was for the reader"


async def test_a_reader_that_is_cancelled_by_what_was_heard_leaves_the_message_too() -> None:
    coming = NextMessage()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, coming)
        await checkpoint()

        def hear(message: str | bytes) -> bool:
            tasks.cancel_scope.cancel()
            return False

        coming.hear = hear
        assert coming.offer_read(READ, None)
    assert coming.take() == "one"
