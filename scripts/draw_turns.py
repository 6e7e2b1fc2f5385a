"""Draws the floor's table into docs/turns.md, between its two markers; `--check` only says whether it is fresh."""

import sys
from pathlib import Path

from server.turntaking.floor_table import IMPOSSIBLE, OF_A_RUN, TABLE, FloorEvent, Row, State

PAGE = Path(__file__).parents[1] / "docs" / "turns.md"
BEGIN, END = "<!-- drawn by scripts/draw-turns: begin -->", "<!-- drawn by scripts/draw-turns: end -->"


def diagram() -> str:
    """The transitions that lead somewhere, as a mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> listening"]
    for state, rows in TABLE.items():
        arrows: dict[State, list[str]] = {}
        for event, cell in rows.items():
            for target in dict.fromkeys(row.next for row in cell.ways()):
                if target is not state and event is not FloorEvent.GONE:
                    arrows.setdefault(target, []).append(event.value)
        lines += [f"    {state} --> {target}: {'<br/>'.join(events)}" for target, events in arrows.items()]
    return "\n".join([*lines, "    closed --> [*]", "```"])


def table() -> str:
    """Every pair of state and event: where it leads and what is done."""
    states = [state for state in State if state is not State.CLOSED]
    lines = [
        "| | " + " | ".join(f"**{state}**" for state in states) + " |",
        "| --- " * (len(states) + 1) + "|",
    ]
    for event in FloorEvent:
        lines.append(f"| {event.value} | " + " | ".join(_cell(state, event) for state in states) + " |")
    return "\n".join(lines)


def _cell(state: State, event: FloorEvent) -> str:
    if event in IMPOSSIBLE[state]:
        return "✗"
    cell = TABLE[state].get(event)
    if cell is None:
        assert event in OF_A_RUN, "the table is total"
        return "late"
    return "<br/>".join(
        f"if *{row.when}* {_way(state, row)}" if row.when else _way(state, row) for row in cell.ways()
    )


def _way(state: State, row: Row) -> str:
    commands = ", ".join(f"*{command}*" for command in row.commands)
    target = "·" if row.next is state else f"→ {row.next}"
    return f"{target}: {commands}" if commands else target


def drawn(page: str) -> str:
    """The page with the drawing made anew."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{diagram()}\n\n{table()}\n\n{END}{after}"


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
