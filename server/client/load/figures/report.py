"""The report of a run, as data: all that a table, a page or another run needs. Pure. `schema` describes it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from audio.files import encode_wav
from server.client.load.calls.audit import Audit, AuditLimits
from server.client.load.calls.run import DRAWN, Findings
from server.client.load.calls.turns import Turn
from server.client.load.figures.canaries import CanaryReport, compare_canaries
from server.client.load.figures.figures import PERCENTILES, Distribution, reckon
from server.client.load.figures.objectives import Objective, judge
from server.client.load.figures.search import Search
from server.client.load.figures.server_side import ServerFigures
from server.client.load.reference.calibration import Bar, Bars

_BINS_MS = 50
_MOST_TURNS = 2_000
_MOST_AUDIO_S = 20.0
_MOST_KINDS = 10


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LatencyReport(_Model):
    """One latency in ms. A percentile is null when there are too few values for it."""

    n: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    p95_interval: tuple[float, float] | None
    """In which the 95th percentile lies with a probability of 95 %."""
    histogram: dict[str, int]
    """How many values lie from this many ms on, in steps of 50."""


class VerdictReport(_Model):
    """What became of one objective."""

    objective: str
    value: float | None
    holds: bool


class TurnReport(_Model):
    """One turn. Times are seconds of the run, or ms where the name says so."""

    call: int
    scenario: str
    step: int
    kind: str
    outcome: str
    reason: str
    said_from_s: float
    said_to_s: float
    v2v_ms: float | None
    first_packet_ms: float | None
    stop_ms: float | None
    answer_ms: float | None
    gaps_ms: list[float]
    packets: list[tuple[float, float]] = []
    """When each packet of the answer came, and how many ms were waiting to be played then; of the turns that are
    drawn."""
    marks: list[tuple[float, str]] = []
    """What the server told meanwhile, and when."""
    audio_wav_base64: str | None = None
    """What was heard, of the worst turns."""


class StepReport(_Model):
    """What became of one load."""

    load: str
    callers: int | None
    lasted_s: float
    calls: int
    endings: dict[str, int]
    latencies: dict[str, LatencyReport]
    counts: dict[str, float]
    discarded: dict[str, int]
    troubles: dict[str, int]
    whys: dict[str, int]
    """Why calls were lost or refused."""
    verdicts: list[VerdictReport]
    generator: dict[str, float]
    invalid: list[str]
    """Why the generator's figures cannot be trusted; empty if they can."""
    server: ServerFigures | None = None
    """What the server said of itself meanwhile."""
    canaries: CanaryReport | None = None
    """What the same few callers heard alone, and beside this load."""
    turns: list[TurnReport]
    worst: list[TurnReport]


class BarReport(_Model):
    """How wrong a figure can be."""

    n: int
    bias_ms: float
    spread_ms: float


class Report(_Model):
    """The report of a whole run."""

    version: Literal[1] = 1
    target: str
    protocol: str
    seed: int
    environment: dict[str, str]
    calibration: dict[str, dict[str, BarReport | None]]
    """By where the reference agent was measured, and by figure."""
    steps: list[StepReport]
    knee: int | None = None
    knee_is_floor: bool = False
    knee_said: str = ""
    verdict: Literal["held", "broken", "invalid"]
    interrupted: bool = False


def schema() -> dict[str, Any]:
    """The JSON schema of a report."""
    return Report.model_json_schema()


def step_report(
    load: str,
    callers: int | None,
    run: Findings,
    objectives: Sequence[Objective],
    *,
    since_s: float,
    limits: AuditLimits,
    server: ServerFigures | None = None,
    idle: Findings | None = None,
) -> StepReport:
    """One load; `idle` is what its canaries heard alone."""
    figures, audit = reckon(run.calls, since_s), run.audit
    verdicts = [
        VerdictReport(objective=str(one.objective), value=_round(one.value), holds=one.holds)
        for one in judge(figures, objectives)
    ]
    turns = [turn for call in run.calls for turn in call.turns]
    return StepReport(
        load=load,
        callers=callers,
        lasted_s=round(run.lasted_s, 2),
        calls=figures.calls,
        endings=_count(str(call.ending) for call in run.calls),
        latencies={name: _latency(one) for name, one in figures.latencies.items() if one.n},
        counts={name: round(count, 1) for name, count in figures.counts.items()},
        discarded=dict(figures.discarded),
        troubles=_commonest(figures.troubles),
        whys=_commonest(_count(call.why for call in run.calls if call.why)),
        verdicts=verdicts,
        generator=_generator(audit),
        invalid=[*audit.faults(limits), *run.faults],
        server=server,
        canaries=compare_canaries(idle.calls if idle else (), run.calls, since_s),
        turns=[_turn(turn) for turn in turns[-_MOST_TURNS:-DRAWN]]
        + [_turn(turn, is_drawn=True) for turn in turns[-DRAWN:]],
        worst=[_turn(turn, is_drawn=True, with_audio=True) for turn in run.worst],
    )


