"""The page in every state, on every screen, light and dark: pictures for people to look at.

A scripted socket takes the server's place, so that each state stays for as long as its pictures take.
"""

import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import numpy as np

from audio.files import write_wav
from server.config.agents import Agent, Crew, Route
from tests.support.browser import Page, PageError, Tab, browser
from tests.support.firefox import FirefoxPage, firefox
from tests.support.live_server import live_server

SOCKET: Final = Path(__file__).parents[1] / "tests" / "web" / "scripted_socket.js"
CREW: Final = Crew(
    (Agent(name="reception"), Agent(name="kitchen")),
    (Route(agent="reception", default=True), Route(agent="kitchen", keywords=("menu",))),
)
FOLDER: Final = "/tmp/photographs"
SCHEMES: Final = ("light", "dark")
PLAIN: Final = "plain.test"  # a name of this machine
SETTLE_S: Final = 0.35
AGAIN_S: Final = 0.7  # so soon after another a press counts as a double click

SCREENS: Final = {
    "desk": (1280, 800),
    "laptop": (1366, 620),
    "phone": (390, 844),
    "lying": (844, 390),
    "narrow": (320, 640),
}
FAMILIES: Final = (("desk", "laptop"), ("phone", "narrow"), ("lying",))
"""A page that begins on a phone looks different from one that has become as small as one."""

REFUSED: Final = """
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
"""
BEGUN: Final = """
  scripted.hear("Can I come on Friday at seven?");
  scripted.answer("Yes, we have a table for four on Friday at seven. Under which name shall I put it?");
  scripted.hear("Under Miller, and we would like to sit outside if that is possible.");
"""
SPEAKS: Final = (
    BEGUN
    + 'scripted.answer("It is noted, Miller. Outside is free that evening, so that is yours.", { seconds: 90 });'
)
APPROVAL: Final = """
  const item = { id: "call_1", type: "mcp_approval_request", name: "book_table", server_label: "restaurant",
    arguments: '{"day": "Friday", "time": "19:00", "guests": 4, "name": "Miller", "outside": true}' };
  scripted.say({ type: "response.created", response: { id: "resp_a" } });
  scripted.say({ type: "response.output_item.done", response_id: "resp_a", item });
  scripted.say({ type: "response.done", response: { id: "resp_a", status: "completed", output: [item] } });
"""
EXPLAINED: Final = """
  const item = { id: "call_2", type: "mcp_call", name: "book_table", server_label: "restaurant",
    arguments: '{"day": "Friday", "guests": 4}', output: '{"booked": true, "number": "B-2041"}' };
  const said = scripted.hear("Book it, please.");
  scripted.say({ type: "response.created", response: { id: "resp_b" } });
  scripted.say({ type: "response.output_item.done", response_id: "resp_b", item });
  scripted.say({ type: "response.done", response: { id: "resp_b", status: "completed", output: [item] } });
  scripted.answer("It is booked under B-2041.", { asked: said });
  document.querySelector("#turn-title").scrollIntoView();
"""
OPEN: Final = """
  document.getElementById({0!r}).showModal();
  document.querySelectorAll("dialog details").forEach((one) => (one.open = true));
"""


@dataclass(frozen=True, slots=True)
class State:
    """How the page gets there, and what is true when it has."""

    does: str = ""
    """What is done when the conversation listens."""
    shows: str = "listening"
    """The state of the circle by then."""
    before: str = ""
    """Runs before the page's own scripts."""
    starts: bool = True
    wait_s: float = 0.0
    path: str = "/"
    host: str = "127.0.0.1"
    """By which the page is opened; none but this one has a microphone without TLS."""


