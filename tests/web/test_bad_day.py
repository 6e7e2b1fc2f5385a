"""The page on its worst day: lost lines, lost sound, plain http, impatient fingers."""

from pathlib import Path

import anyio
import numpy as np
import pytest

from audio.files import write_wav
from server.client.client import RealtimeClient
from stages.testing.fakes import Conduct, EchoModel
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.dead_line import dead_line
from tests.support.live_server import LONG, live_server
from tests.web.talking import EAR, HASTE, begin, check_soon, is_whole, lines, shows, write

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

LISTENING = "document.getElementById('status').innerText === 'Listening'"
FIELD = "document.getElementById('text').value"

SOCKETS = """
  const Socket = WebSocket;
  window.tries = 0;
  window.WebSocket = class extends Socket {
    constructor(...all) { super(...all); window.tries += 1; }
  };
"""
"""Counts how often the page tries to connect."""

FORMATS = """
  const send = WebSocket.prototype.send;
  window.sizes = [];  // of the frames of the microphone
  WebSocket.prototype.send = function (data) {
    if (typeof data !== "string") sizes.push(data.byteLength);
    return send.call(this, data);
  };
"""

DEVICES = """
  const [Context, ask, resume] = [AudioContext, navigator.mediaDevices.getUserMedia, AudioContext.prototype.resume];
  window.contexts = [];
  window.tracks = [];
  window.needsTouch = false;
  window.AudioContext = class extends Context {
    constructor(...all) { super(...all); contexts.push(this); }
    resume() { return window.needsTouch ? new Promise(() => {}) : resume.call(this); }
  };
  navigator.mediaDevices.getUserMedia = async (...all) => {
    const stream = await ask.apply(navigator.mediaDevices, all);
    tracks.push(...stream.getTracks());
    return stream;
  };
"""
"""Keeps what the page plays and hears with, so that a test can take it away as a phone does."""


@pytest.fixture
async def silence(tmp_path: Path) -> Path:
    """A recording of nothing, for the microphone."""
    path = tmp_path / "silence.wav"
    await anyio.to_thread.run_sync(write_wav, path, np.zeros(60 * 48_000, np.int16), 48_000)
    return path


MICROPHONE = "document.getElementById('mic').dataset.action"
"""What the microphone's button does now."""


def can_press(id: str) -> str:
    """Whether a button is there and does something, as an expression."""
    return f"{is_seen(id)} && !document.getElementById({id!r}).disabled"


def is_seen(id: str) -> str:
    """Whether a button can be pressed, as an expression."""
    return f"document.getElementById({id!r}).offsetParent !== null"


# --- the line ---------------------------------------------------------------------------------------------------


async def test_a_line_that_dies_silently_is_named_and_what_was_typed_is_said_on_the_next(
    silence: Path,
) -> None:
    async with live_server() as server, dead_line(server.port) as line:
        async with browser(microphone=silence) as page:
            await begin(page, line.port)
            await page.wait_for(LISTENING)
            await page.evaluate("document.getElementById('say-status').click()")
            line.die()
            await write(page, "are you there")
            await page.wait_for("document.getElementById('status').innerText === 'The line is silent'")
            told = await page.evaluate("document.getElementById('announcer').textContent")
            assert told == "The line is lost", (
                "who wants to hear of no states is told of this one all the same"
            )
            assert await page.evaluate(can_press("end"))
            await write(page, "hello")
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('hello')")
            assert [line.split("\n")[-1] for line in await page.evaluate(lines("person"))] == [
                "are you there",
                "hello",
            ]
            assert await page.evaluate(FIELD) == ""
            assert page.complaints == []


async def test_on_a_slow_line_speech_goes_in_telephone_quality_and_the_page_says_so(silence: Path) -> None:
    said = "document.getElementById('line').innerText"
    async with live_server() as server, dead_line(server.port) as line:
        async with browser(microphone=silence, script=FORMATS + EAR) as page:
            await begin(page, line.port)
            await page.wait_for(LISTENING)
            line.bytes_per_s = 12_500  # the microphone needs 48,000
            await page.wait_for(f"{said}.includes('telephone quality')")
            await write(page, "good morning to everybody")
            await page.wait_for("document.querySelector('#captions [data-status=sending]') !== null")
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('good morning')")
            # In pieces, as the line is slow: the page may wait for the next one while the loudspeaker has this one.
            await page.wait_for("heard.some(({loudness}) => loudness > 0.01)")
            sizes = await page.evaluate("sizes")
            assert sizes[0] == 12 + 2 * 480
            assert sizes[-1] in range(12 + 158, 12 + 163)
            assert server.voice.requests, "it was spoken"
            assert page.complaints == []


