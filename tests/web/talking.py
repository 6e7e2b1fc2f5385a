"""What the tests of the page do on it, whichever the browser: press, type, listen and read along."""

import json
from pathlib import Path

from pybase64 import b64encode_as_string

from audio.files import read_audio
from audio.formats import Samples
from tests.support.browser import Tab
from tests.support.patience import PATIENCE_S

EAR = """
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) connect.call(this, (window.ear = new AnalyserNode(this.context)));
    return connect.call(this, to, ...rest);
  };
  const samples = new Float32Array(2048);
  window.heard = [];  // every 20 ms or later: when, the page's state, whether it was just cut short, and how loud it is
  setInterval(() => {
    if (!window.ear) return;
    ear.getFloatTimeDomainData(samples);
    const orb = document.getElementById("talk");
    const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    const cuts = document.querySelectorAll("[data-status=interrupted]").length;
    heard.push({ at: performance.now(), state: orb.dataset.state, cuts, loudness });
  }, 20);
"""
"""Listens to what goes to the loudspeaker."""

SPEECH = Path(__file__).parents[1] / "data" / "speech"

BOOTH = """
  let room = null;  // the microphone is a wire from here
  navigator.mediaDevices.getUserMedia = async () => {
    room ??= new AudioContext();
    window.wired = room.createMediaStreamDestination();
    return wired.stream;
  };
  window.say = (name) => new Promise((said) => {
    const [bytes, rate] = [Uint8Array.from(atob(SAYS[name][0]), (one) => one.charCodeAt(0)), SAYS[name][1]];
    const samples = Float32Array.from(new Int16Array(bytes.buffer), (one) => one / 32768);
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(room, { buffer });
    source.onended = () => said(true);
    source.connect(wired);
    source.start();
  });
"""
"""A microphone that hears silence, and `say(name)` when it is told to: a recording that runs by itself would be at
another place on a machine on which all the rest takes longer."""

HASTE = """
  const [now, later, often] = [performance.now.bind(performance), setTimeout, setInterval];
  performance.now = () => now() * 5;
  window.setTimeout = (run, ms, ...rest) => later(run, ms / 5, ...rest);
  window.setInterval = (run, ms, ...rest) => often(run, ms / 5, ...rest);
"""
"""A second of the page lasts 200 ms; in less, a busy machine would not connect in the time that the page gives it."""

WORDS = """
  addEventListener("DOMContentLoaded", () => {
    const announcer = document.getElementById("announcer");
    new MutationObserver(() => announced.push(announcer.textContent)).observe(announcer, { childList: true });
  });
  const Socket = WebSocket;
  window.announced = [];  // all that screen readers are told
  window.words = [];    // all that the server says of the words of its answers
  window.reports = [];  // how much it says was heard of one, what it shows then, what two pictures later, and of which
  window.WebSocket = class extends Socket {
    constructor(...all) {
      super(...all);
      this.addEventListener("message", ({ data }) => {
        const event = typeof data === "string" ? JSON.parse(data) : {};
        if (event.type === "x_words") words.push(...event.words.map((word) => ({ ...word, item: event.item_id })));
      });
    }
    send(data) {
      const event = typeof data === "string" ? JSON.parse(data) : {};
      const shown = () => document.querySelector(`[data-id="${event.item_id}"] .words`)?.firstChild.textContent ?? "";
      if (event.type === "x_playback") {
        const report = [event.played_samples, shown(), null, event.item_id];
        reports.push(report);
        requestAnimationFrame(() => requestAnimationFrame(() => (report[2] = shown())));
      }
      super.send(data);
    }
  };
"""
"""Notes where words lie, and when the page shows them."""


def booth(*recordings: str, **made: tuple[Samples, int]) -> str:
    """A script by which the page hears recordings of `tests/data/speech`, and samples with their rate, when `say` is
    told their name, a recording's without its end."""
    says = {name.partition(".")[0]: read_audio(SPEECH / name) for name in recordings} | made
    told = {name: (b64encode_as_string(one.tobytes()), rate_hz) for name, (one, rate_hz) in says.items()}
    return f"const SAYS = {json.dumps(told)};{BOOTH}"


async def say(page: Tab, name: str) -> None:
    """Let the microphone hear it, to its end."""
    await page.evaluate(f"say({name!r})")


def lines(role: str) -> str:
    """The captions of one role, as an expression."""
    return (
        f"""[...document.querySelectorAll('#captions [data-role="{role}"]')].map((line) => line.innerText)"""
    )


async def begin(page: Tab, port: int) -> None:
    await page.open(f"http://127.0.0.1:{port}/")
    await page.click("#talk")


async def write(page: Tab, text: str) -> None:
    await page.evaluate(f"document.getElementById('text').value = {text!r}")
    await page.evaluate("document.getElementById('compose').requestSubmit()")


async def check_soon(page: Tab, expression: str, timeout_s: float = PATIENCE_S) -> None:
    """What a test holds of the page comes true; raises PageError with what the page shows instead."""
    await page.wait_for(expression, timeout_s)


def shows(text: str) -> str:
    """Whether the page's notice says so, as an expression."""
    notice = "document.getElementById('notice')"
    return f"!{notice}.hidden && {notice}.innerText.includes({text!r})"


def is_whole(id: str) -> str:
    """Whether all of a button lies on the screen, and nothing over it, as an expression."""
    return f"""(() => {{
      const one = document.getElementById({id!r});
      const {{ left, right, top, bottom }} = one.getBoundingClientRect();
      const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
      return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && one.contains(there);
    }})()"""


async def check_words(page: Tab, text: str) -> None:
    """Ask for an answer that says `text`, interrupt it, and hold what the page showed against what the server said.

    What was heard before may be answered first: that answer is another matter.
    """
    await write(page, text)
    long = f"words.find(({{ text }}) => text.trim() === {text.split()[0]!r})?.item"
    await page.wait_for(f"reports.filter((report) => report[3] === {long} && report[2] !== null).length > 12")
    await page.click("#talk")
    item = await page.evaluate(long)
    line = f"""document.querySelector('[data-id="{item}"]')"""
    await page.wait_for(f"{line}.innerText.endsWith('cut short')")
    words = [word for word in await page.evaluate("words") if word["item"] == item]
    reports = [report for report in await page.evaluate("reports") if report[3] == item]
    kept = await page.evaluate(f"{line}.querySelector('.words').firstChild.textContent")

    def heard(key: str, played: int) -> str:
        return "".join(word["text"] for word in words if word[key] < played)

    for played, shown, drawn, _ in reports[:12]:
        begun = heard("start_sample", played)
        assert begun.startswith(shown), f"{shown!r} is shown before it is heard: {begun!r}"
        assert drawn.startswith(begun), f"{begun!r} is heard, and two pictures later {drawn!r} is shown"
    told = heard("end_sample", reports[-1][0] + 1)
    assert kept == told, f"{kept!r} is kept, and {told!r} was heard"
    assert 0 < len(kept) < len(text), f"{kept!r} is kept"
    announced = [said for said in await page.evaluate("announced") if said.startswith("Agent")]
    assert announced.count(f"Agent: {kept}") == 1, "screen readers hear of an answer once, when it is over"