STATES: Final = {
    "idle": State(starts=False, shows="idle"),
    "connecting": State(before="scripted.accepts = false;", shows="connecting"),
    "listening": State(),
    "listening later": State(BEGUN + 'scripted.answer("It is noted.");'),
    "hearing": State(BEGUN + 'scripted.hear("And could you", { isOver: false });', "hearing"),
    "thinking": State(BEGUN, "thinking"),
    "speaking": State(SPEAKS, "speaking", wait_s=2),
    "yielding": State(SPEAKS + 'setTimeout(() => scripted.say({ type: "x_pause" }), 800);', "yielding"),
    "muted": State(BEGUN + 'scripted.answer("It is noted."); document.getElementById("mic").click();'),
    "slow line": State(BEGUN + 'scripted.answer("It is noted."); scripted.pongAfterMs = 1300;', wait_s=4),
    "stalled": State(BEGUN + "scripted.pongAfterMs = null;", "stalled"),
    "lost line": State(BEGUN + "scripted.accepts = false; scripted.socket.close(1006);", "reconnecting"),
    "refused microphone": State(before=REFUSED),
    "refused microphone later": State(BEGUN + 'scripted.answer("It is noted.");', before=REFUSED),
    "plain http": State(starts=False, shows="idle", host=PLAIN),
    "plain http later": State(BEGUN + 'scripted.answer("It is noted.");', host=PLAIN),
    "ended": State(
        BEGUN + 'scripted.answer("It is noted."); document.getElementById("end").click();', "closed"
    ),
    "error": State(
        BEGUN
        + 'scripted.say({ type: "response.done", response: { id: "r", status: "failed", output: [] } });'
    ),
    "no server": State(BEGUN + "scripted.socket.close(1008);", "closed"),
    "cut short": State(
        SPEAKS + 'setTimeout(() => document.getElementById("talk").click(), 1500);', wait_s=2.5
    ),
    "approval": State(BEGUN + APPROVAL),
    "explained": State(BEGUN + EXPLAINED, wait_s=0.5),
    "settings": State(OPEN.format("settings")),
    "devices": State(OPEN.format("device-choice")),
    "events": State(BEGUN + "document.getElementById('open-events').click();", "thinking"),
    "keys": State(OPEN.format("keys"), "idle", starts=False),
    "build": State(path="/connect.html"),
    "typed": State(
        "document.getElementById('text').value = 'A long line that one has typed, and that does not fit';"
    ),
}


class Camera(ABC):
    """A browser that can look like a desk or a phone, by day or by night."""

    def __init__(self, page: Tab) -> None:
        self.page = page

    @abstractmethod
    async def load(self, url: str, before: str) -> None:
        """Open a page afresh; `before` runs before its own scripts."""

    @abstractmethod
    async def set_screen(self, screen: str) -> None:
        """One of `SCREENS`."""

    @abstractmethod
    async def shoot(self, path: str) -> None:
        """A picture in each of the schemes there are; `{}` in the path is for its name."""