async def test_a_question_that_the_server_had_is_given_back(silence: Path) -> None:
    hangs = EchoModel(conduct=Conduct(hangs=True))
    async with live_server(hangs) as server, dead_line(server.port) as line:
        async with browser(microphone=silence, script=HASTE) as page:
            await begin(page, line.port)
            await page.wait_for(LISTENING)
            await write(page, "book a table")
            await page.wait_for("document.querySelector('#captions [data-status=final]') !== null")
            line.die()
            await check_soon(page, f"{FIELD} === 'book a table'")


async def test_a_server_that_stays_away_is_given_up_and_can_be_tried_again(silence: Path) -> None:
    async with browser(microphone=silence, script=SOCKETS + HASTE) as page:
        async with live_server() as server:
            await begin(page, server.port)
            await page.wait_for(LISTENING)
            since = await page.evaluate("performance.now()")
            await page.wait_for(f"performance.now() > {since} + 6000")  # the connection was a good one
        await page.wait_for("document.getElementById('hint').innerText.includes('up to a minute')")
        await page.wait_for(shows("The server is gone"))
        tries = await page.evaluate("tries")
        assert 5 < tries < 20
        assert await page.evaluate(is_seen("notice-action"))
        async with live_server(port=server.port):
            await page.wait_for("fetch('readyz').then(({ok}) => ok, () => false)")
            assert await page.evaluate("tries") == tries, "nothing is tried any more"
            await page.click("#notice-action")
            await page.wait_for(LISTENING)


async def test_a_server_that_wants_another_key_now_is_not_tried_again(silence: Path) -> None:
    async with browser(microphone=silence, script=SOCKETS) as page:
        async with live_server(api_keys=("first",)) as server:
            await page.open(f"http://127.0.0.1:{server.port}/")
            await page.evaluate("sessionStorage.setItem('stageflow-voice key', 'first')")
            await page.click("#talk")
            await page.wait_for(LISTENING)
        await page.wait_for("document.getElementById('status').innerText === 'The connection was lost'")
        async with live_server(port=server.port, api_keys=("second",)):
            await page.wait_for(shows("The key was not accepted"))
            tries = await page.evaluate("tries")
            await anyio.sleep(3)  # several tries would fit
            assert await page.evaluate("tries") == tries


async def test_a_full_server_is_tried_again_after_a_loss(silence: Path) -> None:
    async with (
        live_server() as server,
        live_server(limits={"max_sessions": 1}) as full,
        dead_line(server.port) as line,
        browser(microphone=silence, script=SOCKETS) as page,
    ):
        await begin(page, line.port)
        await page.wait_for(LISTENING)
        async with RealtimeClient(full.url):
            await full.until_sessions(1)
            line.server_port = full.port
            line.cut()
            tries = await page.evaluate("tries")
            await page.wait_for(f"tries > {tries + 1}")  # the one before was refused
        await check_soon(page, LISTENING)
        await full.until_sessions(1)


# --- the microphone ---------------------------------------------------------------------------------------------


