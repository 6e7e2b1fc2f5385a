"""The page to talk on, in a real browser with a fake microphone, before a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest

from audio.files import write_wav
from server.app import App
from server.client.client import RealtimeClient
from server.config.environment import load_settings
from server.config.providers import load_providers
from stages.testing.fakes import ScriptedVoice
from tests.support.browser import CHROMIUM, browser
from tests.support.live_server import LONG, live_server
from tests.web.talking import EAR, WORDS, begin, booth, check_soon, check_words, lines, say, shows, write

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

LISTENING = "document.getElementById('status').innerText === 'Listening'"
MICROPHONE_HZ = 48_000

REALTIME_ONLY = """
  const Socket = WebSocket;
  window.wire = [];  // the types of all events, both ways, without audio
  const note = (data) => JSON.parse(data).type.endsWith("append") || wire.push(JSON.parse(data).type);
  window.WebSocket = class extends Socket {
    constructor(url, offers) {
      super(url, offers.filter((offer) => offer !== "voice.v1"));
      this.addEventListener("message", ({ data }) => note(data));
    }
    send(data) { note(data); super.send(data); }
  };
"""
"""Makes the page do without voice.v1."""


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A recording of silence."""
    path = tmp_path / "microphone.wav"
    write_wav(path, np.zeros(60 * MICROPHONE_HZ, np.int16), MICROPHONE_HZ)
    return path


@asynccontextmanager
async def whole_server() -> AsyncIterator[int]:
    settings = load_settings({"port": 0}, env_file=None)
    async with load_providers(settings, lambda text: None) as providers:
        async with App(settings, providers).listening() as server:
            yield server.sockets[0].getsockname()[1]


@pytest.mark.models
async def test_a_conversation_by_voice() -> None:
    script = await anyio.to_thread.run_sync(booth, "ps_goforward.wav", "ps_something.wav")
    async with whole_server() as port, browser(script=EAR + script) as page:
        await begin(page, port)
        await page.wait_for(LISTENING)
        await say(page, "ps_goforward")
        await page.wait_for(f"{lines('person')}[0]?.includes('Go forward ten met')")
        await page.wait_for("heard.some(({state, loudness}) => state === 'speaking' && loudness > 0.01)")
        await say(page, "ps_something")
        await page.wait_for(f"{lines('agent')}[0]?.endsWith('cut short')")
        await page.wait_for(f"{lines('person')}[1]?.toLowerCase().includes('do something')")
        await page.wait_for("document.querySelectorAll('#waterfall tr').length >= 5")
        steps = await page.evaluate(
            "[...document.querySelectorAll('#waterfall tr')].map((row) => row.dataset.step)"
        )
        assert {"endpoint", "transcript", "first_audio", "heard"} <= set(steps)
        assert await page.evaluate("Number(document.getElementById('sum-cuts').textContent)") == 1
        # While the person speaks; later the next answer may be heard before the page has shown that it speaks.
        after = await page.evaluate("heard.filter(({cuts, state}) => cuts === 1 && state === 'hearing')")
        assert after[-1]["loudness"] < 0.001, "the voice goes on after the interruption"
        await write(page, "What is twelve times seven?")
        await page.wait_for(f"{lines('agent')}.at(-1)?.includes('84')")
        await page.click("#end")
        await page.wait_for("document.getElementById('talk').dataset.state === 'closed'")
        assert page.complaints == []


async def test_words_show_when_they_are_heard_and_stay_as_far_as_they_were(microphone: Path) -> None:
    async with live_server() as server, browser(microphone=microphone, script=WORDS) as page:
        await begin(page, server.port)
        await check_soon(page, LISTENING)
        await check_words(page, LONG)
        assert page.complaints == []


