"""The page takes its conversation up again when the line was lost: nothing typed or said is lost."""

from typing import Any

import anyio
import pytest

from tests.support.browser import CHROMIUM, Page, browser
from tests.support.dead_line import dead_line
from tests.support.live_server import LiveServer, live_server
from tests.support.two_nodes import two_nodes
from tests.web.talking import HASTE, begin, booth, check_soon, lines, say, write

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

LISTENING = "document.getElementById('status').innerText === 'Listening'"
STATE = "document.getElementById('talk').dataset.state"
BREAKS = "document.querySelectorAll('#captions .break').length"

ANSWER = "One two three four five six seven eight nine ten. Nine eight seven six five four three two one."

WIRE = """
  const Socket = WebSocket;
  window.wire = { sockets: 0, frames: [], codes: [], epoch: 0 };  // of the answers' audio: where each frame lies
  window.WebSocket = class extends Socket {
    constructor(...all) {
      super(...all);
      wire.sockets += 1;
      this.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") {
          const view = new DataView(data);
          return wire.frames.push([view.getUint32(8, true), (data.byteLength - 12) / 2]);
        }
        const event = JSON.parse(data);
        if (event.type === "error") wire.codes.push(event.error.code);
      });
    }
  };
"""


@pytest.fixture(scope="module")
def sentence() -> str:
    """A script with a sentence that the microphone hears when it is told to."""
    return booth("ps_goforward.wav")


async def went_on(page: Page, server: LiveServer) -> dict[str, Any]:
    """What went over the wire of the one conversation that there was."""
    assert await page.evaluate(BREAKS) == 0
    assert await server.sessions() == 1
    wire: dict[str, Any] = await page.evaluate("wire")
    assert "audio_gap" not in wire["codes"], "what was said is there without a gap"
    assert page.complaints == [] or all("WebSocket" in text for text in page.complaints)
    return wire


async def test_a_line_that_stalls_for_half_a_minute_loses_nothing_that_was_typed_or_said(
    sentence: str,
) -> None:
    async with live_server(resume_grace_s=300.0) as server, dead_line(server.port) as line:
        async with browser(script=HASTE + WIRE + sentence) as page:
            await begin(page, line.port)
            await page.wait_for(LISTENING)
            line.stall()
            await page.wait_for("document.getElementById('status').innerText === 'The line is silent'")
            await write(page, "are you there")
            await page.wait_for("document.querySelector('#captions [data-status=sending]') !== null")
            await page.wait_for("document.getElementById('hint').innerText.includes('up again')")
            await write(page, "hello")
            await say(page, "ps_goforward")
            await anyio.sleep(6)  # half a minute of the page
            line.flow()
            await page.wait_for(f"{lines('agent')}.some((line) => line.includes('hello there'))")
            said = [text.split("\n")[-1] for text in await page.evaluate(lines("person"))]
            assert sorted(said) == ["are you there", "hello", "hello there"]
            await went_on(page, server)


async def test_an_answer_goes_on_over_a_line_that_is_cut_in_the_middle_of_it() -> None:
    words = "document.querySelector('#captions [data-role=agent] .words').firstChild.textContent"
    async with live_server(resume_grace_s=300.0) as server, dead_line(server.port) as line:
        async with browser(script=WIRE) as page:
            await page.open(f"http://127.0.0.1:{line.port}/")
            await write(page, ANSWER)
            await page.wait_for(f"{STATE} === 'speaking' && {words}.includes('three')")
            line.cut()
            await page.wait_for("document.getElementById('hint').innerText.includes('up again')")
            await page.wait_for(f"{words}.trim().endsWith({ANSWER[-20:]!r}) && {STATE} === 'listening'")
            assert (await page.evaluate(lines("agent")))[0].count("cut short") == 0
            wire = await went_on(page, server)
            assert wire["sockets"] == 2
            places = [place for place, _ in wire["frames"]]
            ends = [place + samples for place, samples in wire["frames"]]
            assert places == [0, *ends[:-1]], "each sample once, and in order"


async def test_on_a_line_with_a_third_of_a_second_each_way_nothing_is_made_of_it(sentence: str) -> None:
    async with live_server(resume_grace_s=300.0) as server, dead_line(server.port) as line:
        async with browser(script=WIRE + sentence) as page:
            await page.open(f"http://127.0.0.1:{line.port}/")
            line.delay_s = 0.3
            await page.click("#talk")
            await page.wait_for(LISTENING)
            await write(page, "good morning")
            await page.wait_for(f"{lines('agent')}.some((line) => line.includes('good morning'))")
            await say(page, "ps_goforward")
            await page.wait_for(f"{lines('agent')}.some((line) => line.includes('hello there'))")
            assert (await went_on(page, server))["sockets"] == 1


async def test_a_node_that_stops_sends_the_page_to_another_which_goes_on() -> None:
    async with two_nodes(drain_s=300.0) as nodes, dead_line(nodes.ports[0]) as line:
        async with browser(script=WIRE) as page, anyio.create_task_group() as tasks:
            await page.open(f"http://127.0.0.1:{line.port}/")
            await write(page, "hello")
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('hello')")
            line.server_port = nodes.ports[1]
            tasks.start_soon(nodes.apps[0].drain)
            await page.wait_for("wire.sockets === 2")
            await write(page, "once more")
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('once more')")
            assert await page.evaluate(BREAKS) == 0
            assert await page.evaluate("wire.codes.length") == 0


async def test_a_conversation_that_the_server_has_no_more_is_begun_anew_and_says_so() -> None:
    async with browser(script=WIRE) as page:
        async with live_server(resume_grace_s=300.0) as server:
            await page.open(f"http://127.0.0.1:{server.port}/")
            await write(page, "hello")
            await page.wait_for(f"{lines('agent')}.at(-1)?.includes('hello')")
            port = server.port
        async with live_server(port=port, resume_grace_s=300.0):
            await check_soon(page, f"{BREAKS} === 1")
            await write(page, "once more")
            await check_soon(page, f"{lines('agent')}.at(-1)?.includes('once more')")
