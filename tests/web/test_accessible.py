"""Every page and every dialog, light and dark, on a desk and on a phone: axe finds nothing to complain of."""

from pathlib import Path

import numpy as np
import pytest

from audio.files import write_wav
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.live_server import live_server
from tests.web.axe import violations
from tests.web.talking import begin, is_whole, lines, shows, write

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

SIZES = {"desk": (1280, 800), "laptop": (1366, 620), "phone": (390, 844), "phone on its side": (844, 390)}


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    """A recording of nothing, for the microphone."""
    path = tmp_path / "silence.wav"
    write_wav(path, np.zeros(60 * 48_000, np.int16), 48_000)
    return path


async def check(page: Page) -> None:
    """axe, in both schemes; without motion, or it would see a colour on its way to another."""
    for scheme in ("dark", "light"):
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        media = [{"name": name, "value": value} for name, value in features.items()]
        await page.call("Emulation.setEmulatedMedia", features=media)
        assert await violations(page) == [], scheme


CONTROLS = {"button", "checkbox", "combobox", "link", "searchbox", "slider", "textbox"}


async def nameless(page: Page) -> list[str]:
    """The controls of which a screen reader could say no more than what they are."""
    tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    seen = [(node["role"]["value"], node["name"]["value"]) for node in tree if "name" in node]
    assert any(role in CONTROLS for role, _ in seen)
    return [role for role, name in seen if role in CONTROLS and not name]


async def set_size(page: Page, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 900}
    await page.call("Emulation.setDeviceMetricsOverride", **size)
    await page.wait_for(f"innerWidth === {width}")


async def test_no_page_and_no_dialog_shuts_anybody_out(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence) as page:
        await page.open(f"http://127.0.0.1:{server.port}/connect.html")
        await page.wait_for("document.querySelector('.example button') !== null")
        await check(page)
        await page.open(f"http://127.0.0.1:{server.port}/")
        await check(page)
        await begin(page, server.port)
        await write(page, "good morning")
        await page.wait_for(f"{lines('agent')}.at(-1)?.includes('good morning')")
        await check(page)
        for dialog in ("settings", "events", "device-choice", "keys"):
            await page.evaluate(f"document.getElementById({dialog!r}).showModal()")
            await page.evaluate(
                "document.querySelectorAll('dialog details').forEach((one) => (one.open = true))"
            )
            await check(page)
            assert await nameless(page) == [], dialog
            await page.evaluate(f"document.getElementById({dialog!r}).close()")
        await set_size(page, *SIZES["phone"])
        await check(page)


async def test_what_is_to_be_done_about_a_problem_can_be_pressed_on_every_screen() -> None:
    words_px = "document.getElementById('captions').clientHeight"
    async with live_server() as server, browser() as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        await set_size(page, *SIZES["phone"])  # where the field gives way to a conversation by voice
        await page.click("#talk")
        await page.wait_for(shows("The microphone is blocked"))
        for name, size in SIZES.items():
            await set_size(page, *size)
            for id in ("notice-action", "text"):
                assert await page.evaluate(is_whole(id)), (name, id)
        await check(page)
        await write(page, "good morning")
        await set_size(page, *SIZES["laptop"])
        await page.wait_for("document.getElementById('talking').dataset.begun !== undefined")
        assert await page.evaluate(words_px) > 120, "most of the room is for what was said"


async def test_the_buttons_stay_where_they_are_whatever_they_are_called(silence: Path) -> None:
    places = "[...document.querySelectorAll('.cap')].map((one) => Math.round(one.getBoundingClientRect().x))"
    async with live_server() as server, browser(microphone=silence) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        before = await page.evaluate(places)
        await page.click("#talk")
        await page.wait_for("document.getElementById('mic-label').textContent === 'Mute'")
        assert await page.evaluate(places) == before
        left, middle, right = before
        assert right - middle == pytest.approx(middle - left, abs=1)
        forced = [{"name": "forced-colors", "value": "active"}]
        await page.call("Emulation.setEmulatedMedia", features=forced)
        colours = "(({{ color, borderColor }}) => [color, borderColor])(getComputedStyle(document.querySelector({!r})))"
        expected = await page.evaluate(colours.format("#send"))
        for id in ("mic", "end"):
            assert await page.evaluate(colours.format(f"#{id} .cap")) == expected, id


async def test_a_voice_is_heard_before_it_is_chosen(silence: Path) -> None:
    async with live_server() as server, browser(microphone=silence) as page:
        await page.open(f"http://127.0.0.1:{server.port}/")
        for is_talking in (False, True):
            if is_talking:
                await begin(page, server.port)
            await page.wait_for("document.querySelectorAll('#previews button').length === 2")
            await page.evaluate("document.querySelectorAll('#previews button')[1].click()")
            await page.wait_for("document.getElementById('preview-note').textContent === 'high speaks.'")
            await server.until_sessions(int(is_talking))
            assert server.voice.requests[-1].voice == "high"
            assert await page.evaluate("document.getElementById('voices').value") == ""
        await page.wait_for("document.getElementById('mic').dataset.microphone === 'on'")
        assert await page.evaluate("document.getElementById('part-agents-row').hidden"), "one is no list"
        assert page.complaints == []
