"""What is made of a run: data with a schema, a table, a page that fetches nothing, JUnit, Markdown, a comparison."""

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from server.client.load.calls.audit import AuditLimits
from server.client.load.calls.run import DRAWN, Run
from server.client.load.calls.turns import CallRecord, Ending, Turn, TurnKind
from server.client.load.figures.comparison import ComparisonError, compare, read_report
from server.client.load.figures.html_report import html
from server.client.load.figures.objectives import read_objectives
from server.client.load.figures.report import (
    Report,
    VerdictReport,
    bars_report,
    schema,
    step_report,
    whole_report,
)
from server.client.load.figures.search import Search
from server.client.load.figures.text_reports import junit, markdown, table
from server.client.load.figures.timelines import timeline
from server.client.load.figures.verdicts import step_said, tells_what_broke
from server.client.load.reference.agent import Conduct
from server.client.load.reference.calibration import measure_in_process
from tests.server.client.load.booth import SAY, call, scenario

NAME = '<script>alert("x")</script>'


def run(v2v_ms: float, *, gaps: int = 0, lost: int = 0, turns: int = 20) -> Run:
    """So many turns that took about so long."""
    calls = []
    for number in range(turns):
        turn = Turn(
            number, NAME, 1, TurnKind.RESPOND, (number, number + 1.0), v2v_ms=v2v_ms + number, answer_ms=900
        )
        turn.dry_ms = [40.0] if number < gaps else []
        turn.audio, turn.rate_hz = np.zeros(2400, np.int16), 24_000
        ending = Ending.LOST if number < lost else Ending.DONE
        calls.append(CallRecord(number, NAME, 0.0, 0.0, 5.0, ending, "1006" if number < lost else "", [turn]))
    whole = Run(lasted_s=20.0)
    for record in calls:
        whole.began(record)
        whole.ended(record)
    return whole


def report(*runs: Run, search: Search | None = None, limits: AuditLimits = AuditLimits()) -> Report:  # noqa: B008  # frozen
    objectives = read_objectives(["v2v_p95<1000,gaps=0,lost=0"])
    steps = [
        step_report(
            f"{10 * number} callers", 10 * number, one.findings(), objectives, since_s=0.0, limits=limits
        )
        for number, one in enumerate(runs, 1)
    ]
    return whole_report(
        steps,
        search,
        target=f"ws://host/{NAME}",
        protocol="voice.v1",
        seed=1,
        environment={"python": "3"},
        calibration={"in process": bars_report(measure_in_process())},
    )


@pytest.mark.no_cover
def test_a_report_has_a_verdict_and_survives_its_schema() -> None:
    held, broken = report(run(500)), report(run(500, gaps=2, lost=1))
    assert (held.verdict, broken.verdict) == ("held", "broken")
    assert Report.model_validate_json(broken.model_dump_json()) == broken
    assert set(broken.model_dump()) == set(schema()["properties"])
    invalid = report(run(500), limits=AuditLimits(cpu=-1.0))
    assert invalid.verdict == "invalid"
    assert report().verdict == "broken"


def test_what_a_load_does_to_its_canaries_is_told_in_every_report() -> None:
    idle, loaded = run(500), run(800, gaps=3)
    for record in (*idle.calls, *loaded.calls[:10]):
        record.is_canary = True
    step = step_report(
        "20 callers", 20, loaded.findings(), (), since_s=0.0, limits=AuditLimits(), idle=idle.findings()
    )
    assert step.canaries is not None
    v2v = step.canaries.latencies["v2v"]
    assert (v2v.idle_n, v2v.idle_p50, v2v.idle_p95) == (20, 509, 518)
    assert (v2v.loaded_n, v2v.loaded_p50, v2v.loaded_p95) == (10, 804, None)
    assert (step.canaries.idle_counts["gaps"], step.canaries.loaded_counts["gaps"]) == (0, 3)
    whole = report().model_copy(update={"steps": [step]})
    line = "v2v p50, p95: 509, 518 (n=20) alone, 804, – (n=10) beside the load"
    assert f"canaries: {line}" in table(whole)
    assert "| v2v p50, p95 | 509, 518 (n=20) | 804, – (n=10) |" in markdown(whole)
    assert '<td class="value">804, – (n=10)</td>' in html(whole)
    assert Report.model_validate_json(whole.model_dump_json()) == whole


def test_a_search_holds_when_there_is_a_knee() -> None:
    search = Search()
    search.took(10, [])
    search.took(11, ["gaps=0"])
    found = report(run(500), run(500, gaps=3), search=search)
    assert (found.verdict, found.knee, found.knee_is_floor) == ("held", 10, False)
    said = table(found)
    assert "knee: 10 callers; with 11 gaps=0 broke" in said
    assert said.splitlines()[-1] == "all objectives held with 10 callers"
    assert "✅ all objectives held with 10 callers" in markdown(found)


