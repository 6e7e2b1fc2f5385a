"""What the page has for those who choose and build: settings in the link, events, approvals, keys."""

import json
from pathlib import Path
from urllib.parse import quote

import anyio
import numpy as np
import pytest

from audio.files import write_wav
from server.config.agents import Agent, Crew, Route
from stageflow.tools import ToolCall
from stages.providers.mcp_client import McpServers
from stages.testing.fakes import Said, ScriptedModel
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.live_server import live_server
from tests.support.mcp_server import mcp_server
from tests.web.talking import begin, lines, write

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

STATE = "document.getElementById('talk').dataset.state"

WIRE = """
  window.asked = [];  // the sessions that the page asks for
  window.types = [];  // of all that it sends, without audio
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const event = typeof data === "string" ? JSON.parse(data) : {};
    if (event.type) types.push(event.type);
    if (event.type === "session.update") asked.push(event.session);
    return send.call(this, data);
  };
"""


@pytest.fixture(scope="module")
def mcp() -> McpServers:
    return McpServers()


@pytest.fixture
async def silence(tmp_path: Path) -> Path:
    """A recording of nothing, for the microphone."""
    path = tmp_path / "silence.wav"
    await anyio.to_thread.run_sync(write_wav, path, np.zeros(60 * 48_000, np.int16), 48_000)
    return path


async def choose(page: Page, id: str, value: str) -> None:
    field = f"document.getElementById({id!r})"
    await page.evaluate(f"{field}.value = {value!r}")
    await page.evaluate(f"{field}.dispatchEvent(new Event('change'))")


