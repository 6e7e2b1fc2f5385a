"""A whole measurement: what it says meanwhile, and that it ends with a report however it ends."""

import signal
from pathlib import Path

import pytest

from server.client.load.html_report import html
from server.client.load.measurement import Measurement, Order
from server.client.load.objectives import read_objectives
from server.client.load.reference import Conduct
from server.client.load.reference_server import reference_server
from server.client.load.runner import Load
from server.client.load.script import Mix
from server.client.load.text_reports import table
from tests.server.client.load.booth import scenario

QUICK = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300)
MIX = Mix(scenarios=(scenario({"silence_ms": 60_000}),))


def order(url: str, load: Load) -> Order:
    """A load without a reference agent before it."""
    objectives = read_objectives(["lost=0"])
    return Order(url, None, None, MIX, Path(), objectives, load.duration_s, 1, (load,), calibrates=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_run_ends_with_a_report(number: signal.Signals) -> None:
    said: list[str] = []

    def interrupt_when_calls_go_on(line: str) -> None:
        said.append(line)
        if " calls, " in line:
            signal.raise_signal(number)

    async with reference_server(QUICK) as url:
        measurement = Measurement(
            order(url, Load(3600.0, callers=2)), lambda: None, interrupt_when_calls_go_on
        )
        report = await measurement.run()
    assert said[-1].endswith("2 calls, 0 turns, none answered yet")
    assert (report.interrupted, report.steps[0].calls) == (True, 2)
    assert "(interrupted)" in table(report)
    assert "(interrupted)" in html(report)
