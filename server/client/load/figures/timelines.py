"""One turn drawn over time: who spoke, what the server told, each packet, and how much waited to be played. Pure."""

from html import escape

from server.client.load.figures.charts import WIDTH
from server.client.load.figures.report import TurnReport

_LEFT, _RIGHT, _TOP, _ROW = 92, 10, 6, 24
_ROWS = ("said", "server", "packets", "waiting", "heard")
_ROWS_WITHOUT_PACKETS = ("said", "server", "heard")
"""Of a caller who does not keep what comes."""


def timeline(turn: TurnReport) -> str:
    """The turn as SVG. Whatever is pointed at says what it is."""
    return _Drawing(turn).draw()


class _Drawing:
    def __init__(self, turn: TurnReport) -> None:
        self._turn = turn
        self._rows = _ROWS if turn.packets else _ROWS_WITHOUT_PACKETS
        self._height = _TOP + _ROW * len(self._rows) + 22
        self._heard_s = None if turn.v2v_ms is None else turn.said_to_s + turn.v2v_ms / 1000
        ends_s = turn.said_to_s if self._heard_s is None else self._heard_s + (turn.answer_ms or 0.0) / 1000
        last_s = max(ends_s, turn.said_to_s, *(at for at, _ in (*turn.packets, *turn.marks)))
        self._ends_s, self._first_s, self._last_s = ends_s, turn.said_from_s, last_s

    def draw(self) -> str:
        turn = self._turn
        names = "".join(
            f'<text class="row" x="0" y="{top + 15}">{name}</text>'
            f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{top + 20}" y2="{top + 20}"/>'
            for name, top in ((name, self._top(name)) for name in self._rows)
        )
        parts = [names, self._span("said", turn.said_from_s, turn.said_to_s, "said")]
        if self._heard_s is not None:
            parts.append(self._span("said", turn.said_to_s, self._heard_s, "wait"))
            parts.append(self._span("heard", self._heard_s, self._ends_s, "heard"))
        parts += [self._tick("server", at_s, name, "mark") for at_s, name in turn.marks]
        parts += [self._tick("packets", at_s, f"{ms:.0f} ms waiting", "line") for at_s, ms in turn.packets]
        parts += [self._waiting(), self._scale()]
        said = f"Call {turn.call}, step {turn.step}: said, told, packets, waiting audio and what was heard, over time"
        return (
            f'<svg viewBox="0 0 {WIDTH} {self._height}" role="img" aria-label="{said}">{"".join(parts)}</svg>'
        )

    def _x(self, at_s: float) -> float:
        share = (at_s - self._first_s) / max(self._last_s - self._first_s, 1e-9)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def _said(self, at_s: float) -> str:
        return f"{at_s - self._turn.said_to_s:+.2f} s"

    def _span(self, row: str, from_s: float, to_s: float, kind: str) -> str:
        left, right = sorted((self._x(from_s), self._x(to_s)))
        said = {"said": "said", "wait": "waited", "heard": "heard"}[kind]
        top, width = self._top(row), max(1.5, right - left)
        return (
            f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="18">'
            f"<title>{said}, {self._said(from_s)} to {self._said(to_s)}</title></rect>"
        )

    def _tick(self, row: str, at_s: float, name: str, kind: str) -> str:
        x, y = self._x(at_s), self._top(row)
        return (
            f'<line class="tick {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 18}">'
            f"<title>{escape(name)}, {self._said(at_s)}</title></line>"
        )

    def _waiting(self) -> str:
        """What waits falls evenly while it is played, and jumps with each packet."""
        packets = self._turn.packets
        if not packets:
            return ""
        top = self._top("waiting")
        most = max(max(ms for _, ms in packets), 1.0)
        found: list[tuple[float, float]] = [(packets[0][0], 0.0)]
        for (at_s, ms), following in zip(packets, [*packets[1:], None], strict=True):
            plays_s = max(at_s, self._heard_s if self._heard_s is not None else at_s)
            until_s = plays_s + ms / 1000 if following is None else following[0]
            left_ms = max(0.0, ms - max(0.0, until_s - plays_s) * 1000)
            found += [(at_s, ms), (plays_s, ms)] if plays_s < until_s else [(at_s, ms)]
            found.append((until_s, left_ms))
        inside = [(min(at_s, self._last_s), ms) for at_s, ms in found]
        path = " ".join(f"{self._x(at_s):.1f},{top + 20 - ms / most * 18:.1f}" for at_s, ms in inside)
        base = f"{self._x(inside[-1][0]):.1f},{top + 20} {self._x(inside[0][0]):.1f},{top + 20}"
        said = f"audio that had come and was not yet played: up to {most:.0f} ms"
        return f'<polygon class="waiting" points="{path} {base}"><title>{said}</title></polygon>'

    def _scale(self) -> str:
        x = self._x(self._turn.said_to_s)
        return (
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{self._height - 22}"/>'
            f'<text x="{_LEFT}" y="{self._height - 5}">{self._first_s:.1f} s</text>'
            f'<text class="end" x="{WIDTH - _RIGHT}" y="{self._height - 5}">{self._last_s:.1f} s</text>'
        )

    def _top(self, row: str) -> int:
        return _TOP + _ROW * self._rows.index(row)