async def test_a_link_opens_the_page_with_what_was_chosen(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence, script=WIRE) as page:
        link = f"http://127.0.0.1:{server.port}/#instructions={quote('Be brief.')}&voice=high&speed=1.2&turns=high"
        await page.call("Page.navigate", url=link)
        await page.wait_for(f"document.readyState === 'complete' && {STATE} === 'idle'")
        await page.click("#talk")
        await page.wait_for(f"{STATE} === 'listening'")
        first = await page.evaluate("asked[0]")
        assert first["instructions"] == "Be brief."
        assert first["audio"]["output"] == {"voice": "high", "speed": 1.2}
        assert first["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "high"}
        await choose(page, "choose-language", "en")
        assert "language=en" in await page.evaluate("location.hash")
        assert (await page.evaluate("asked.at(-1)"))["audio"]["input"]["transcription"]["language"] == "en"
        assert page.complaints == []


async def test_an_agent_of_the_server_is_chosen_and_in_the_link(silence: Path) -> None:
    agents = (Agent(name="sales", voice="low"), Agent(name="support", voice="high"))
    crew = Crew(agents, (Route(agent="sales", default=True), Route(agent="support", keywords=("broken",))))
    field = "document.getElementById('choose-agent')"
    async with live_server(crew=crew) as server, browser(microphone=silence) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        await page.wait_for("!document.getElementById('agent-choice').hidden")
        assert await page.evaluate(f"[...{field}.options].map(({{ value }}) => value)") == [
            "",
            "sales",
            "support",
        ]
        await choose(page, "choose-agent", "support")
        link = await page.evaluate("location.href")
        assert link.endswith("#agent=support")
        await page.call("Page.reload")
        await page.wait_for(f"document.readyState === 'complete' && {field}.value === 'support'")
        await page.click("#talk")
        await write(page, "hello")
        await page.wait_for(f"{lines('agent')}.at(-1)?.includes('hello')")
        assert server.voice.requests[-1].voice == "high"
        assert page.complaints == []


async def test_one_holds_the_space_bar_to_talk_and_lets_go_for_the_answer(tmp_path: Path) -> None:
    hum = tmp_path / "hum.wav"
    samples = (8000 * np.sin(np.arange(60 * 48_000) * 2 * np.pi * 300 / 48_000)).astype(np.int16)
    await anyio.to_thread.run_sync(write_wav, hum, samples, 48_000)
    async with live_server() as server, browser(microphone=hum, script=WIRE) as page:
        await begin(page, server.port)
        await page.wait_for(f"{STATE} !== 'connecting'")
        await choose(page, "choose-turns", "hold")
        await page.wait_for("document.getElementById('mic').dataset.microphone === 'muted'")
        for type in ("rawKeyDown", "keyUp"):
            await page.call(
                "Input.dispatchKeyEvent", type=type, code="Space", key=" ", windowsVirtualKeyCode=32
            )
            await anyio.sleep(1.0)
        await page.wait_for(f"{lines('agent')}.some((line) => line.includes('hello there'))")
        sent = await page.evaluate("types")
        assert sent.index("input_audio_buffer.clear") < sent.index("input_audio_buffer.commit")
        assert await page.evaluate("document.getElementById('mic').dataset.microphone") == "muted"


async def test_events_are_shown_and_filtered(silence: Path) -> None:
    shown = "[...document.querySelectorAll('#event-list summary')].map((line) => line.innerText)"
    async with live_server() as server, browser(microphone=silence) as page:
        await begin(page, server.port)
        await write(page, "hello")
        await page.wait_for(f"{lines('agent')}.at(-1)?.includes('hello')")
        await page.click("#open-events")
        await page.wait_for(f"{shown}.some((line) => line.includes('← session.created'))")
        assert any("→ conversation.item.create" in line for line in await page.evaluate(shown))
        field = "document.getElementById('event-filter')"
        await page.evaluate(f"{field}.value = 'response.created'")
        await page.evaluate(f"{field}.dispatchEvent(new Event('input'))")
        (line,) = await page.evaluate(shown)
        assert line.endswith("← response.created")


async def test_a_tool_is_approved_on_a_card_and_its_turn_shows_what_it_did(
    silence: Path, mcp: McpServers
) -> None:
    buy = ToolCall("call_0", "buy", '{"what": "shoes"}')
    model = ScriptedModel(Said(calls=(buy,)), "It is yours.")
    async with (
        mcp_server() as shop,
        live_server(model, None, mcp, mcp_servers=(shop.url,)) as server,
    ):
        async with browser(microphone=silence, script=WIRE) as page:
            await page.open(f"http://127.0.0.1:{server.port}/")
            tool = {"type": "mcp", "server_label": "shop", "server_url": shop.url, "authorization": "s3cret"}
            tools = json.dumps([tool])
            await choose(page, "choose-tools", tools)
            assert "s3cret" not in await page.evaluate("location.href")
            await page.click("#talk")
            await page.wait_for(f"{STATE} === 'listening'")
            await write(page, "Buy the shoes")
            await page.wait_for("document.querySelector('.approval') !== null")
            assert "buy" in await page.evaluate("document.querySelector('.approval').innerText")
            assert "buy" in await page.evaluate("document.getElementById('announcer').textContent")
            await page.click(".approval .pill")
            assert await page.evaluate("document.activeElement.innerText") == "Allowed."
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('It is yours.')")
            told = "document.getElementById('turn-tools').innerText"
            await page.wait_for(f"{told}.includes('bought shoes')")
            assert '{"what": "shoes"}' in await page.evaluate(told)


async def test_keys_do_what_their_list_says(silence: Path) -> None:
    async def press(key: str) -> None:
        for type in ("keyDown", "keyUp"):
            await page.call("Input.dispatchKeyEvent", type=type, key=key, text=key)

    async with live_server() as server, browser(microphone=silence) as page:
        await begin(page, server.port)
        await page.wait_for(f"{STATE} === 'listening'")
        await page.evaluate("document.activeElement.blur()")
        for microphone in ("muted", "on"):
            await press("m")
            await page.wait_for(f"document.getElementById('mic').dataset.microphone === {microphone!r}")
        await press("t")
        await page.wait_for("document.activeElement.id === 'text'")
        await press("m")
        assert await page.evaluate("document.getElementById('text').value") == "m", "who types, types"
        await page.evaluate("document.activeElement.blur()")
        await press("?")
        await page.wait_for("document.getElementById('keys').open")
