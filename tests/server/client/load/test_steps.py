"""What callers do besides talking: each step holds with the reference agent, and breaks with one that is at fault."""

from typing import Any

import anyio
import numpy as np
import pytest

from server.client.load.calls.place import Place
from server.client.load.calls.runner import Load, Runner
from server.client.load.calls.turns import CallRecord, Ending, Outcome, TurnKind
from server.client.load.figures.figures import Figures, reckon
from server.client.load.hearing.utterance import music
from server.client.load.reference.agent import RATE_HZ, Conduct
from server.client.load.reference.reference_server import reference_server
from server.client.load.script import Mix, Scenario
from server.client.load.targets import Voice
from tests.server.client.load.booth import SAY, call, scenario, virtual_calls, voicebox

QUICK: dict[str, Any] = {"answer_after_ms": 350, "end_silence_ms": 250}
TOOL = {"name": "clock", "result": "noon", "after_ms": 100}


def counted(record: CallRecord) -> dict[str, float]:
    """What there was, besides turns."""
    return {name: count for name, count in reckon([record]).counts.items() if count and name != "turns"}


def test_music_is_as_loud_as_it_is_written_and_the_same_for_a_seed() -> None:
    one, again, other = (music(RATE_HZ, 3_000, -30.0, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert len(one) == 3 * RATE_HZ
    assert 20 * np.log10(np.sqrt(np.mean((one / 32_768.0) ** 2))) == pytest.approx(-30, abs=0.1)


@pytest.mark.parametrize(
    ("conduct", "found"), [(Conduct(hears_above=12_000), {}), (Conduct(), {"false_answers": 1})]
)
def test_music_is_not_to_be_answered(conduct: Conduct, found: dict[str, float]) -> None:
    assert counted(call(scenario({"music_ms": 1_000, "level_dbfs": -30}), conduct)) == found


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        ("clock", {}),
        (None, {"tools_missed": 1}),
        ("calendar", {"tools_missed": 1, "missed": 1, "errors": 1}),
    ],
)
def test_a_tool_is_called_and_its_result_is_sent(tool: str | None, found: dict[str, float]) -> None:
    one = scenario({**SAY, "calls": "clock"}, tools=[TOOL])
    record = call(one, Conduct(calls_tool=tool))
    assert counted(record) == found
    if not found:
        assert record.turns[0].v2v_ms == pytest.approx(2 * 500 + 100, abs=25)


async def over_a_connection(
    one: Scenario, conduct: Conduct, patience_s: float | None = None
) -> tuple[CallRecord, Figures]:
    """One call."""
    async with reference_server(conduct, patience_s=patience_s) as url:
        load = Load(20.0, times_s=(0.0,))
        runner = Runner(Place(url, Voice), Mix(scenarios=(one,)), voicebox(one), load, seed=1)
        (record,) = (await runner.run()).calls
    return record, reckon([record])


CUT = scenario(SAY, {"resume": {"after_ms": 300, "away_ms": 200}, "within_ms": 600}, think_ms=(0, 0))
RESUMED = {
    "the session goes on": (Conduct(**QUICK, answer_ms=900, resumes=True), set()),
    "the session is gone": (Conduct(**QUICK, answer_ms=900), {"not_resumed", "lost"}),
    "frames are left out": (Conduct(**QUICK, answer_ms=900, resumes=True, missed_frames=4), {"shorter"}),
    "frames come again": (Conduct(**QUICK, answer_ms=900, resumes=True, missed_frames=-4), {"longer"}),
}


@virtual_calls
async def test_a_session_is_resumed_in_the_middle_of_an_answer() -> None:
    found: dict[str, set[str]] = {}

    async def hold(name: str) -> None:
        record, figures = await over_a_connection(CUT, RESUMED[name][0])
        broken = {count for count in ("not_resumed", "lost", "gaps", "missed") if figures.counts[count]}
        answer_ms, silence_ms = figures.value("answer_max"), figures.value("outage_silence_max")
        if not broken and answer_ms is not None and silence_ms is not None:
            difference_ms = answer_ms - silence_ms - 900
            broken |= {"shorter"} if difference_ms < -1 else {"longer"} if difference_ms > 1 else set()
        found[name] = broken
        turn = next(turn for turn in record.turns if turn.kind is TurnKind.LINE)
        assert turn.outcome is (Outcome.MISSED if "not_resumed" in broken else Outcome.HELD)

    async with anyio.create_task_group() as calls:
        for name in RESUMED:
            calls.start_soon(hold, name)
    assert found == {name: broken for name, (_, broken) in RESUMED.items()}


@virtual_calls
async def test_a_line_that_carries_nothing_is_kept_or_closed_as_expected() -> None:
    cases = {
        (expect, patience_s): scenario({"half_open_ms": 700, "expect": expect, "within_ms": 300})
        for expect in ("kept", "closed")
        for patience_s in (None, 0.4)
    }
    found: dict[tuple[str, float | None], tuple[Outcome, Ending]] = {}

    async def hold(case: tuple[str, float | None]) -> None:
        record, _ = await over_a_connection(cases[case], Conduct(**QUICK), patience_s=case[1])
        found[case] = (record.turns[0].outcome, record.ending)

    async with anyio.create_task_group() as calls:
        for case in cases:
            calls.start_soon(hold, case)
    assert found == {
        ("kept", None): (Outcome.HELD, Ending.DONE),
        ("kept", 0.4): (Outcome.MISSED, Ending.LOST),
        ("closed", None): (Outcome.MISSED, Ending.DONE),
        ("closed", 0.4): (Outcome.HELD, Ending.CUT),
    }