def searched() -> Report:
    """Of 20, 10, 40 and 30 callers, tried in this order, the most that held are 20."""
    search = Search()
    runs = [run(500), run(500, turns=5), run(700, gaps=9), run(600, gaps=2)]
    for callers, broken in ((20, []), (40, ["gaps=0"]), (30, ["gaps=0"])):
        search.took(callers, broken)
    found = report(*runs, search=search)
    for step, callers in zip(found.steps, (20, 10, 40, 30), strict=True):
        step.callers, step.load = callers, f"{callers} callers"
    return found


def test_a_search_is_told_in_the_order_of_its_loads_and_in_full_only_around_the_knee() -> None:
    said = table(searched())
    rows = [line.split() for line in said.splitlines() if line.startswith("  ") and "callers" in line]
    assert [(row[0], row[-1]) for row in rows] == [
        ("10", "turns"),
        ("20", "held"),
        ("30", "broken"),
        ("40", "broken"),
    ]
    assert [row[2:5] for row in rows][:2] == [["5", "502", "–"], ["20", "509", "518"]]
    assert "20 callers: 20 calls" in said
    assert "30 callers: 20 calls" in said
    assert "40 callers: 20 calls" not in said
    page = html(searched())
    assert page.count('<details class="load" open>') == 2
    assert page.count('<details class="load">') == 2
    assert '<span class="too few turns">' in page
    assert "limit 1000</text>" in page
    assert "knee 20</text>" in page


def test_the_loads_of_a_search_have_room_in_a_terminal_of_80_columns() -> None:
    found = searched()
    for step in found.steps:
        step.load = step.load.replace(" ", "0 ")
    rows = [line for line in table(found).splitlines() if " callers  " in line]
    assert len(rows) == 4
    assert max(map(len, rows)) <= 80


def test_what_breaks_above_the_knee_fails_no_build() -> None:
    suites = list(ElementTree.fromstring(junit(searched()).split("\n", 1)[1]))
    told = [(one.get("name"), one.get("failures"), one.get("skipped")) for one in suites]
    assert told == [
        ("20 callers", "0", "0"),
        ("10 callers", "0", "1"),
        ("40 callers", "0", "1"),
        ("30 callers", "0", "1"),
    ]
    assert [len(one.findall("testcase/skipped")) for one in suites] == [0, 1, 1, 1]
    assert not [case for one in suites for case in one.findall("testcase/failure")]


def test_a_load_is_said_in_a_line() -> None:
    held, _, broken, _ = searched().steps
    assert step_said(held) == "20 callers: held"
    assert step_said(broken) == "40 callers: broken: gaps=0 (it is 9)"


def test_of_what_went_wrong_the_commonest_are_told_and_the_others_counted() -> None:
    whole = run(500)
    for number, record in enumerate(whole.calls):
        record.troubles = ["no model", f"nonsense {number}"]
    step = step_report("20 callers", 20, whole.findings(), (), since_s=0.0, limits=AuditLimits())
    assert len(step.troubles) == 11
    assert step.troubles["no model"] == 20
    assert step.troubles["11 other things"] == 11


def test_only_the_worst_turns_keep_their_audio() -> None:
    step = report(run(500)).steps[0]
    assert [turn.v2v_ms for turn in step.worst] == [519 - number for number in range(10)]
    assert all(turn.audio_wav_base64 for turn in step.worst)
    assert not any(turn.audio_wav_base64 for turn in step.turns)


def test_the_table_says_what_is_broken_and_how_wrong_the_figures_are() -> None:
    said = table(report(run(1200, gaps=2)))
    assert "broken: v2v_p95<1000 (it is 1218)" in said
    assert "broken: gaps=0 (it is 2)" in said
    assert "v2v +0 ± 0 ms (n=30)" in said
    assert "objectives are broken" in said
    assert all(len(line) <= 140 for line in said.splitlines())