async def test_a_voice_is_chosen_and_remembered(microphone: Path) -> None:
    choice = "document.getElementById('voice-choice')"
    select = "document.getElementById('voices')"
    async with live_server() as server, browser(microphone=microphone) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        await page.wait_for(f"!{choice}.hidden")
        for before, chosen in (("", "high"), ("high", "low")):
            await begin(page, server.port)
            await page.wait_for(f"!{choice}.hidden")
            assert await page.evaluate(f"{select}.value") == before
            names = await page.evaluate(f"[...{select}.options].map((option) => option.text)")
            assert names == ["as the server decides", "low, tones", "high, the same tones an octave higher"]
            await page.evaluate(f"{select}.value = {chosen!r}")
            await page.evaluate(f"{select}.dispatchEvent(new Event('change'))")
            await write(page, "hello")
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('hello')")
            assert server.voice.requests[-1].voice == chosen
        assert page.complaints == []


async def test_one_voice_is_no_choice(microphone: Path) -> None:
    voice = ScriptedVoice()
    voice.voices = voice.voices[:1]
    async with live_server(None, voice) as server, browser(microphone=microphone, script=WORDS) as page:
        await begin(page, server.port)
        await write(page, "hello")
        await page.wait_for("words.length > 0")
        assert await page.evaluate("document.getElementById('voice-choice').hidden")


async def test_plain_realtime_does_as_well() -> None:
    script = await anyio.to_thread.run_sync(booth, "ps_something.wav")
    async with live_server(turn_detection="server_vad") as server:
        async with browser(script=EAR + REALTIME_ONLY + script) as page:
            await begin(page, server.port)
            await page.wait_for(LISTENING)
            await write(page, LONG)
            await page.wait_for("heard.some(({state, loudness}) => state === 'speaking' && loudness > 0.01)")
            await say(page, "ps_something")
            await page.wait_for(f"{lines('agent')}[0]?.endsWith('cut short')")
            await page.wait_for(f"{lines('person')}.at(-1)?.includes('hello there')")
            wire = await page.evaluate("wire")
            assert page.complaints == []
    cut = wire.index("conversation.item.truncate")
    created = cut - 1 - wire[:cut][::-1].index("response.created")
    assert "response.done" not in wire[created:cut], (
        "the page falls silent before the server says that it has"
    )


async def test_a_lost_server_is_said_and_found_again(microphone: Path) -> None:
    async with browser(microphone=microphone) as page:
        async with live_server() as server:
            await begin(page, server.port)
            await page.wait_for(LISTENING)
        await page.wait_for("document.getElementById('status').innerText === 'The connection was lost'")
        async with live_server(port=server.port):
            await page.wait_for(LISTENING)
            await write(page, "hello again")
            await check_soon(page, f"{lines('agent')}.at(-1)?.includes('hello again')")


async def test_without_a_microphone_one_can_type() -> None:
    async with live_server() as server, browser(script=EAR) as page:
        await begin(page, server.port)
        await page.wait_for(shows("The microphone is blocked"))
        await write(page, "good morning")
        await check_soon(page, f"{lines('person')}.at(-1)?.includes('good morning')")
        await check_soon(page, f"{lines('agent')}.at(-1)?.includes('good morning')")
        await check_soon(page, "heard.some(({loudness}) => loudness > 0.01)")


async def test_a_full_server_is_said_plainly(microphone: Path) -> None:
    async with live_server(limits={"max_sessions": 1}) as server, RealtimeClient(server.url):
        await server.until_sessions(1)
        async with browser(microphone=microphone) as page:
            await begin(page, server.port)
            await check_soon(page, shows("All places are taken"))


async def test_a_key_is_asked_for_and_kept(microphone: Path) -> None:
    async with live_server(api_keys=("open+sesame/=",)) as server, browser(microphone=microphone) as page:
        await begin(page, server.port)
        await page.wait_for(shows("asks for a key"))
        for key, then in (("wrong", shows("The key was not accepted")), ("open+sesame/=", "true")):
            await page.evaluate(f"document.getElementById('key').value = {key!r}")
            await page.evaluate("document.getElementById('key-form').requestSubmit()")
            await page.wait_for(then)
        await page.wait_for(LISTENING)
        await begin(page, server.port)
        await check_soon(page, LISTENING)
