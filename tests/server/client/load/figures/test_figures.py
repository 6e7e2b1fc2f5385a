"""Percentiles that have enough turns, what is discarded and why, and objectives, which a missing figure breaks."""

import pytest

from server.client.load.calls.run import Run
from server.client.load.calls.turns import CallRecord, Ending, Outcome, Turn, TurnKind
from server.client.load.figures.figures import COUNTS, Distribution, figure_names, needed, reckon
from server.client.load.figures.objectives import ObjectivesError, judge, read_objectives
from server.client.load.hearing.words import WordsHeard


def turn(v2v_ms: float | None, **fields: object) -> Turn:
    return Turn(0, "s", 1, TurnKind.RESPOND, (10.0, 11.0), v2v_ms=v2v_ms, **fields)  # type: ignore[arg-type]


def calls(*turns: Turn) -> list[CallRecord]:
    return [CallRecord(0, "s", 0.0, ending=Ending.DONE, turns=list(turns))]


@pytest.mark.parametrize(("percent", "count"), [(50, 2), (90, 10), (95, 20), (99, 100)])
def test_a_percentile_needs_as_many_values_as_it_tells_apart(percent: int, count: int) -> None:
    assert needed(percent) == count
    assert Distribution(tuple(map(float, range(count - 1)))).percentile(percent) is None
    assert Distribution(tuple(map(float, range(count)))).percentile(percent) is not None


def test_percentiles_are_values_that_there_were() -> None:
    values = Distribution(tuple(map(float, range(1, 101))))
    assert [values.percentile(percent) for percent in (50, 90, 95, 99)] == [50, 90, 95, 99]
    interval = values.interval(50)
    assert interval is not None
    assert interval[0] < 50 < interval[1]
    assert Distribution(()).interval(50) is None


def test_turns_are_discarded_by_reason() -> None:
    cut = turn(None, outcome=Outcome.DISCARDED, reason="the run was over")
    figures = reckon(calls(turn(100.0), cut, turn(300.0)), since_s=0.0)
    assert (figures.turns, figures.discarded) == (2, {"the run was over": 1})
    assert figures.value("v2v_mean") == 200
    risen = reckon(calls(turn(100.0)), since_s=10.5)
    assert (risen.turns, risen.discarded) == (0, {"said while the load was rising": 1})


def test_a_missing_value_breaks_its_objective() -> None:
    figures = reckon(calls(*[turn(100.0)] * 19))
    verdicts = judge(figures, read_objectives(["v2v_p95<1000, v2v_max<1000", "barge_stop_p50>0,gaps=0"]))
    assert [(str(one.objective), one.holds) for one in verdicts] == [
        ("v2v_p95<1000", False),
        ("v2v_max<1000", True),
        ("barge_stop_p50>0", False),
        ("gaps=0", True),
    ]
    assert verdicts[0].value is None


def test_an_answer_before_the_end_is_early_and_makes_no_latency_shorter() -> None:
    early = turn(-900.0, is_early=True, first_packet_ms=-950.0, first_sound_packet_ms=-920.0)
    figures = reckon(calls(turn(500.0, first_packet_ms=480.0), early))
    assert (figures.value("early"), figures.value("turns")) == (1, 2)
    assert [figures.value(f"{name}_mean") for name in ("v2v", "first_packet", "first_sound_packet")] == [
        500,
        480,
        None,
    ]


def test_progress_tells_of_what_the_report_will_count() -> None:
    run = Run(since_s=10.5)
    over = CallRecord(0, "s", 0.0, 2.0, 20.0, turns=[turn(700.0, dry_ms=[40.0])])
    live = CallRecord(1, "s", 0.0, 2.0, turns=[turn(500.0, dry_ms=[40.0]), turn(-9.0, is_early=True)])
    run.began(over)
    run.began(live)
    run.ended(over)
    told = run.progress()
    assert (told.turns, told.slowest_ms, told.counts["gaps"]) == (2, 500.0, 1)


@pytest.mark.parametrize(
    ("relation", "holds"),
    [("<100", False), ("<=100", True), (">=100", True), (">100", False), ("=100ms", True)],
)
def test_every_relation_is_judged(relation: str, holds: bool) -> None:
    (verdict,) = judge(reckon(calls(turn(100.0))), read_objectives([f"v2v_max{relation}"]))
    assert verdict.holds == holds


def test_all_objectives_that_cannot_be_read_are_named_at_once() -> None:
    with pytest.raises(ObjectivesError) as error:
        read_objectives(["v2v_p95<fast,gap=0,v2v_p96<3"])
    assert len(str(error.value).splitlines()) == 3
    assert "v2v_p95" in str(error.value).splitlines()[2]


def test_every_figure_that_can_be_named_can_be_read() -> None:
    figures, marked = reckon([]), turn(100.0)
    marked.words = WordsHeard(3)
    for name in figure_names():
        figures.value(name)
    assert set(reckon(calls(marked)).counts) == set(COUNTS)
    assert {name for name in COUNTS if figures.value(name) is None} == {
        *("words", "words_lost", "words_doubled", "words_cut", "foreign_words")
    }
