"""Lighthouse's scores of the server's pages, as a table; fails where one is below what we hold ourselves to."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anyio

from tests.support.browser import CHROMIUM
from tests.support.live_server import live_server

PROGRAM: Final = Path(__file__).parents[1] / "tests/web/tools/lighthouse/node_modules/lighthouse/cli/index.js"
PATHS: Final = ("/", "/connect.html")
FORMS: Final = {"phone": (), "desk": ("--preset=desktop",)}
CATEGORIES: Final = ("performance", "accessibility", "best-practices", "seo")
LEAST: Final = 95
RUN_S: Final = 180


async def judged(url: str, flags: Sequence[str]) -> dict[str, Any]:
    """What Lighthouse reports of one page."""
    with tempfile.TemporaryDirectory() as home:
        report = Path(home, "report.json")
        chrome = "--headless=new --no-sandbox --disable-dev-shm-usage"
        command = ["node", str(PROGRAM), url, "--quiet", "--output=json", f"--output-path={report}", *flags]
        command += [f"--chrome-flags={chrome}", f"--only-categories={','.join(CATEGORIES)}"]
        environment = {**os.environ, "CHROME_PATH": CHROMIUM or ""}
        with anyio.fail_after(RUN_S):
            await anyio.run_process(command, env=environment, stderr=None, stdout=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(await anyio.Path(report).read_text())
        return found


def faults(report: dict[str, Any], category: str) -> list[str]:
    """What costs points, each with what was measured."""
    audits = [
        report["audits"][ref["id"]] for ref in report["categories"][category]["auditRefs"] if ref["weight"]
    ]
    lost = [audit for audit in audits if audit["score"] is not None and audit["score"] < 0.9]
    return [f"{audit['title']} {audit.get('displayValue', '')}".strip() for audit in lost]


async def main(paths: Sequence[str]) -> int:
    """0 where every score is good enough."""
    is_good = True
    print(f"| page | as | {' | '.join(CATEGORIES)} |\n| --- | --- |{' ---: |' * len(CATEGORIES)}")
    async with live_server() as server:
        for path in paths:
            for form, flags in FORMS.items():
                report = await judged(f"http://127.0.0.1:{server.port}{path}", flags)
                scores = {name: round(report["categories"][name]["score"] * 100) for name in CATEGORIES}
                print(f"| {path} | {form} | {' | '.join(map(str, scores.values()))} |", flush=True)
                for name, score in scores.items():
                    is_good &= score >= LEAST
                    for fault in faults(report, name) if score < 100 else ():
                        print(f"  {name}: {fault}", file=sys.stderr)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[1:] or PATHS))