class Chromium(Camera):
    """Light and dark in turn; phones with their touch."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self._page = page

    async def load(self, url: str, before: str) -> None:
        added = await self._page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await self._page.open("about:blank")
        await self._page.open(url)
        await self._page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])

    async def set_screen(self, screen: str) -> None:
        width, height = SCREENS[screen]
        is_phone = screen not in FAMILIES[0]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        await self._page.call("Emulation.setDeviceMetricsOverride", **size)
        await self._page.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    async def shoot(self, path: str) -> None:
        for scheme in SCHEMES:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            await self._page.call("Emulation.setEmulatedMedia", features=features)
            await anyio.sleep(SETTLE_S)
            await self._page.screenshot(Path(path.format(scheme)))


class Firefox(Camera):
    """In the one scheme that it was started with."""

    def __init__(self, page: FirefoxPage, scheme: str) -> None:
        super().__init__(page)
        self._page = page
        self._scheme = scheme

    async def load(self, url: str, before: str) -> None:
        added = await self._page.call("script.addPreloadScript", functionDeclaration=f"() => {{{before}}}")
        await self._page.open("about:blank")
        await self._page.open(url)
        await self._page.call("script.removePreloadScript", script=added["script"])

    async def set_screen(self, screen: str) -> None:
        await self._page.set_size(*SCREENS[screen])

    async def shoot(self, path: str) -> None:
        await anyio.sleep(SETTLE_S)
        await self._page.screenshot(Path(path.format(self._scheme)))


async def photograph(camera: Camera, port: int, name: str, family: Sequence[str], folder: Path) -> None:
    """One state, on screens that are alike."""
    state = STATES[name]
    await camera.set_screen(family[0])
    await camera.load(f"http://{state.host}:{port}{state.path}", state.before)
    if state.path == "/":
        await bring(camera.page, state)
    for screen in family:
        await camera.set_screen(screen)
        await camera.shoot(str(folder / f"{name.replace(' ', '-')}.{screen}.{{}}.png"))


async def bring(page: Tab, state: State) -> None:
    """Have the page come into this state."""
    circle = "document.getElementById('talk').dataset.state"
    if state.starts:
        await page.click("#talk")
        await page.wait_for(f"{circle} !== 'idle'")
    if state.shows != "connecting":
        await page.wait_for(f"{circle} !== 'connecting'")
    await anyio.sleep(AGAIN_S)
    await page.evaluate(f"void (() => {{ {state.does} }})()")
    await anyio.sleep(state.wait_s)
    await page.wait_for(f"{circle} === {state.shows!r}")


@asynccontextmanager
async def chromium(folder: Path, script: str) -> AsyncIterator[Sequence[Chromium]]:
    """One whose microphone hears a hum."""
    hum = folder / "hum.wav"
    wave = 1500 * np.sin(np.arange(600 * 48_000) * 2 * np.pi * 200 / 48_000)
    await anyio.to_thread.run_sync(write_wav, hum, wave.astype(np.int16), 48_000)
    async with browser(f"--host-resolver-rules=MAP {PLAIN} 127.0.0.1", microphone=hum, script=script) as page:
        yield [Chromium(page)]
    hum.unlink()


@asynccontextmanager
async def firefoxes(script: str) -> AsyncIterator[Sequence[Firefox]]:
    """One for each scheme."""
    cameras = []
    async with AsyncExitStack() as stack:
        for content, scheme in enumerate(reversed(SCHEMES)):  # dark is 0, and light 1
            wanted = {
                "layout.css.prefers-color-scheme.content-override": content,
                "network.dns.localDomains": PLAIN,
            }
            page = await stack.enter_async_context(firefox(script=script, preferences=wanted))
            cameras.append(Firefox(page, scheme))
        yield cameras


def album(folder: Path) -> Iterator[str]:
    """All pictures on one page."""
    yield "<!doctype html><meta charset=utf-8><title>Photographs</title>"
    yield "<style>body{font:14px sans-serif} img{height:360px;margin:2px;border:1px solid #999}</style>"
    for name in STATES:
        yield f"<h2>{name}</h2>"
        for path in sorted(folder.glob(f"{name.replace(' ', '-')}.*.png")):
            yield f"<a href='{path.name}'><img src='{path.name}' title='{path.name}'></a>"


async def photograph_all(cameras: Sequence[Camera], port: int, left: deque[str], folder: Path) -> None:
    """What is left of the states, one after the other. Raises PageError."""
    while left:
        for family in FAMILIES:
            for camera in cameras:
                await photograph(camera, port, left[0], family, folder)
        print(left.popleft(), flush=True)


async def main(folder: Path, names: Sequence[str], *, by_firefox: bool) -> None:
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    script = await anyio.Path(SOCKET).read_text()
    left, failed = deque(names or STATES), list[str]()
    async with live_server(crew=CREW) as server:
        while left:
            try:
                async with firefoxes(script) if by_firefox else chromium(folder, script) as cameras:
                    await photograph_all(cameras, server.port, left, folder)
            except PageError as error:
                if failed.count(left[0]) == 3:
                    raise
                failed.append(left[0])
                print(f"{error}: {left[0]} once more, in a new browser", flush=True)
    await anyio.Path(folder, "index.html").write_text("\n".join(album(folder)))
    print(folder / "index.html")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--firefox"]
    folder = Path(words[0] if words else FOLDER)
    anyio.run(partial(main, folder, words[1:], by_firefox="--firefox" in sys.argv))
