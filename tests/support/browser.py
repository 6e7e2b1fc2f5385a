"""A headless Chromium with a fake microphone, driven over the DevTools protocol.

A small client of our own, because `websockets` is here anyway and five methods of the protocol are enough; a driver
library would bring 50 MB and a Node of its own.
"""

import asyncio
import base64
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect

from tests.support.patience import PATIENCE_S

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
)


class PageError(AssertionError):
    """The page threw, or does not get where it should."""


class Tab(ABC):
    """One page in any browser."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        """What the page wrote to its console as warnings and errors, and what it threw."""

    @abstractmethod
    async def evaluate(self, expression: str) -> Any:
        """What an expression comes to, awaited if it is a promise; as if the person had just clicked."""

    @abstractmethod
    async def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""

    async def wait_for(self, expression: str, timeout_s: float = PATIENCE_S) -> None:
        """Return when the expression is true. Raises PageError."""
        with anyio.move_on_after(timeout_s) as scope:
            while not await self.evaluate(expression):  # noqa: ASYNC110 - it is asked over a socket
                await anyio.sleep(0.05)
        if scope.cancelled_caught:
            seen = await self.evaluate("document.body.innerText")
            raise PageError(f"not within {timeout_s} s: {expression}\n{seen}\n{self.complaints}")

    async def click(self, selector: str) -> None:
        """Press what the selector finds."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


class Page(Tab):
    """One tab of Chromium."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self._connection = connection
        self._ids = count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        number = next(self._ids)
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(await self._connection.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._note(answer)

    async def evaluate(self, expression: str) -> Any:
        """What an expression comes to, awaited if it is a promise; as if the person had just clicked."""
        result = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in result:
            raise PageError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    async def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        await self.call("Page.navigate", url=url)
        await self.wait_for(
            f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'"
        )

    async def screenshot(self, path: Path) -> None:
        """What it looks like, as a PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        await anyio.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"].get("exception", params)))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.complaints.append(params["entry"]["text"])
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("warning", "error"):
            self.complaints.append(str(params["args"]))


@asynccontextmanager
async def browser(*flags: str, microphone: Path | None = None, script: str = "") -> AsyncIterator[Page]:
    """A browser with one empty page.

    `microphone` is the recording that its microphone hears, once, from the moment the page opens it; without one the
    permission is refused. `script` runs before any of the page's own.
    """
    assert CHROMIUM is not None
    if microphone is not None:
        flags = (
            *flags,
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        )
    else:
        flags = (*flags, "--deny-permission-prompts")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        async with running(CHROMIUM, *_FLAGS, *flags, f"--user-data-dir={home}", "about:blank"):
            async with connect(await _page_url(Path(home)), max_size=None, compression=None) as connection:
                page = Page(connection)
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                if script:
                    await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
                yield page


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[None]:
    """A browser's process, which is not there afterwards."""
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=silent, stderr=silent)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _page_url(home: Path) -> str:
    """Where the DevTools of the first page listen, as soon as the browser has written it down."""
    file = anyio.Path(home / "DevToolsActivePort")
    with anyio.fail_after(PATIENCE_S):
        while not (await file.exists() and "\n" in (text := await file.read_text())):  # noqa: ASYNC110
            await anyio.sleep(0.05)
        port = text.split()[0]
        async with connect(f"ws://127.0.0.1:{port}{text.split()[1]}", compression=None) as connection:
            while True:
                await connection.send('{"id":1,"method":"Target.getTargets"}')
                targets = json.loads(await connection.recv())["result"]["targetInfos"]
                if pages := [target for target in targets if target["type"] == "page"]:
                    return f"ws://127.0.0.1:{port}/devtools/page/{pages[0]['targetId']}"
                await anyio.sleep(0.05)
