"""`serve --lan`: whoever opens the address that it prints can talk, with a microphone and without typing a key; and so
can who types the command that it prints."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import numpy as np
import pytest
from anyio.streams.text import TextReceiveStream

from audio.files import write_wav
from server.cli.lan import local_address
from server.domain.errors import ServerError
from tests.support.browser import CHROMIUM, browser
from tests.support.patience import PATIENCE_S
from tests.support.served import SCRIPTED

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]


async def test_the_printed_address_is_all_that_a_phone_needs(tmp_path: Path) -> None:
    try:
        address = await anyio.to_thread.run_sync(local_address)
    except ServerError:
        pytest.skip("NO NETWORK: `serve --lan` is not tested as a whole")
    microphone = tmp_path / "silence.wav"
    await anyio.to_thread.run_sync(write_wav, microphone, np.zeros(48_000, np.int16), 48_000)
    opener = anyio.Path(tmp_path / "opener")
    await opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    await opener.chmod(0o755)
    environment = os.environ | {f"STAGEFLOW_VOICE_{name}": value for name, value in SCRIPTED.items()}
    environment |= {"XDG_DATA_HOME": str(tmp_path), "BROWSER": f"{opener} %s"}
    command, said = [sys.executable, "-m", "server", "serve", "--port", "0", "--lan", "--open"], ""
    async with await anyio.open_process(
        command, env=environment, stdout=subprocess.PIPE, stderr=None
    ) as process:
        assert process.stdout is not None
        output = TextReceiveStream(process.stdout)
        with anyio.fail_after(PATIENCE_S):
            while not said.partition("whoever has it")[2].endswith("\n"):
                said += await output.receive()
        url = said.partition("in the same network: ")[2].split()[0]
        assert url.startswith(f"https://{address}:")
        async with browser("--ignore-certificate-errors", microphone=microphone) as page:
            await page.call("Page.navigate", url=url)
            await page.wait_for(
                "document.readyState === 'complete' && document.getElementById('talk') !== null"
            )
            assert await page.evaluate("isSecureContext")
            assert await page.evaluate("location.hash") == "", "the key stays in no history"
            examples = await page.evaluate("fetch('connect.html').then((answer) => answer.text())")
            assert f"<pre>wss://{address}:" in examples
            await page.click("#talk")
            await page.wait_for("document.getElementById('talk').dataset.state === 'listening'")
        with anyio.fail_after(PATIENCE_S):
            while not await anyio.Path(tmp_path / "opened").exists():  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.05)
        assert (await anyio.Path(tmp_path / "opened").read_text()).startswith("https://localhost:")
        trust, program, recording, *options = said.partition("or try: ")[2].splitlines()[0].split()
        assert (program, recording) == ("scripts/talk", "docs/examples/question.wav")
        talk = [sys.executable, "-m", "server", "talk", "--text", "good morning", *options]
        name, _, file = trust.partition("=")
        done = await anyio.run_process(talk, env=environment | {name: file}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        process.terminate()
