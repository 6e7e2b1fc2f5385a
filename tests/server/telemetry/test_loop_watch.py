"""Who holds the event loop is named in the log."""

import logging
import threading
from pathlib import Path
from types import ModuleType

import anyio

from server.telemetry.loop_watch import LoopWatch, place_of

BLOCKING = """
async def listen(wait):
    ask(wait)

def ask(wait):
    wait(30)
"""


def plug_in(path: Path) -> ModuleType:
    module = ModuleType("acme_stt")
    exec(compile(BLOCKING, str(path / "acme_stt.py"), "exec"), module.__dict__)
    return module


class Ear(logging.Handler):
    """Lets the plug-in go on once somebody has complained."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.heard.set()


async def test_a_plug_in_that_blocks_the_loop_is_named(tmp_path: Path) -> None:
    listen, ear = plug_in(tmp_path).listen, Ear()
    logger = logging.getLogger("server.telemetry.loop_watch")
    logger.addHandler(ear)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(LoopWatch().watch)
            await anyio.wait_all_tasks_blocked()
            async with anyio.create_task_group() as plug_ins:
                plug_ins.start_soon(listen, ear.heard.wait)
            tasks.cancel_scope.cancel()
    finally:
        logger.removeHandler(ear)
    (told,) = ear.texts
    assert "held for 120 ms or more" in told
    assert f"acme_stt.listen ({tmp_path / 'acme_stt.py'}:3)" in told


def test_a_loop_that_only_waits_is_held_by_nobody() -> None:
    """The machine had others to serve: what is innermost then is the loop itself."""
    module = ModuleType("asyncio.runners")
    exec("import sys\ndef run():\n    return sys._getframe()", module.__dict__)
    assert place_of(module.run()) is None
