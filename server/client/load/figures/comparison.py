"""A report against an older one, with a gate in per cent. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from server.client.load.figures.report import Report, StepReport
from server.domain.errors import ServerError

_PERCENTILES = ("p50", "p95")
_NEEDED = 5
_NOT_JUDGED = ("turns", "discarded", "dry_ms", "underruns", "words")
"""Counts of which more is no worse, or that others tell."""
_LEAST_MS = 5.0
"""A smaller change of a latency is below what can be measured."""


class ComparisonError(ServerError):
    """The older report cannot be used."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of the last load, then and now."""

    figure: str
    before: float
    now: float
    is_worse: bool
    """By more than the gate."""

    @property
    def said(self) -> str:
        """The change, for people."""
        if self.before:
            return f"{(self.now / self.before - 1) * 100:+.1f} %{' (worse)' if self.is_worse else ''}"
        return f"{self.now - self.before:+g}{' (worse)' if self.is_worse else ''}"


def read_report(path: Path) -> Report:
    """A report that was written before. Raises ComparisonError."""
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ComparisonError(f"--compare {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ComparisonError(
            f"--compare {path}: no report of this version ({place}: {first['msg']})"
        ) from error


def compare(before: Report, now: Report, gate_percent: float) -> list[Change]:
    """All figures that both have, of the loads with the same name, or else of the last."""
    changes = [change for old, new in _pairs(before, now) for change in _of_step(old, new, gate_percent)]
    if before.knee is not None and now.knee is not None:
        is_worse = now.knee < before.knee * (1 - gate_percent / 100)
        changes.append(Change("knee", before.knee, now.knee, is_worse))
    return changes


def _pairs(before: Report, now: Report) -> Iterator[tuple[StepReport, StepReport]]:
    old = {step.load: step for step in before.steps}
    same = [(old[step.load], step) for step in now.steps if step.load in old]
    if not same and before.steps and now.steps:
        same = [(before.steps[-1], now.steps[-1])]
    yield from same


def _of_step(old: StepReport, new: StepReport, gate_percent: float) -> Iterator[Change]:
    load = new.load if old.load == new.load else f"{new.load}, before {old.load}"
    for name, then in old.latencies.items():
        current = new.latencies.get(name)
        if current is None or min(then.n, current.n) < _NEEDED or name == "answer":
            continue
        for which in _PERCENTILES:
            first, last = getattr(then, which), getattr(current, which)
            if first is not None and last is not None:
                is_worse = last - first > max(_LEAST_MS, abs(first) * gate_percent / 100)
                yield Change(f"{name}_{which} ({load})", first, last, is_worse)
    for name, first in old.counts.items():
        last = new.counts.get(name, 0.0)
        if name not in _NOT_JUDGED and (first or last):
            share_then, share_now = first / max(1, old.counts["turns"]), last / max(1, new.counts["turns"])
            is_worse = share_now > share_then * (1 + gate_percent / 100) and last > first
            yield Change(f"{name} ({load})", first, last, is_worse)