def whole_report(steps: Sequence[StepReport], search: Search | None, **facts: Any) -> Report:
    """All loads. A search has held when something did; one load when it broke nothing."""
    report = Report(steps=list(steps), verdict="held", **facts)
    if search is not None:
        report.knee, report.knee_is_floor, report.knee_said = search.held, search.is_floor, str(search)
    is_broken = not search.held if search is not None else any(not v.holds for s in steps for v in s.verdicts)
    if any(step.invalid for step in steps) and (search is None or not search.held):
        report.verdict = "invalid"
    elif is_broken or not steps:
        report.verdict = "broken"
    return report


def bars_report(bars: Bars | None) -> dict[str, BarReport | None]:
    """The error bars."""
    if bars is None:
        return {}
    found: Mapping[str, Bar | None] = {"v2v": bars.answer, "barge_stop": bars.stop, "gaps": bars.gap}
    return {name: None if bar is None else BarReport(**asdict(bar)) for name, bar in found.items()}


def shown_ms(latency: LatencyReport | None, percent: int) -> str:
    """A percentile, or at 100 the greatest, in whole ms; a dash where there is none."""
    if latency is None:
        return "–"
    value = latency.max if percent == 100 else getattr(latency, f"p{percent}")
    return "–" if value is None else f"{value:.0f}"


def _latency(one: Distribution) -> LatencyReport:
    histogram: dict[str, int] = {}
    for value in one.values:
        start = str(int(value // _BINS_MS * _BINS_MS))
        histogram[start] = histogram.get(start, 0) + 1
    interval = one.interval(95)
    percentiles = {f"p{percent}": _round(one.percentile(percent)) for percent in PERCENTILES}
    return LatencyReport(
        n=one.n,
        mean=_round(one.mean),
        max=_round(one.most),
        p95_interval=None if interval is None else (round(interval[0], 1), round(interval[1], 1)),
        histogram=histogram,
        **percentiles,
    )


def _turn(turn: Turn, *, is_drawn: bool = False, with_audio: bool = False) -> TurnReport:
    audio = None
    if with_audio and turn.audio is not None and turn.rate_hz:
        kept = turn.audio[: int(_MOST_AUDIO_S * turn.rate_hz)]
        audio = base64.b64encode(encode_wav(kept, turn.rate_hz)).decode()
    return TurnReport(
        call=turn.call,
        scenario=turn.scenario,
        step=turn.step,
        kind=str(turn.kind),
        outcome=str(turn.outcome),
        reason=turn.reason,
        said_from_s=round(turn.said_s[0], 3),
        said_to_s=round(turn.said_s[1], 3),
        v2v_ms=_round(turn.v2v_ms),
        first_packet_ms=_round(turn.first_packet_ms),
        stop_ms=_round(turn.stop_ms),
        answer_ms=_round(turn.answer_ms),
        gaps_ms=[round(ms, 1) for ms in turn.gaps_ms],
        packets=[(round(at_s, 3), round(ms)) for at_s, ms in turn.packets] if is_drawn else [],
        marks=[(round(at_s, 3), name) for at_s, name in turn.marks] if is_drawn else [],
        audio_wav_base64=audio,
    )


def _generator(audit: Audit) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in asdict(audit).items()}


def _count(words: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def _commonest(counts: Mapping[str, int]) -> dict[str, int]:
    """A server that speaks nonsense says something else each time."""
    known = sorted(counts.items(), key=lambda one: -one[1])
    told = dict(known[:_MOST_KINDS])
    if others := known[_MOST_KINDS:]:
        told[f"{len(others)} other things"] = sum(count for _, count in others)
    return told


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
