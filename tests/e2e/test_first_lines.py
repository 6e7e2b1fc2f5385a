"""What the server says when it listens is what a person types next."""

import os
import subprocess
import sys

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from tests.support.patience import PATIENCE_S
from tests.support.served import SCRIPTED

pytestmark = pytest.mark.e2e


async def hint(**settings: str) -> str:
    """The line that proposes a call of `scripts/talk`."""
    chosen = SCRIPTED | {"PORT": "0"} | settings
    environment = os.environ | {f"STAGEFLOW_VOICE_{name}": value for name, value in chosen.items()}
    command, said = [sys.executable, "-m", "server", "serve"], ""
    async with await anyio.open_process(
        command, env=environment, stdout=subprocess.PIPE, stderr=None
    ) as process:
        assert process.stdout is not None
        output = TextReceiveStream(process.stdout)
        try:
            with anyio.fail_after(PATIENCE_S):
                while not said.partition("or try: ")[2].endswith("\n"):
                    said += await output.receive()
        finally:
            process.terminate()
    return said.partition("or try: ")[2].strip()


async def test_a_key_is_proposed_where_one_is_wanted() -> None:
    assert " --api-key KEY --url ws://127.0.0.1:" in await hint(API_KEYS="secret")
    assert "--api-key" not in await hint()
