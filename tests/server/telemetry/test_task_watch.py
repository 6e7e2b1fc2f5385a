"""Who leaves tasks behind a session is named in the log; whose tasks end is not."""

import asyncio
import logging
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from server.telemetry.task_watch import FAREWELL_S, TaskWatch
from stages.testing.virtual_time import virtual

LEAKING = """
import asyncio

def begins(seconds):
    return asyncio.create_task(asyncio.sleep(seconds))
"""


def plug_in(path: Path) -> ModuleType:
    module = ModuleType("acme_stt")
    exec(compile(LEAKING, str(path / "acme_stt.py"), "exec"), module.__dict__)
    return module


@virtual
async def test_a_plug_in_that_leaves_a_task_is_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acme, watch, left = plug_in(tmp_path), TaskWatch(), list[asyncio.Task[None]]()
    with watch.watching(), caplog.at_level(logging.WARNING):
        outside = acme.begins(1000)
        for _ in range(2):
            with watch.session():
                left.append(acme.begins(1000))
                acme.begins(FAREWELL_S / 2)  # it is on its way out
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(anyio.sleep, 0.1)
        await anyio.sleep(2 * FAREWELL_S)
    (told,) = (record.getMessage() for record in caplog.records)
    assert f"acme_stt.begins ({tmp_path / 'acme_stt.py'}:5)" in told
    for task in (outside, *left):
        task.cancel()
    await asyncio.wait([outside, *left])


@virtual
async def test_tasks_that_end_are_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    watch = TaskWatch()
    with watch.watching(), caplog.at_level(logging.WARNING), watch.session():
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(anyio.sleep, 0.1)
    await anyio.sleep(2 * FAREWELL_S)
    assert not caplog.records
