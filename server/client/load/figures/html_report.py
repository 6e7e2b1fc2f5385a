"""A report as one page without network or script: charts, the worst turns to listen to, all figures. Pure."""

import re
from collections.abc import Iterator, Mapping
from html import escape

from server.client.load.figures.canaries import CanaryReport, canary_lines
from server.client.load.figures.charts import Point, histogram, points, stems
from server.client.load.figures.figures import COUNTS, LATENCIES
from server.client.load.figures.report import Report, StepReport, TurnReport, shown_ms
from server.client.load.figures.server_side import ServerFigures
from server.client.load.figures.timelines import timeline
from server.client.load.figures.verdicts import broken_said, in_order, stands_out, state_of, verdict_said

_DRAWN = 60
"""So many turns of a load are drawn besides the worst."""

_LIMIT = re.compile(r"v2v_p95<=?([\d.]+)$")

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2733;--paper:#fff;--soft:#5b6b7b;--rule:#d5dde5;--bar:#3b78c2;--good:#1e8757;
--bad:#c0392b;--warn:#b7791f;--card:#f5f8fb}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#11161c;--soft:#9aa9b8;--rule:#2f3a46;--bar:#6aa5ea;
--good:#4cc38a;--bad:#ff7b6e;--warn:#e3b341;--card:#19212a}}
*{box-sizing:border-box}body{margin:0 auto;padding:16px;max-width:1040px;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:.2em 0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:1.6em 0 .4em}
h3{font-size:1rem;margin:1em 0 .2em}.card h3{margin-top:0}.chart{max-width:760px;margin:16px 0}
.load{border-top:1px solid var(--rule)}summary h2{display:inline}
p{margin:.3em 0}.soft{color:var(--soft)}.held,.good{color:var(--good)}
.broken,.bad{color:var(--bad)}.invalid,.few{color:var(--warn)}.verdict{font-size:1.2rem;font-weight:600}
.grid{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));align-items:start;
margin:.7em 0}
.cards{columns:2 420px;column-gap:16px;margin:.7em 0}.cards .card{break-inside:avoid;margin-bottom:16px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px;min-width:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:4px 8px;text-align:right;
border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
td.text{text-align:left;white-space:normal}svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font-size:13px}
.end{text-anchor:end}.middle{text-anchor:middle}.bar{fill:var(--bar)}.axis{stroke:var(--rule)}
.line{fill:none;stroke:var(--bar);
stroke-width:2}line.good,line.bad{stroke:currentColor;stroke-width:2}circle.good,circle.bad{fill:currentColor}
.mark,.limit{stroke:var(--warn);stroke-width:2;stroke-dasharray:5 4}
.limit{stroke:var(--soft);stroke-width:1}rect.said{fill:var(--bar)}rect.heard{fill:var(--good)}
rect.wait{fill:var(--rule)}polygon.waiting{fill:var(--bar);opacity:.55}.tick.line{stroke-width:1.5}
.tick.mark{stroke-dasharray:none;stroke-width:3}td.value{white-space:normal}summary{cursor:pointer;margin:1em 0}
audio{width:100%;height:36px}
@media(max-width:560px){svg text{font-size:20px}th,td{padding:4px 3px}table{font-size:.82rem}.card{padding:10px}
.card th:first-child,.card td:first-child{white-space:normal;overflow-wrap:anywhere}}
"""


def html(report: Report) -> str:
    """The page."""
    body = "".join(_body(report))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>Load report</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    yield f"<h1>{escape(report.target).replace('/', '/<wbr>')}</h1>"
    said = verdict_said(report)
    yield f'<p class="verdict {report.verdict}">{said[0].upper()}{said[1:]}</p>'
    if report.knee is not None:
        yield f"<p><strong>Knee:</strong> {escape(report.knee_said)}</p>"
    environment = ", ".join(f"{name} {value}" for name, value in report.environment.items())
    yield f'<p class="soft">{escape(report.protocol)}, seed {report.seed}; {escape(environment)}</p>'
    yield from _bars(report)
    yield "<h2>Loads</h2>" + _loads(report)
    if len(report.steps) > 1:
        chart = _over_callers(report)
        yield f'<div class="card chart"><h3>Voice to voice, p95 in ms over callers</h3>{chart}</div>'
    for step in in_order(report):
        opened = " open" if stands_out(report, step) else ""
        yield f'<details class="load"{opened}><summary><h2>{escape(step.load)}</h2></summary>'
        yield from _step(step)
        yield "</details>"
    yield "<h2>What the figures mean</h2>" + _meanings()


def _bars(report: Report) -> Iterator[str]:
    """How wrong the figures are."""
    for where, bars in report.calibration.items():
        known = [
            f"{name} {bar.bias_ms:+g} ± {bar.spread_ms:g} ms (n={bar.n})"
            for name, bar in bars.items()
            if bar is not None
        ]
        told = escape(", ".join(known) or "unknown")
        yield f'<p class="soft">Error of the figures, measured {escape(where)}: {told}</p>'


def _loads(report: Report) -> str:
    rows = []
    for step in in_order(report):
        v2v, stop = step.latencies.get("v2v"), step.latencies.get("barge_stop")
        state = state_of(step)
        cells = [
            f'<span class="{state}">{state}</span>',
            f"{step.counts['turns']:g}",
            shown_ms(v2v, 50),
            shown_ms(v2v, 95),
            shown_ms(v2v, 100),
        ]
        cells += [
            shown_ms(stop, 50),
            *(f"{step.counts[name]:g}" for name in ("gaps", "missed", "lost", "refused")),
        ]
        cells.append(f"{step.generator['cpu']:.0%}")
        rows.append(f"<tr><td>{escape(step.load)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    names = (
        "load",
        "",
        "turns",
        "v2v p50",
        "p95",
        "max",
        "barge-in p50",
        "gaps",
        "missed",
        "lost",
        "refused",
        "generator CPU",
    )
    return _table(names, rows)


def _over_callers(report: Report) -> str:
    found = []
    for step in report.steps:
        v2v = step.latencies.get("v2v")
        if step.callers and v2v and v2v.p95 is not None and v2v.p95_interval is not None:
            is_good = not step.invalid and all(one.holds for one in step.verdicts)
            found.append(Point(step.callers, v2v.p95, *v2v.p95_interval, is_good))
    limits = {one.objective: _LIMIT.match(one.objective) for step in report.steps for one in step.verdicts}
    limit = min((float(match[1]) for match in limits.values() if match), default=None)
    return (
        points(found, "callers", "p95 in ms over callers", knee=report.knee, limit=limit)
        or "<p>Too few turns for percentiles.</p>"
    )


def _step(step: StepReport) -> Iterator[str]:
    for one in step.verdicts:
        if not one.holds:
            yield f'<p class="broken">{escape(one.objective)} is broken: {broken_said(one)}</p>'
    yield from (f'<p class="invalid">{escape(fault)}</p>' for fault in step.invalid)
    yield '<div class="cards">'
    for name, title in (("v2v", "Voice to voice"), ("barge_stop", "Interruption to silence")):
        if (latency := step.latencies.get(name)) is not None:
            chart = histogram(latency.histogram, 50, "ms", title)
            yield _card(f"{title}, ms (n={latency.n})", chart)
    yield _card("Latencies, ms", _latencies(step))
    yield _card("Gaps over time, ms each", _gaps(step))
    yield _card("Counts", _counts(step))
    yield _card("The generator: whether these figures can be trusted", _generator(step))
    if step.server is not None:
        yield _card("The server, by its own account", _server(step.server))
    if step.canaries is not None:
        yield _card("Canaries: the same callers, ms", _canaries(step.canaries))
    yield "</div>"
    if step.worst:
        yield "<h3>The turns that were waited for longest</h3>"
        yield '<div class="grid">' + "".join(map(_turn, step.worst)) + "</div>"
    drawn = [turn for turn in step.turns if turn.packets][-_DRAWN:]
    if drawn:
        yield f"<details><summary>The newest {len(drawn)} turns, drawn</summary>"
        yield '<div class="grid">' + "".join(map(_turn, drawn)) + "</div></details>"


def _card(title: str, body: str) -> str:
    return f'<div class="card"><h3>{escape(title)}</h3>{body}</div>'


def _canaries(report: CanaryReport) -> str:
    rows = []
    for line in canary_lines(report):
        cells = "".join(f'<td class="value">{escape(cell)}</td>' for cell in line)
        rows.append(f"<tr>{cells}</tr>")
    return _table(("", "alone", "beside the load"), rows)


def _gaps(step: StepReport) -> str:
    found = [(turn.said_to_s, ms) for turn in step.turns for ms in turn.gaps_ms]
    return stems(found, "s", "gaps over time") if found else '<p class="good">None.</p>'


def _latencies(step: StepReport) -> str:
    rows = []
    for name, one in step.latencies.items():
        cells = "".join(f"<td>{shown_ms(one, percent)}</td>" for percent in (50, 90, 95, 99, 100))
        rows.append(f"<tr><td>{name}</td><td>{one.n}</td>{cells}</tr>")
    return _table(("", "n", "p50", "p90", "p95", "p99", "max"), rows)


def _counts(step: StepReport) -> str:
    """What there was; what there was none of goes into one line."""
    counts = {name: f"{count:g}" for name, count in step.counts.items() if count}
    counts |= {f"discarded: {reason}": str(count) for reason, count in step.discarded.items()}
    counts |= {f"the server says: {said}": str(count) for said, count in step.troubles.items()}
    counts |= {f"lost or refused: {why}": str(count) for why, count in step.whys.items()}
    none = ", ".join(name for name, count in step.counts.items() if not count)
    return _pairs(counts) + (f'<p class="soft">none: {none}</p>' if none else "")


def _generator(step: StepReport) -> str:
    told = step.generator
    return _pairs(
        {
            "frames sent": f"{told['frames']:.0f}, {told['realtime_ratio']:.1%} of those due",
            "frames sent late, p50, p99, max": f"{told['send_late_p50_ms']:g}, {told['send_late_p99_ms']:g}, "
            f"{told['send_late_max_ms']:.0f} ms",
            "lag of its loop, p50, p99, max": f"{told['loop_lag_p50_ms']:g}, {told['loop_lag_p99_ms']:g}, "
            f"{told['loop_lag_max_ms']:.0f} ms",
            "of a core": f"{told['cpu']:.0%}",
        }
    )


def _server(server: ServerFigures) -> str:
    told = {
        "of a core": None if server.cpu is None else f"{server.cpu:.0%}",
        "memory, at most": None if server.memory_mb is None else f"{server.memory_mb:.0f} MB",
        "sessions, at most": None if server.sessions is None else str(server.sessions),
        "lag of its loop, mean": None
        if server.loop_lag_mean_ms is None
        else f"{server.loop_lag_mean_ms:g} ms",
        "lag of its loop, p99": None
        if server.loop_lag_p99_ms is None
        else f"up to {server.loop_lag_p99_ms:g} ms",
        **{f"waited for {worker}, at most": str(most) for worker, most in server.waiting.items()},
        "first audio, mean": None if server.first_audio_ms is None else f"{server.first_audio_ms:.0f} ms",
    }
    for one in server.stages:
        share = "" if one.share is None else f", {one.share:.0%} of that"
        told[f"{one.stage}, {one.provider}, to its first result"] = (
            f"{one.mean_ms:.0f} ms{share} (n={one.calls})"
        )
    return _pairs({name: value for name, value in told.items() if value is not None})


def _pairs(facts: Mapping[str, str]) -> str:
    rows = [
        f'<tr><td class="text">{escape(name)}</td><td class="value">{escape(value)}</td></tr>'
        for name, value in facts.items()
    ]
    return _table(("", ""), rows)


def _turn(turn: TurnReport) -> str:
    audio = ""
    if turn.audio_wav_base64:
        audio = f'<audio controls preload="none" src="data:audio/wav;base64,{turn.audio_wav_base64}"></audio>'
    gaps = f", gaps {', '.join(f'{ms:.0f}' for ms in turn.gaps_ms)} ms" if turn.gaps_ms else ""
    took = turn.outcome if turn.v2v_ms is None else f"{turn.v2v_ms:.0f} ms"
    call = f"call {turn.call}" if turn.call >= 0 else f"canary's call {-turn.call}"
    return _card(f"{took}: {turn.scenario}, step {turn.step}, {call}{gaps}", timeline(turn) + audio)


def _meanings() -> str:
    meanings = {**{name: f"ms, {what}" for name, (what, _) in LATENCIES.items()}, **COUNTS}
    rows = [
        f'<tr><td>{name}</td><td class="text">{escape(what)}</td></tr>' for name, what in meanings.items()
    ]
    return _table(("figure", ""), rows)


def _table(names: tuple[str, ...], rows: list[str]) -> str:
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>" if any(names) else ""
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'
