"""Loads one after another, in virtual time: canaries beside them, and a search for the knee."""

from dataclasses import replace
from pathlib import Path

from server.client.load.calls.audit import AuditLimits
from server.client.load.calls.place import Place
from server.client.load.calls.runner import Load
from server.client.load.figures.objectives import read_objectives
from server.client.load.figures.report import StepReport
from server.client.load.figures.search import Search
from server.client.load.figures.server_side import Page, read_page
from server.client.load.measuring.loads import LoadOrder, Loads
from server.client.load.reference.agent import Conduct
from server.client.load.reference.reference_server import reference_server
from server.client.load.script import Mix
from server.client.load.targets import Voice
from server.domain.errors import ServerError
from tests.server.client.load.booth import SAY, scenario, virtual_calls, voicebox

QUICK = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300)
ANY_CPU = AuditLimits(cpu=1e9)
"""The CPU time is real, and the seconds are not."""


def order(mix: Mix, objectives: str, duration_s: float, *loads: Load) -> LoadOrder:
    """Of what the place is given apart."""
    judged = read_objectives([objectives])
    return LoadOrder("", Voice, None, mix, Path(), judged, duration_s, 1, loads, limits=ANY_CPU)


@virtual_calls
async def test_canaries_are_measured_alone_and_then_beside_the_load() -> None:
    said: list[str] = []
    steps: list[StepReport] = []
    mix = Mix(scenarios=(scenario({"silence_ms": 60, "expect": "nothing"}, {"hang_up": True}),))
    one = order(mix, "lost=0", 0.6, Load(0.6, callers=3, canaries=2))
    async with reference_server(QUICK) as url:
        box = voicebox(*mix.scenarios)
        await Loads(replace(one, canaries=2), Place(url, Voice), box, said.append).run(steps)
    (step,) = steps
    assert said[0] == "2 canaries alone for 0.6 s"
    assert step.invalid == []
    assert step.canaries is not None
    assert step.canaries.idle_counts["turns"] > 0
    assert 0 < step.canaries.loaded_counts["turns"] < step.counts["turns"]
    assert {turn.call < 0 for turn in step.turns} == {True, False}


@virtual_calls
async def test_a_search_ends_at_the_most_callers_with_whom_its_objectives_hold() -> None:
    """In this time each caller has one turn that counts, and four are too many here."""
    said: list[str] = []
    steps: list[StepReport] = []
    mix = Mix(scenarios=(scenario(SAY, think_ms=(600, 600)),))
    search = Search(most=8)
    async with reference_server(QUICK) as url:
        box = voicebox(*mix.scenarios)
        one = replace(order(mix, "turns<4", 5.0), search=search)
        await Loads(one, Place(url, Voice), box, said.append).run(steps)
    assert [step.callers for step in steps] == [1, 2, 4, 3]
    assert str(search) == "3 callers; with 4 turns<4 broke"
    assert [line for line in said if "held" in line or "broken" in line] == [
        "1 caller: held",
        "2 callers: held",
        "4 callers: broken: turns<4 (it is 4)",
        "3 callers: held",
    ]


@virtual_calls
async def test_what_the_server_says_of_itself_is_asked_for_during_each_load() -> None:
    steps: list[StepReport] = []
    asked: list[int] = []

    async def fetch() -> Page:
        """Every second page does not come."""
        asked.append(1)
        if len(asked) % 2 == 0:
            raise ServerError("no metrics")
        return read_page(f"process_cpu_seconds_total {len(asked)}.0\n")

    mix = Mix(scenarios=(scenario({"silence_ms": 60_000}),))
    one = order(mix, "lost=0", 9.0, Load(9.0, callers=1))
    async with reference_server(QUICK) as url:
        box = voicebox(*mix.scenarios)
        await Loads(one, Place(url, Voice), box, lambda _: None, fetch=fetch).run(steps)
    assert len(asked) == 5
    assert steps[0].server is not None
    assert steps[0].server.cpu == 0.5
