"""The examples of the page for people who write clients, each tried: in a page of another origin, and in Node."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import numpy as np
import pytest
from anyio.abc import SocketAttribute, SocketStream

from audio.files import read_audio, write_wav
from audio.resample import Resampler
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.live_server import LiveServer, live_server
from tests.support.patience import PATIENCE_S
from tests.web.axe import violations
from tests.web.talking import check_soon

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

SPEECH = Path(__file__).parents[1] / "data" / "speech" / "ps_goforward.wav"
HOST = "shop.test"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A shop</title><link rel="icon" href="data:,">
<style>stageflow-voice { --stageflow-background: rgb(255, 250, 240); --stageflow-radius: 3px; }</style>
</head><body><main><h1>Shoes</h1>EXAMPLE</main></body></html>
"""

LOGGED = "window.logged = []; console.log = (...all) => logged.push(all.join(' '));"

TAG = '<script type="module" src="http://127.0.0.1:{port}/voice.js"></script><stageflow-voice></stageflow-voice>'

FIND = "document.querySelector('stageflow-voice').shadowRoot.querySelector"
LINES = (
    "[...document.querySelector('stageflow-voice').shadowRoot.querySelectorAll('#captions li')]"
    ".map((line) => line.innerText)"
)


@asynccontextmanager
async def shop(body: str = "") -> AsyncIterator[tuple[int, list[str]]]:
    """Somebody's page on a free port, and what is in its body, which may be given later."""
    bodies = [body]

    async def answer(client: SocketStream) -> None:
        async with client:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):  # browsers connect before they ask
                await client.receive()
                page = PAGE.replace("EXAMPLE", bodies[-1]).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
                await client.send(f"{head}Connection: close\r\n\r\n".encode() + page)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer)
            yield listener.extra(SocketAttribute.local_port), bodies
            tasks.cancel_scope.cancel()


async def example(page: Page, server: LiveServer, name: str) -> str:
    """An example of the page for people who write clients, as its button copies it."""
    await page.open(f"http://127.0.0.1:{server.port}/connect.html")
    return str(await page.evaluate(f"document.getElementById({name!r}).textContent"))


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A recording of one sentence, and of silence after it."""
    speech, rate_hz = read_audio(SPEECH)
    spoken = Resampler(rate_hz, 48_000).process(speech, last=True)
    path = tmp_path / "microphone.wav"
    write_wav(
        path, np.concatenate([np.zeros(24_000, np.int16), spoken, np.zeros(60 * 48_000, np.int16)]), 48_000
    )
    return path


async def test_the_examples_hold_a_conversation_in_a_page_of_another_origin(microphone: Path) -> None:
    async with shop() as (port, bodies):
        origin = f"http://{HOST}:{port}"
        flags = (
            f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
            f"--unsafely-treat-insecure-origin-as-secure={origin}",
        )
        async with live_server(allowed_origins=(origin,)) as server:
            async with browser(*flags, microphone=microphone, script=LOGGED) as page:
                tag = await example(page, server, "tag")
                bodies.append(
                    tag.replace("<stageflow-voice", '<stageflow-voice agent="support" voice="high"')
                )
                module = await example(page, server, "module")
                await page.open(f"{origin}/")
                await page.wait_for("customElements.get('stageflow-voice') !== undefined")
                look = f"getComputedStyle({FIND}('.box'))"
                assert await page.evaluate(f"{look}.backgroundColor") == "rgb(255, 250, 240)"
                assert await page.evaluate(f"{look}.borderRadius") == "3px"
                at_night = [{"name": "prefers-color-scheme", "value": "dark"}]
                await page.call("Emulation.setEmulatedMedia", features=at_night)
                assert await page.evaluate(f"{look}.color") == "rgb(28, 27, 25)", "the page knows no dark"
                await page.evaluate("void (document.documentElement.style.colorScheme = 'light dark')")
                assert await page.evaluate(f"{look}.color") == "rgb(235, 232, 225)"
                await page.evaluate("void (document.documentElement.style.colorScheme = '')")
                await page.evaluate(
                    "document.querySelector('stageflow-voice')"
                    ".addEventListener('session', ({ detail }) => (window.agent = detail.model))"
                )
                await page.evaluate(f"{FIND}('.circle').click()")
                await page.wait_for(f"{LINES}.some((line) => line.includes('hello there'))")
                assert await page.evaluate("window.agent") == "support"
                await page.wait_for(f"{FIND}('.circle').dataset.state === 'listening'")
                await page.evaluate(f"{FIND}('#text').value = 'good morning'")
                await page.evaluate(f"{FIND}('form').requestSubmit()")
                await page.wait_for(f"{LINES}.at(-1)?.includes('You said: good morning')")
                assert server.voice.requests[-1].voice == "high"
                assert await violations(page) == []
                await page.evaluate("document.querySelector('stageflow-voice').remove()")
                await server.until_sessions(0)
                bodies.append(module)
                await page.open(f"{origin}/module")
                await page.evaluate("document.getElementById('talk').click()")
                await page.wait_for(
                    "logged.some((line) => line.startsWith('agent ') && line.includes('hello there'))"
                )
                assert page.complaints == []


async def test_the_example_without_a_module_works_in_the_console_of_its_page() -> None:
    async with live_server() as server, browser(script=LOGGED) as page:
        await page.evaluate(await example(page, server, "javascript"))
        await page.wait_for("logged.some((line) => line.includes('What can you do?'))")
        copy = "document.querySelector('.example button')"
        await page.evaluate(f"{copy}.click()")
        await page.wait_for(f"{copy}.textContent === 'Copied'")
        assert await violations(page) == []


async def test_the_example_for_node_works_as_it_stands(tmp_path: Path) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("NO NODE: the example for it is not tested; apt-get install nodejs")
    async with live_server() as server, browser() as page:
        await anyio.Path(tmp_path / "hello.mjs").write_text(await example(page, server, "node"))
        command = [node, "--experimental-websocket", str(tmp_path / "hello.mjs")]  # which 22 needs no more
        with anyio.fail_after(PATIENCE_S):
            said = await anyio.run_process(command)
    assert "What can you do?" in said.stdout.decode()


async def test_a_page_whose_origin_is_not_allowed_is_told_what_the_server_must_be_started_with() -> None:
    async with live_server() as server, shop(TAG.format(port=server.port)) as (port, _):
        async with browser(f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as page:
            await page.open(f"http://{HOST}:{port}/")
            await page.wait_for("customElements.get('stageflow-voice') !== undefined")
            await page.evaluate(f"{FIND}('.circle').click()")
            told = f"STAGEFLOW_VOICE_ALLOWED_ORIGINS=http://{HOST}:{port}"
            await check_soon(page, f"{FIND}('.notice').innerText.includes({told!r})")
