"""axe-core in the page: what of it people with other senses or hands cannot use."""

import shutil
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.to_thread
import pytest

from tests.support.browser import Tab

TOOLS = Path(__file__).with_name("tools")
AXE = TOOLS / "node_modules" / "axe-core" / "axe.min.js"
INSTALL_S = 90

_RUN = """
  axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map((one) => `${id}: ${one.target} ${one.failureSummary}`)))
"""


async def violations(page: Tab) -> list[str]:
    """Each place that breaks a rule, with the rule. Installs axe where it is missing, or skips loudly."""
    if not await anyio.to_thread.run_sync(AXE.exists):
        await _install()
    await page.evaluate(await anyio.Path(AXE).read_text() + "\n;0")
    found: list[str] = await page.evaluate(_RUN)
    return found


async def _install() -> None:
    command = ["npm", "install", "--prefix", str(TOOLS), "--no-package-lock", "--no-audit", "--no-fund"]
    if shutil.which("npm") is not None:
        with anyio.move_on_after(INSTALL_S):
            await anyio.run_process(command, stdin=DEVNULL, check=False)
    if not AXE.exists():
        pytest.skip("NO AXE: whether everybody can use the page is not tested; npm must reach its registry")
