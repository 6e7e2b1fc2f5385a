"""Tests that misbehave, each in its own way; `test_guards.py` runs them and wants every one to fail.

Not collected by itself: its name says so.
"""

import asyncio
import gc
import io
import socket
import threading
from pathlib import Path

import anyio

from audio.files import read_audio
from audio.formats import Samples
from stages.testing.virtual_time import run_virtual

_kept: list[object] = []
SPEECH = Path(__file__).parents[1] / "data" / "speech" / "ps_goforward.wav"


async def test_task() -> None:
    _kept.append(asyncio.get_running_loop().create_task(anyio.sleep_forever()))


def test_task_in_virtual_time() -> None:
    run_virtual(test_task)


def test_thread() -> None:
    threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()


def test_model_worker() -> None:
    """May stay for other tests of the module, but fails the module's last one."""
    threading.Thread(target=threading.Event().wait, name="recogniser", daemon=True).start()


async def test_socket() -> None:
    cycle: list[object] = [socket.socket()]
    cycle.append(cycle)


def test_file() -> None:
    cycle: list[object] = [Path(__file__).open()]  # noqa: SIM115  # that is the mistake
    cycle.append(cycle)


def test_file_that_has_become_old() -> None:
    cycle: list[object] = [Path(__file__).open()]  # noqa: SIM115  # that is the mistake
    cycle.append(cycle)
    gc.collect(1)


async def test_blocking_call() -> None:
    read_audio(SPEECH)


def test_blocking_call_in_virtual_time() -> None:
    async def main() -> tuple[Samples, int]:
        return read_audio(SPEECH)

    run_virtual(main)


async def test_well_behaved() -> None:
    with socket.socket(), io.BytesIO():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 0.01)
        await anyio.to_thread.run_sync(read_audio, SPEECH)


def test_last() -> None:
    """Here the module's own guard speaks."""
