"""An utterance of a voice that speaks a piece a call."""

from contextlib import aclosing

import anyio
import pytest

from stages.providers.piecewise import PiecewiseUtterance
from stages.testing.fakes import Conduct, ScriptedVoice
from stages.testing.virtual_time import virtual, virtual_loop


async def taken(utterance: PiecewiseUtterance) -> list[int | None]:
    """Where the pieces begin whose audio came."""
    async with aclosing(utterance.audio()) as speeches:
        return [speech.begins async for speech in speeches if speech.begins is not None]


@virtual
async def test_a_piece_is_spoken_when_the_last_is_complete() -> None:
    utterance, spoken = PiecewiseUtterance(ScriptedVoice(Conduct(delay_s=1.0)), language="en"), []

    async def push() -> None:
        for piece in ("One. ", "Two. "):
            await utterance.push(piece)
            spoken.append((piece, virtual_loop().time()))
        await utterance.finish()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        assert await taken(utterance) == [0, 5]
    assert spoken == [("One. ", 1.0), ("Two. ", 2.0)]
    assert utterance.waiting_chars == 0


@virtual
async def test_none_is_taken_after_it_was_cancelled() -> None:
    utterance = PiecewiseUtterance(ScriptedVoice(), language="en")

    async def push() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await utterance.push("One. ")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        await anyio.sleep(1)
        utterance.cancel()
    utterance.cancel()
    with pytest.raises(anyio.ClosedResourceError):
        await utterance.push("Two. ")
    assert await taken(utterance) == []


@virtual
async def test_who_waits_for_a_piece_is_let_go_by_the_end() -> None:
    for end in ("finish", "cancel"):
        utterance = PiecewiseUtterance(ScriptedVoice(), language="en")
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, utterance)
                await anyio.sleep(1)
                if end == "finish":
                    await utterance.finish()
                else:
                    utterance.cancel()
        assert await taken(utterance) == [], "and nobody waits again"


@virtual
async def test_a_piece_that_nobody_pushes_any_more_is_not_spoken() -> None:
    utterance = PiecewiseUtterance(ScriptedVoice(), language="en")
    with anyio.move_on_after(1):
        await utterance.push("One. ")
    await utterance.finish()
    assert await taken(utterance) == []


@virtual
async def test_a_piece_is_spoken_though_the_push_of_the_one_before_was_cancelled() -> None:
    voice = ScriptedVoice(Conduct(delay_s=1.0))
    utterance = PiecewiseUtterance(voice, language="en")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(taken, utterance)
        with anyio.move_on_after(0.5):
            await utterance.push("One. ")
        await utterance.push("Two. ")
        assert virtual_loop().time() == 2.0
        await utterance.finish()
    assert [request.text for request in voice.requests] == ["One.", "Two."]


@virtual
async def test_pieces_of_several_tasks_are_spoken_one_after_the_other() -> None:
    voice = ScriptedVoice(Conduct(delay_s=1.0))
    utterance = PiecewiseUtterance(voice, language="en")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(taken, utterance)
        async with anyio.create_task_group() as pushes:
            for piece in ("One. ", "Two. ", "Three. "):
                pushes.start_soon(utterance.push, piece)
        await utterance.finish()
    assert [request.text for request in voice.requests] == ["One.", "Two.", "Three."]


@virtual
async def test_two_pieces_take_few_turns_of_the_loop() -> None:
    utterance = PiecewiseUtterance(ScriptedVoice(), language="en")
    before = virtual_loop().turns
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(taken, utterance)
        for number in range(20):
            await utterance.push(f"Number {number}. ")
        await utterance.finish()
    assert virtual_loop().turns - before <= 20 * 5 + 10
