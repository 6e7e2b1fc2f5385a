"""Small charts as SVG, drawn without scripts: bars, stems, points with intervals. Pure. The page has the colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 10, 12, 30
_LEAST_BARS = 10


@dataclass(frozen=True, slots=True)
class Point:
    """A value over another, and the interval in which it lies."""

    x: float
    y: float
    low: float
    high: float
    is_good: bool = True


def histogram(counts: Mapping[str, int], step: int, unit: str, title: str) -> str:
    """Bars of `counts`, whose keys are where each bar begins."""
    if not counts:
        return ""
    starts = sorted(int(start) for start in counts)
    first, last = starts[0], max(starts[-1] + step, starts[0] + step * _LEAST_BARS)
    top = max(counts.values())
    parts = []
    for start in starts:
        count = counts[str(start)]
        left, right = _x(start, first, last), _x(start + step, first, last)
        y = _y(count, top)
        said = escape(f"{start} to {start + step} {unit}: {count}")
        parts.append(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{y:.1f}" width="{max(1.0, right - left - 1):.1f}" '
            f'height="{HEIGHT - _BOTTOM - y:.1f}"><title>{said}</title></rect>'
        )
    return _frame(title, "".join(parts), (first, last), top, unit)


def stems(values: Sequence[tuple[float, float]], unit: str, title: str) -> str:
    """A stem for each value that happened at some x: what lies between two is nothing, so no line joins them."""
    if not values:
        return ""
    last, top = max(x for x, _ in values), max(y for _, y in values) or 1.0
    parts = []
    for at, value in values:
        x, y = _x(at, 0, last), _y(value, top)
        said = escape(f"{value:.0f} at {at:.1f} {unit}")
        parts.append(
            f'<line class="bad" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - _BOTTOM}" y2="{y:.1f}"/>'
            f'<circle class="bad" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{said}</title></circle>'
        )
    return _frame(title, "".join(parts), (0, last), top, unit)


def points(
    values: Sequence[Point], unit: str, title: str, *, knee: float | None = None, limit: float | None = None
) -> str:
    """Points with their intervals, joined by a line; marks where the knee is, and what they must be below."""
    if not values:
        return ""
    last = max(point.x for point in values)
    top = max(*(point.high for point in values), limit or 0.0) or 1.0
    path = " ".join(
        f"{_x(point.x, 0, last):.1f},{_y(point.y, top):.1f}" for point in sorted(values, key=lambda p: p.x)
    )
    parts = [f'<polyline class="line" points="{path}"/>']
    for point in values:
        x, kind = _x(point.x, 0, last), "good" if point.is_good else "bad"
        parts.append(
            f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{_y(point.low, top):.1f}" y2="{_y(point.high, top):.1f}"/>'
        )
        said = escape(f"{point.x:g}: {point.y:.0f} {unit} ({point.low:.0f} to {point.high:.0f})")
        parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{_y(point.y, top):.1f}" r="4"><title>{said}</title></circle>'
        )
    if limit is not None:
        y = _y(limit, top)
        parts.append(f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT + 4}" y="{max(y - 5, _TOP + 10):.1f}">limit {limit:g}</text>')
    if knee is not None:
        x = _x(knee, 0, last)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text class="end" x="{x - 6:.1f}" y="{_TOP + 12}">knee {knee:g}</text>')
    return _frame(title, "".join(parts), (0, last), top, unit)


def _frame(title: str, body: str, x_range: tuple[float, float], top: float, unit: str) -> str:
    base = HEIGHT - _BOTTOM
    axes = (
        f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>'
        f'<text class="end" x="{_LEFT - 6}" y="{_TOP + 8}">{top:.4g}</text>'
        f'<text class="end" x="{_LEFT - 6}" y="{base}">0</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 10}">{x_range[0]:.4g}</text>'
        f'<text class="end" x="{WIDTH - _RIGHT}" y="{HEIGHT - 10}">{x_range[1]:.4g}</text>'
        f'<text class="middle" x="{(_LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 10}">{escape(unit)}</text>'
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{axes}{body}</svg>'


def _x(value: float, first: float, last: float) -> float:
    return _LEFT + (value - first) / max(last - first, 1e-9) * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - value / max(top, 1e-9) * (HEIGHT - _TOP - _BOTTOM)
