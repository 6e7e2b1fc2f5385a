"""An hour of conversation in seconds: what the page keeps of it stays small, and it stays quick."""

from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, Page, browser
from tests.support.live_server import live_server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

SOCKET = Path(__file__).with_name("scripted_socket.js").read_text()
MINUTES = 60
TURNS_A_MINUTE = 6

MINUTE = f"""(async () => {{
  for (let turn = 0; turn < {TURNS_A_MINUTE}; turn++) {{
    const asked = scripted.hear(`What do we know about number ${{scripted.count}}, and why?`);
    scripted.answer(`Of number ${{scripted.count}} we know all that can be known, and here it is.`, {{ asked }});
    for (let ping = 0; ping < 5; ping++) scripted.say({{ type: "x_pong" }});
  }}
  await new Promise(requestAnimationFrame);
}})()"""


async def kept(page: Page) -> tuple[int, float]:
    """How many nodes the page has, those too that are only remembered, and the megabytes of its heap."""
    await page.call("HeapProfiler.collectGarbage")
    nodes = (await page.call("Memory.getDOMCounters"))["nodes"]
    return nodes, (await page.call("Runtime.getHeapUsage"))["usedSize"] / 1e6


async def test_an_hour_of_conversation_takes_no_more_memory_than_twenty_minutes() -> None:
    async with live_server() as server, browser(script=SOCKET) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        await page.click("#talk")
        await page.wait_for("document.getElementById('talk').dataset.state === 'listening'")
        for _ in range(20):
            await page.evaluate(MINUTE)
        before = await kept(page)
        for _ in range(20, MINUTES):
            await page.evaluate(MINUTE)
        after = await kept(page)
        lines = await page.evaluate("document.querySelectorAll('#captions li').length")
        last = await page.evaluate("document.querySelector('#captions li:last-child').innerText")
        assert lines == 200
        assert "we know all that can be known" in last
        assert await page.evaluate("document.getElementById('sum-turns').textContent") == str(
            MINUTES * TURNS_A_MINUTE
        )
        assert after[0] < before[0] * 1.2, (before, after)
        assert after[1] < before[1] + 4, (before, after)
        assert page.complaints == []