class Page(HTMLParser):
    """What a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_no_network_and_runs_nothing() -> None:
    page = Page()
    text = html(report(run(500, gaps=1), run(900)))
    page.feed(text)
    assert "script" not in page.tags
    assert NAME not in text
    assert {source.split(",")[0] for source in page.sources} == {"data:audio/wav;base64"}
    assert page.tags.count("audio") == 20
    assert page.tags.count("svg") >= 2 + 1 + 20


def test_a_long_run_keeps_the_packets_of_the_turns_that_are_drawn_and_of_no_others() -> None:
    whole, turns = Run(lasted_s=20.0), []
    for number in range(DRAWN + 50):
        v2v_ms = 5_000.0 if number == 3 else 500.0 + number
        turn = Turn(number, "long", 1, TurnKind.RESPOND, (number, number + 1.0), v2v_ms=v2v_ms)
        turn.packets, turn.marks = [(number + 1.5, 200.0)], [(number + 1.4, "answer done")]
        record = CallRecord(number, "long", 0.0, turns=[turn])
        whole.began(record)
        whole.ended(record)
        turns.append(turn)
    kept = [turn.call for turn in turns if turn.packets]
    assert kept == [3, *range(50, DRAWN + 50)], "the one that was waited for longest, and the newest"
    assert [turn.call for turn in turns if turn.marks] == kept


def test_a_turn_is_drawn_with_its_packets_its_marks_and_what_waited() -> None:
    record = call(scenario(SAY), Conduct(answer_ms=400, gaps=((200, 60),)), keeps_audio=True)
    (turn,) = record.turns
    turn.shift(10.0)
    step = step_report("1 caller", 1, Run(calls=[record]).findings(), (), since_s=0.0, limits=AuditLimits())
    (told,) = step.turns
    assert [name for _, name in told.marks] == ["answer done"]
    assert len(told.packets) == 20
    assert told.packets[0][0] == pytest.approx(turn.said_s[1] + 0.5, abs=0.002)
    assert max(ms for _, ms in told.packets) == pytest.approx(200, abs=21)
    drawn = timeline(told)
    assert drawn.count('class="tick line"') == 20
    assert "answer done, +0.76 s" in drawn
    assert "up to 200 ms" in drawn
    plain = timeline(told.model_copy(update={"packets": []}))
    assert ">packets<" in drawn
    assert ">packets<" not in plain
    assert ">heard<" in plain
    assert "drawn</summary>" in html(report(Run(calls=[record])))


def test_junit_has_a_case_an_objective() -> None:
    (suite,) = ElementTree.fromstring(junit(report(run(500, gaps=2))).split("\n", 1)[1])
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["gaps=0"]


def test_markdown_is_a_table_with_what_broke() -> None:
    said = markdown(report(run(500, lost=1)))
    assert "❌ objectives are broken" in said
    assert "| 10 callers | 20 | 509 | 518 | – | 0 | 0 | 1 | broken |" in said
    assert "- 10 callers: lost=0 (it is 1)" in said


def test_a_comparison_tells_what_became_worse_by_more_than_the_gate() -> None:
    changes = {
        one.figure: one for one in compare(report(run(500)), report(run(540, gaps=1)), gate_percent=10)
    }
    assert not changes["v2v_p50 (10 callers)"].is_worse
    assert changes["gaps (10 callers)"].is_worse
    worse = {one.figure: one for one in compare(report(run(500)), report(run(600)), gate_percent=10)}
    assert worse["v2v_p95 (10 callers)"].is_worse
    assert "worse" in worse["v2v_p95 (10 callers)"].said
    assert not any(one.is_worse for one in compare(report(run(600)), report(run(500)), gate_percent=10))


def test_a_comparison_with_another_load_says_so_and_more_words_are_no_worse() -> None:
    before, now = report(run(500)), report(run(500), run(500))
    now.steps = now.steps[1:]
    before.steps[0].counts["words"], now.steps[0].counts["words"] = 10, 90
    changes = {one.figure: one for one in compare(before, now, gate_percent=10)}
    assert "v2v_p50 (20 callers, before 10 callers)" in changes
    assert not any(one.is_worse for one in changes.values())


@pytest.mark.parametrize(
    ("objective", "value", "is_told"),
    [
        ("v2v_p95<1000", None, False),
        ("v2v_p95<1000", 1200.0, True),
        ("barge_stop_p95<1000", None, True),
        ("gaps=0", 1.0, True),
    ],
    ids=["too few turns", "too slow", "no such turn", "a gap"],
)
def test_too_few_turns_tell_nothing_of_what_broke(objective: str, value: float | None, is_told: bool) -> None:
    (step,) = report(run(500)).steps
    step.verdicts = [VerdictReport(objective=objective, value=value, holds=False)]
    assert tells_what_broke(step) is is_told


def test_a_turn_of_a_canary_is_called_one() -> None:
    one = report(run(500))
    one.steps[0].worst[0].call = -7
    assert "canary&#x27;s call 7" in html(one)


def test_gaps_are_stems_that_nothing_joins() -> None:
    page = html(report(run(500, gaps=3)))
    assert "<polyline" not in page
    assert page.count("<title>40 at ") == 3


@pytest.mark.parametrize("written", ["", "{}", "not JSON", json.dumps({"version": 99})])
def test_what_is_no_report_is_said(tmp_path: Path, written: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(written)
    with pytest.raises(ComparisonError, match="no report of this version"):
        read_report(path)
    with pytest.raises(ComparisonError, match="No such file"):
        read_report(tmp_path / "none.json")
