"""Who holds the event loop is named in the log."""

import logging
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio

from audio.endpoint_config import EndpointConfig
from audio.formats import AudioFormat
from audio.listener import Listener
from server.telemetry.loop_watch import LoopWatch, place_of

BLOCKING = """
async def listen(wait):
    ask(wait)

def ask(wait):
    wait(30)
"""


DETECTING = """
class Detector:
    rate_hz, frame_samples = 16_000, 320

    def __init__(self, is_over):
        self.is_over = is_over

    def score(self, frame):
        while not self.is_over():
            pass
        return 0.0

    def reset(self):
        pass
"""


def plug_in(path: Path, code: str) -> ModuleType:
    module = ModuleType("acme")
    exec(compile(code, str(path / "acme.py"), "exec"), module.__dict__)
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


async def told_of(call: Callable[[Ear], Coroutine[Any, Any, object]]) -> str:
    """What the log says while this holds the loop until it has said something."""
    ear = Ear()
    logger = logging.getLogger("server.telemetry.loop_watch")
    logger.addHandler(ear)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(LoopWatch().watch)
            await anyio.wait_all_tasks_blocked()
            async with anyio.create_task_group() as plug_ins:
                plug_ins.start_soon(call, ear)
            tasks.cancel_scope.cancel()
    finally:
        logger.removeHandler(ear)
    (told,) = ear.texts
    assert "held for 120 ms or more" in told
    return told


async def test_a_plug_in_that_blocks_the_loop_is_named(tmp_path: Path) -> None:
    listen = plug_in(tmp_path, BLOCKING).listen
    assert f"acme.listen ({tmp_path / 'acme.py'}:3)" in await told_of(lambda ear: listen(ear.heard.wait))


async def test_a_detector_that_blocks_while_it_is_asked_for_a_frame_is_named(tmp_path: Path) -> None:
    detector = plug_in(tmp_path, DETECTING).Detector

    async def hear(ear: Ear) -> None:
        Listener(AudioFormat(rate_hz=16_000), detector(ear.heard.is_set), EndpointConfig()).push(
            bytes(2 * 480)
        )

    assert f"acme.Detector.score ({tmp_path / 'acme.py'}:" in await told_of(hear)


def test_a_loop_that_only_waits_is_held_by_nobody() -> None:
    """The machine had others to serve: what is innermost then is the loop itself."""
    module = ModuleType("asyncio.runners")
    exec("import sys\ndef run():\n    return sys._getframe()", module.__dict__)
    assert place_of(module.run()) is None
