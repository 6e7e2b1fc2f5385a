"""A headless Firefox with a fake microphone, driven over WebDriver BiDi: the same tests can run in it as in Chromium.

It needs no driver, as it speaks BiDi itself; a few methods of it are enough.
"""

import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect

from tests.support.browser import PageError, Tab, running
from tests.support.patience import PATIENCE_S

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

CALL_S = PATIENCE_S
"""For one call; a browser that draws for longer does not come back."""


class BrowserHangsError(PageError):
    """It answers nothing any more. On a busy machine its threads for the page and for the sound sometimes wait for each
    other for ever, at the loudspeaker that it only pretends to have; a new browser may do."""


_PREFERENCES = {
    "media.navigator.streams.fake": True,  # a microphone that hears a tone
    "media.navigator.permission.disabled": True,
    "media.cubeb.force_mock_context": True,  # a loudspeaker on a machine that has none
    "media.autoplay.default": 0,
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/",  # nobody there: it shall not look for news
}


class FirefoxPage(Tab):
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self._connection = connection
        self._ids = count(1)
        self.context = ""

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of BiDi. Raises PageError where the browser says no; BrowserHangsError: nothing."""
        number = next(self._ids)
        with anyio.move_on_after(CALL_S):
            await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
            while True:
                answer = json.loads(await self._connection.recv())
                if answer.get("id") == number:
                    if answer["type"] == "error":
                        raise PageError(f"{method}: {answer['message']}")
                    return dict(answer["result"])
                self._note(answer)
        raise BrowserHangsError(f"{method}: no answer within {CALL_S} s")

    async def evaluate(self, expression: str) -> Any:
        """What an expression comes to, awaited if it is a promise; as if the person had just clicked."""
        result = await self.call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
        )
        if result["type"] == "exception":
            raise PageError(f"{expression}: {result['exceptionDetails']['text']}")
        value = result["result"]
        return json.loads(value["value"]) if value["type"] == "string" else None

    async def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        await self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def set_size(self, width: int, height: int) -> None:
        """Of what the page is seen through, in its own pixels."""
        size = {"width": width, "height": height}
        await self.call("browsingContext.setViewport", context=self.context, viewport=size)

    async def screenshot(self, path: Path) -> None:
        """What it looks like, as a PNG."""
        shot = await self.call("browsingContext.captureScreenshot", context=self.context)
        await anyio.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _note(self, event: dict[str, Any]) -> None:
        entry = event.get("params", {})
        if event.get("method") == "log.entryAdded" and entry["level"] in ("warn", "error"):
            self.complaints.append(str(entry["text"]))


@asynccontextmanager
async def firefox(
    *, script: str = "", preferences: Mapping[str, object] | None = None
) -> AsyncIterator[FirefoxPage]:
    """A browser with one empty page, whose microphone hears a tone. `script` runs before any of the page's own."""
    assert FIREFOX is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        wanted = _PREFERENCES | dict(preferences or {})
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
        await anyio.Path(home, "user.js").write_text("\n".join(lines))
        command = (FIREFOX, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port=0")
        async with running(*command, "about:blank"):
            async with connect(await _address(Path(home)), max_size=None, compression=None) as connection:
                page = FirefoxPage(connection)
                await page.call("session.new", capabilities={})
                await page.call("session.subscribe", events=["log.entryAdded"])
                tree = await page.call("browsingContext.getTree")
                page.context = tree["contexts"][0]["context"]
                if script:
                    await page.call("script.addPreloadScript", functionDeclaration=f"() => {{{script}}}")
                yield page


async def _address(home: Path) -> str:
    """Where it listens, as soon as it has written it down."""
    file = anyio.Path(home / "WebDriverBiDiServer.json")
    with anyio.fail_after(PATIENCE_S):
        while not await file.exists() or not (text := await file.read_text()):  # noqa: ASYNC110
            await anyio.sleep(0.05)
    return f"ws://127.0.0.1:{json.loads(text)['ws_port']}/session"
