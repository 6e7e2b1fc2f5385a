"""What must hold: `v2v_p95<1200,gaps=0`, read and judged. A figure that is missing breaks its objective. Pure."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from server.client.load.figures.figures import Figures, figure_names
from server.domain.errors import ServerError

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_WRITTEN = re.compile(r"\s*([a-z0-9_]+)\s*(<=|>=|<|>|=)\s*(-?\d+(?:\.\d+)?)\s*(?:ms)?\s*")


class ObjectivesError(ServerError):
    """Objectives that cannot be read; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One figure, and what it must be."""

    figure: str
    relation: str
    limit: float

    def __str__(self) -> str:
        return f"{self.figure}{self.relation}{self.limit:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an objective."""

    objective: Objective
    value: float | None
    holds: bool


def read_objectives(written: Sequence[str]) -> tuple[Objective, ...]:
    """Each text has one objective or several, with commas. Raises ObjectivesError that names all faults."""
    names, faults, found = figure_names(), [], []
    for part in (part for text in written for part in text.split(",") if part.strip()):
        match = _WRITTEN.fullmatch(part)
        if match is None:
            faults.append(f"{part.strip()!r} is no objective, such as v2v_p95<1200")
        elif match[1] not in names:
            faults.append(f"there is no figure {match[1]!r}; {_like(match[1], names)}")
        else:
            found.append(Objective(match[1], match[2], float(match[3])))
    if faults:
        raise ObjectivesError("\n".join(faults))
    return tuple(found)


def judge(figures: Figures, objectives: Sequence[Objective]) -> tuple[Verdict, ...]:
    """Whether each holds."""
    verdicts = []
    for objective in objectives:
        value = figures.value(objective.figure)
        holds = value is not None and _RELATIONS[objective.relation](value, objective.limit)
        verdicts.append(Verdict(objective, value, holds))
    return tuple(verdicts)


def _like(name: str, names: frozenset[str]) -> str:
    stem = name.split("_")[0]
    near = sorted(known for known in names if known.split("_")[0] == stem) or sorted(
        {"v2v_p95", "barge_stop_p95", "gaps", "missed", "lost"} & names
    )
    return f"there are, for example, {', '.join(near)}"
