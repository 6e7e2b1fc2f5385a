"""Draws the tables of the floor and of a response into docs/turns.md, between two markers each; `--check` only says
whether they are fresh."""

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from server.domain.table import Row
from server.response import lifecycle
from server.turntaking import floor_table

PAGE = Path(__file__).parents[1] / "docs" / "turns.md"

AnyRow = Row[Any, Any, Any]


@dataclass(frozen=True)
class Drawing:
    """One table and how it is drawn."""

    name: str
    begins: str
    ends: Iterable[str]
    states: tuple[StrEnum, ...]
    """The columns."""
    events: Iterable[StrEnum]
    rows: Mapping[Any, Mapping[Any, AnyRow]]
    impossible: Mapping[Any, Collection[Any]]
    is_late: Any
    """Of a state and an event without a row: whether it comes too late there."""
    hidden: StrEnum | None = None
    """An event that is left out of the picture."""

    @property
    def begin(self) -> str:
        """The line before it."""
        return f"<!-- {self.name}, drawn by scripts/draw-turns: begin -->"

    @property
    def end(self) -> str:
        """The line behind it."""
        return f"<!-- {self.name}, drawn by scripts/draw-turns: end -->"


FLOOR = Drawing(
    "the floor",
    "listening",
    ("closed",),
    tuple(state for state in floor_table.State if state is not floor_table.State.CLOSED),
    floor_table.FloorEvent,
    floor_table.TABLE,
    floor_table.IMPOSSIBLE,
    lambda state, event: event in floor_table.OF_A_RUN,
    floor_table.FloorEvent.GONE,
)
RESPONSE = Drawing(
    "the response",
    "preparing",
    ("ended", "dropped"),
    tuple(state for state in lifecycle.LifecycleState if state is not lifecycle.LifecycleState.DROPPED),
    lifecycle.LifecycleEvent,
    lifecycle.TABLE,
    lifecycle.IMPOSSIBLE,
    lambda state, event: state in lifecycle.OVER,
)


def diagram(drawing: Drawing) -> str:
    """The transitions that lead somewhere, as a mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {drawing.begins}"]
    for state, rows in drawing.rows.items():
        arrows: dict[StrEnum, list[str]] = {}
        for event, cell in rows.items():
            for target in dict.fromkeys(row.next for row in cell.ways()):
                if target is not state and event is not drawing.hidden:
                    arrows.setdefault(target, []).append(event.value)
        lines += [f"    {state} --> {target}: {'<br/>'.join(events)}" for target, events in arrows.items()]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in drawing.ends), "```"])


def table(drawing: Drawing) -> str:
    """Every pair of state and event: where it leads and what is done."""
    states = drawing.states
    lines = [
        "| | " + " | ".join(f"**{state}**" for state in states) + " |",
        "| --- " * (len(states) + 1) + "|",
    ]
    for event in drawing.events:
        lines.append(
            f"| {event.value} | " + " | ".join(_cell(drawing, state, event) for state in states) + " |"
        )
    return "\n".join(lines)


def _cell(drawing: Drawing, state: StrEnum, event: StrEnum) -> str:
    if event in drawing.impossible[state]:
        return "✗"
    cell = drawing.rows[state].get(event)
    if cell is None:
        assert drawing.is_late(state, event), "the table is total"
        return "late"
    return "<br/>".join(
        f"if *{row.when}* {_way(state, row)}" if row.when else _way(state, row) for row in cell.ways()
    )


def _way(state: StrEnum, row: AnyRow) -> str:
    commands = ", ".join(f"*{command}*" for command in row.commands)
    target = "·" if row.next is state else f"→ {row.next}"
    return f"{target}: {commands}" if commands else target


def drawn(page: str) -> str:
    """The page with its drawings made anew."""
    for drawing in (FLOOR, RESPONSE):
        before, rest = page.split(drawing.begin)
        after = rest.split(drawing.end)[1]
        page = f"{before}{drawing.begin}\n\n{diagram(drawing)}\n\n{table(drawing)}\n\n{drawing.end}{after}"
    return page


def main() -> int:
    """Draw, or check."""
    page = PAGE.read_text()
    if "--check" in sys.argv:
        fresh = drawn(page) == page
        print("docs/turns.md is fresh" if fresh else "docs/turns.md is stale: run scripts/draw-turns")
        return 0 if fresh else 1
    PAGE.write_text(drawn(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
