"""What one keeps of a conversation, what explains its turns, and what keeps a phone awake, in a real browser."""

import base64
import json
import wave
from io import BytesIO

import numpy as np
import pytest

from tests.support.browser import CHROMIUM, Page, browser
from tests.support.live_server import LONG, live_server
from tests.web.talking import begin, booth, lines, say, write

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        CHROMIUM is None, reason="NO CHROMIUM: the page is not tested; apt-get install chromium"
    ),
]

LISTENING = "document.getElementById('talk').dataset.state === 'listening'"

SAVED = """
  window.saved = {};  // the files that the page has saved, by their kind, as base64
  window.locks = [];
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => (window.blobs = [...(window.blobs ?? []), blob], make(blob));
  HTMLAnchorElement.prototype.click = async function () {
    const reader = new FileReader();
    reader.onload = () => { saved[this.download.split(".").at(-1)] = reader.result.split(",")[1]; };
    reader.readAsDataURL(blobs.at(-1));
  };
  Object.defineProperty(navigator, "wakeLock", { value: {
    request: async (kind) => {
      const lock = { kind, released: false, release: async () => { lock.released = true; } };
      locks.push(lock);
      return lock;
    },
  } });
"""


HUM = (200 * np.sin(np.arange(16_000) * 2 * np.pi * 50 / 16_000)).astype(np.int16)
"""A second of it, too soft for speech."""


async def saved(page: Page, kind: str, button: str) -> bytes:
    await page.click(f"#{button}")
    await page.wait_for(f"saved.{kind} !== undefined")
    return base64.b64decode(await page.evaluate(f"saved.{kind}"))


async def test_a_conversation_is_kept_and_its_turns_explain_themselves() -> None:
    async with live_server() as server, browser(script=SAVED + booth(hum=(HUM, 16_000))) as page:
        await begin(page, server.port)
        await page.wait_for(LISTENING)
        await say(page, "hum")
        assert await page.evaluate("locks.length === 1 && !locks[0].released"), "the screen stays on"
        await write(page, LONG)
        shown = """document.querySelector('[data-role="agent"] .words').firstChild.textContent"""
        await page.wait_for(f"{lines('agent')}.length && {shown}.includes('three')")
        await page.click("#talk")
        await page.wait_for(f"{lines('agent')}[0].endsWith('cut short') && {LISTENING}")
        await write(page, "good morning")
        await page.wait_for(f"{lines('agent')}[1]?.includes('good morning')")
        await page.wait_for(f"document.querySelectorAll('#waits li').length === 2 && {LISTENING}")
        assert "p95" in await page.evaluate("document.getElementById('waits-note').innerText")

        await page.evaluate("""document.querySelector('[data-role="agent"] .who').click()""")
        account = "document.getElementById('turn-account').innerText"
        assert await page.evaluate("document.getElementById('turn-title').innerText") == "Turn 1"
        assert "Cut short" in await page.evaluate(account)
        assert "Not heard" in await page.evaluate(account)
        assert "you interrupted" in await page.evaluate("document.getElementById('time-line').innerText")
        assert await page.evaluate(
            "document.getElementById('waves').getContext('2d').getImageData(0, 0, 300, 60).data.some((one) => one > 0)"
        )

        kept = json.loads(await saved(page, "json", "keep-json"))
        said = [(line["role"], line["status"]) for line in kept["lines"]]
        assert said == [
            ("person", "final"),
            ("agent", "interrupted"),
            ("person", "final"),
            ("agent", "final"),
        ]
        words = kept["lines"][1]["words"]
        assert [word["at_ms"] for word in words] == sorted(word["at_ms"] for word in words)
        assert "".join(word["text"] for word in words).strip() == kept["lines"][1]["text"]
        assert b"cut short" in await saved(page, "txt", "keep-text")

        with wave.open(BytesIO(await saved(page, "wav", "keep-sound"))) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 24_000)
            both = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
        agent = np.abs(both[:, 1]) > 300
        first, last = np.flatnonzero(agent)[[0, -1]] / 24
        assert first - 100 < words[0]["at_ms"] < last, "its sound lies where its words do"
        assert np.abs(both[:, 0]).max() > 50, "the microphone is on the left"

        replay = (await saved(page, "html", "keep-page")).decode()
        assert "data:audio/wav;base64," in replay
        assert replay.count("data-ms") > len(words)

        await page.click("#end")
        await page.wait_for("document.getElementById('talk').dataset.state === 'closed'")
        await page.wait_for("locks.every((lock) => lock.released)")
        assert page.complaints == []
