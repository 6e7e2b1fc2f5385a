"""A whole measurement: what it says meanwhile, and that it ends with a report however it ends."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from server.client.load.calls.audit import AuditLimits
from server.client.load.calls.runner import Load
from server.client.load.figures.html_report import html
from server.client.load.figures.objectives import read_objectives
from server.client.load.figures.text_reports import table
from server.client.load.measuring.loads import LoadOrder
from server.client.load.measuring.measurement import Measurement, UnreachableError
from server.client.load.measuring.worker import worker
from server.client.load.reference.agent import Conduct
from server.client.load.reference.reference_server import reference_server
from server.client.load.script import Mix
from server.client.load.targets import Voice
from tests.server.client.load.booth import scenario

QUICK = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300)
MIX = Mix(scenarios=(scenario({"silence_ms": 60_000}),))


def order(url: str, load: Load) -> LoadOrder:
    """A load without a reference agent before it."""
    objectives = read_objectives(["lost=0"])
    return LoadOrder(url, None, None, MIX, Path(), objectives, load.duration_s, 1, (load,), calibrates=False)


async def test_an_interrupted_run_ends_with_a_report() -> None:
    said: list[str] = []

    def interrupt_when_calls_go_on(line: str) -> None:
        said.append(line)
        if "2 calls, " in line:
            signal.raise_signal(signal.SIGINT)

    async with reference_server(QUICK) as url:
        measurement = Measurement(
            order(url, Load(3600.0, callers=2)), lambda: None, interrupt_when_calls_go_on
        )
        report = await measurement.run()
    assert said[-1].endswith("2 calls, 0 turns, none answered yet")
    assert (report.interrupted, report.steps[0].calls) == (True, 2)
    assert "(interrupted)" in table(report)
    assert "(interrupted)" in html(report)


async def test_another_interrupt_while_the_calls_end_is_no_more_than_the_first() -> None:
    loop, handlers = asyncio.get_running_loop(), list[object]()
    looks: asyncio.Handle | None = None

    def look_on() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))
        nonlocal looks
        looks = loop.call_soon(look_on)

    def interrupt(line: str) -> None:
        if "1 call, " in line:
            signal.raise_signal(signal.SIGINT)
            look_on()

    async with reference_server(QUICK) as url:
        report = await Measurement(order(url, Load(3600.0, callers=1)), lambda: None, interrupt).run()
        assert looks is not None
        looks.cancel()
    assert report.interrupted
    assert len(handlers) > 1
    assert signal.default_int_handler not in handlers


async def test_a_worker_that_cannot_do_its_share_is_named() -> None:
    async with reference_server(QUICK) as url, worker("127.0.0.1", 0, None) as (port, _):
        one = replace(
            order(url, Load(1.0, callers=1)),
            target=Voice,
            protocol="nowhere:Target",
            workers=(f"127.0.0.1:{port}",),
        )
        with pytest.raises(UnreachableError, match=f"the worker 127.0.0.1:{port} cannot do this: --protocol"):
            await Measurement(one, lambda: None, lambda _: None).run()


async def test_a_machine_that_stood_still_makes_the_run_invalid() -> None:
    """As a laptop that was closed does, or a clock that jumps: what was due meanwhile was not sent."""
    loop = asyncio.get_running_loop()
    told: list[str] = []

    def stand_still_and_then_end(line: str) -> None:
        if "1 call, " not in line:
            return
        told.append(line)
        if len(told) > 1:
            signal.raise_signal(signal.SIGINT)
        until_s = loop.time() + 0.3
        while loop.time() < until_s:
            pass

    async with reference_server(QUICK) as url:
        limits = AuditLimits(1e6, 1e6, loop_lag_max_ms=250.0, cpu=1e6, realtime_ratio=0.0)
        one = replace(order(url, Load(3600.0, callers=1)), limits=limits)
        report = await Measurement(one, lambda: None, stand_still_and_then_end).run()
    assert report.verdict == "invalid"
    assert "stood still" in report.steps[0].invalid[0]
    assert "invalid: the event loop, or the machine, stood still" in table(report)
