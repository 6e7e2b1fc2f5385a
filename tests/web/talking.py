"""What the tests of the page do on it, whichever the browser: press, type, listen and read along."""

from tests.support.browser import Tab

EAR = """
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) connect.call(this, (window.ear = new AnalyserNode(this.context)));
    return connect.call(this, to, ...rest);
  };
  const samples = new Float32Array(2048);
  window.heard = [];  // every 20 ms: the page's state, whether it was just cut short, and how loud it is
  setInterval(() => {
    if (!window.ear) return;
    ear.getFloatTimeDomainData(samples);
    const orb = document.getElementById("talk");
    const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    const cuts = document.querySelectorAll("[data-status=interrupted]").length;
    heard.push({ state: orb.dataset.state, cuts, loudness });
  }, 20);
"""
"""Listens to what goes to the loudspeaker."""

WORDS = """
  addEventListener("DOMContentLoaded", () => {
    const announcer = document.getElementById("announcer");
    new MutationObserver(() => announced.push(announcer.textContent)).observe(announcer, { childList: true });
  });
  const Socket = WebSocket;
  window.announced = [];  // all that screen readers are told
  window.words = [];    // all that the server says of the words of its first answer
  window.reports = [];  // how much it says was heard of it, what it shows then and two pictures later, words known
  window.WebSocket = class extends Socket {
    constructor(...all) {
      super(...all);
      this.addEventListener("message", ({ data }) => {
        const event = typeof data === "string" ? JSON.parse(data) : {};
        if (event.type === "x_words") words.push(...event.words);
      });
    }
    send(data) {
      const event = typeof data === "string" ? JSON.parse(data) : {};
      const shown = () => document.querySelector('[data-role="agent"] .words')?.firstChild.textContent ?? "";
      if (event.type === "x_playback") {
        const report = [event.played_samples, shown(), null, words.length];
        reports.push(report);
        requestAnimationFrame(() => requestAnimationFrame(() => (report[2] = shown())));
      }
      super.send(data);
    }
  };
"""
"""Notes where words lie, and when the page shows them."""


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
    """Ask for an answer that says `text`, interrupt it, and hold what the page showed against what the server said."""
    await write(page, text)
    await page.wait_for("reports.length > 12 && reports[11][2] !== null")
    await page.click("#talk")
    await page.wait_for(f"{lines('agent')}[0]?.endsWith('cut short')")
    words, reports = await page.evaluate("words"), await page.evaluate("reports")
    kept = await page.evaluate(
        """document.querySelector('[data-role="agent"] .words').firstChild.textContent"""
    )

    def heard(key: str, played: int, known: int | None = None) -> str:
        return "".join(word["text"] for word in words[:known] if word[key] < played)

    for played, shown, drawn, known in reports[:12]:
        begun = heard("start_sample", played, known)
        assert begun.startswith(shown), f"{shown!r} is shown before it is heard: {begun!r}"
        assert drawn.startswith(begun), f"{begun!r} is heard, and two pictures later {drawn!r} is shown"
    assert kept == heard("end_sample", reports[-1][0] + 1)
    assert 0 < len(kept) < len(text)
    told = [line for line in await page.evaluate("announced") if line.startswith("Agent")]
    assert told == [f"Agent: {kept}"], "screen readers hear of an answer once, when it is over"