async def test_who_types_first_is_offered_the_microphone(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        await write(page, "hello")
        await page.wait_for("document.getElementById('status').innerText === 'Ready'")
        assert await page.evaluate("document.getElementById('hint').innerText") == (
            "Type, or turn the microphone on."
        )
        assert await page.evaluate(MICROPHONE) == "microphone"
        await page.click("#mic")
        await page.wait_for(LISTENING)
        assert await page.evaluate(MICROPHONE) == "mute"


@pytest.mark.parametrize("first", ["#talk", "#compose"])
async def test_over_plain_http_one_types_and_hears_and_is_told_why(first: str) -> None:
    flags = "--host-resolver-rules=MAP 192.0.2.7 127.0.0.1"
    why = "document.getElementById('hint').innerText.includes('only to pages on https or localhost')"
    async with live_server() as server, browser(flags, script=EAR) as page:
        await page.open(f"http://192.0.2.7:{server.port}/")
        assert not await page.evaluate("isSecureContext")
        assert await page.evaluate(why)
        if first == "#talk":
            await page.click(first)
            await page.wait_for(f"document.getElementById('talk').dataset.state === 'listening' && {why}")
        await write(page, "good morning")
        await page.wait_for(f"{lines('agent')}.at(-1)?.endsWith('You said: good morning')")
        await page.wait_for("heard.some(({state, loudness}) => state === 'speaking' && loudness > 0.01)")
        await page.wait_for(f"document.getElementById('talk').dataset.state === 'listening' && {why}")
        assert await page.evaluate("document.getElementById('notice').hidden")
        assert await page.evaluate(MICROPHONE) == "explain"


# --- what a phone takes away ------------------------------------------------------------------------------------


async def press(page: Page, x: int = 5, y: int = 5) -> None:
    for kind in ("mousePressed", "mouseReleased"):
        await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


async def test_sound_that_was_taken_away_comes_back(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence, script=DEVICES + EAR) as page:
        await begin(page, server.port)
        await page.wait_for(LISTENING)
        await page.evaluate("contexts[0].suspend()")
        await page.wait_for("contexts[0].state === 'running'")
        assert await page.evaluate("document.getElementById('notice').hidden")

        await page.evaluate("window.needsTouch = true")
        await page.evaluate("contexts[0].suspend()")
        await page.wait_for(shows("The sound is paused"))
        await page.evaluate("window.needsTouch = false")
        await press(page)
        await page.wait_for("contexts[0].state === 'running' && document.getElementById('notice').hidden")
        await write(page, "hello")
        await page.wait_for("heard.some(({state, loudness}) => state === 'speaking' && loudness > 0.01)")


async def test_a_microphone_that_was_taken_away_comes_back(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence, script=DEVICES) as page:
        await begin(page, server.port)
        await page.wait_for(LISTENING)
        for is_held in ("true", "false"):
            change = "mute" if is_held == "true" else "unmute"
            await page.evaluate(
                f"Object.defineProperty(tracks[0], 'muted', {{ value: {is_held}, configurable: true }})"
            )
            await page.evaluate(f"tracks[0].dispatchEvent(new Event({change!r}))")
            seen = shows("The microphone is in use elsewhere")
            await page.wait_for(seen if is_held == "true" else f"!({seen})")
        await page.evaluate("tracks[0].dispatchEvent(new Event('ended'))")
        await page.wait_for(shows("The microphone is gone"))
        assert await page.evaluate(MICROPHONE) == "microphone"
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.wait_for(f"tracks.length === 2 && {LISTENING}")
        assert await page.evaluate("document.getElementById('notice').hidden")


# --- fingers ----------------------------------------------------------------------------------------------------


async def test_fingers_that_press_too_often_begin_one_conversation_and_end_none(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence, script=SOCKETS) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        twice = "for (let i = 0; i < 2; i++) document.getElementById('talk').click()"
        await page.evaluate(twice)
        await page.wait_for(LISTENING)
        for _ in range(2):
            await anyio.sleep(0.7)  # a double click is over by then
            await page.evaluate(twice)
        assert await page.evaluate("tries") == 1
        assert await server.sessions() == 1
        await page.click("#end")
        await page.wait_for("document.getElementById('talk').dataset.state === 'closed'")
        await server.until_sessions(0)


async def test_the_circle_shrinks_when_something_was_said_and_interrupts_while_the_agent_speaks(
    silence: Path,
) -> None:
    width = "document.getElementById('talk').offsetWidth"
    async with live_server() as server, browser(microphone=silence) as page:
        await begin(page, server.port)
        await page.wait_for(LISTENING)
        large = await page.evaluate(width)
        await write(page, LONG)
        await page.wait_for("document.getElementById('talk').dataset.state === 'speaking'")
        assert await page.evaluate(width) < large
        await page.wait_for(
            """document.querySelector('[data-role="agent"] .words').firstChild.textContent.includes('two')"""
        )
        await page.click("#talk")
        await page.wait_for(f"{lines('agent')}[0]?.endsWith('cut short') && {LISTENING}")
        assert await server.sessions() == 1


async def test_an_idea_that_is_pressed_twice_is_said_once() -> None:
    async with live_server() as server, browser() as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        await page.evaluate(
            "(() => { const idea = document.querySelector('#ideas button'); idea.click(); idea.click(); })()"
        )
        await page.wait_for(f"{lines('agent')}.length === 1")
        assert len(await page.evaluate(lines("person"))) == 1


async def test_on_a_phone_all_three_buttons_can_be_reached(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence) as page:
        await page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        await page.call(
            "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True
        )
        await page.open(f"http://127.0.0.1:{server.port}/")
        assert not await page.evaluate("matchMedia('(hover: hover)').matches")
        box = await page.evaluate("document.getElementById('talk').getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        points = [{"x": x, "y": y}]
        await page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=points)
        await page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        await anyio.sleep(0.5)
        if await page.evaluate("document.getElementById('talk').dataset.state === 'idle'"):
            await page.click("#talk")  # a busy machine makes a long press of it, which is no click
        await page.wait_for(LISTENING)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for width, height in (
            (390, 844),
            (844, 390),
            (320, 568),
            (390, 420),
        ):  # the last: its keyboard is open
            await page.call(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=True,
            )
            await page.wait_for(f"innerWidth === {width}")
            for id in ("talk", "mic", "keyboard", "end"):
                assert await page.evaluate(is_whole(id)), (id, width, height)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        await page.click("#keyboard")
        assert await page.evaluate(is_whole("text")), "the keyboard's button shows the field"
        await page.click("#end")
        await page.wait_for("document.getElementById('talk').dataset.state === 'closed'")
        assert not await page.evaluate(can_press("end"))
