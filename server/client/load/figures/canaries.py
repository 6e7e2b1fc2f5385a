"""Canaries: a few callers who hear everything, alone and beside a load: what the load does to each figure. Pure."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from server.client.load.calls.turns import CallRecord
from server.client.load.figures.figures import LATENCIES, Distribution, Figures, reckon

IDLE_S = 20.0
"""How long they talk alone at most, before the loads."""

COUNTED = ("turns", "gaps", "missed", "not_stopped", "words_lost", "foreign_words", "lost")


class CanaryFigure(BaseModel):
    """One latency of the canaries, in ms; null where there are too few values."""

    model_config = ConfigDict(extra="forbid")

    idle_n: int
    idle_p50: float | None
    idle_p95: float | None
    loaded_n: int
    loaded_p50: float | None
    loaded_p95: float | None


class CanaryReport(BaseModel):
    """What canaries heard alone, and beside a load."""

    model_config = ConfigDict(extra="forbid")

    latencies: dict[str, CanaryFigure]
    idle_counts: dict[str, float]
    loaded_counts: dict[str, float]


def canaries_of(calls: Sequence[CallRecord]) -> list[CallRecord]:
    """The calls of the canaries among these."""
    return [call for call in calls if call.is_canary]


def compare_canaries(
    idle: Sequence[CallRecord], loaded: Sequence[CallRecord], since_s: float
) -> CanaryReport | None:
    """None where there were none. Of the load counts what came after `since_s`."""
    before, after = reckon(canaries_of(idle)), reckon(canaries_of(loaded), since_s)
    if not before.calls and not after.calls:
        return None
    names = [name for name in LATENCIES if before.latencies[name].n or after.latencies[name].n]
    return CanaryReport(
        latencies={name: _figure(before.latencies[name], after.latencies[name]) for name in names},
        idle_counts=_counts(before),
        loaded_counts=_counts(after),
    )


def canary_lines(report: CanaryReport) -> Iterator[tuple[str, str, str]]:
    """Each figure by its name, alone and beside the load."""
    for name, one in report.latencies.items():
        yield (
            f"{name} p50, p95",
            f"{_shown(one.idle_p50)}, {_shown(one.idle_p95)} (n={one.idle_n})",
            f"{_shown(one.loaded_p50)}, {_shown(one.loaded_p95)} (n={one.loaded_n})",
        )
    for name in COUNTED:
        idle, loaded = report.idle_counts.get(name, 0), report.loaded_counts.get(name, 0)
        if name == "turns" or idle or loaded:
            yield name, f"{idle:g}", f"{loaded:g}"


def _figure(idle: Distribution, loaded: Distribution) -> CanaryFigure:
    (idle_p50, idle_p95), (loaded_p50, loaded_p95) = (
        [None if (ms := one.percentile(percent)) is None else round(ms, 1) for percent in (50, 95)]
        for one in (idle, loaded)
    )
    return CanaryFigure(
        idle_n=idle.n,
        idle_p50=idle_p50,
        idle_p95=idle_p95,
        loaded_n=loaded.n,
        loaded_p50=loaded_p50,
        loaded_p95=loaded_p95,
    )


def _counts(figures: Figures) -> dict[str, float]:
    return {name: figures.counts[name] for name in COUNTED if name in figures.counts}


def _shown(ms: float | None) -> str:
    return "–" if ms is None else f"{ms:.0f}"
