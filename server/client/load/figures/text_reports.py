"""A report as a table for a terminal, as Markdown for a pull request, and as JUnit XML for a build. Pure."""

from collections.abc import Iterator
from xml.etree import ElementTree

from server.client.counted import counted
from server.client.load.figures.canaries import canary_lines
from server.client.load.figures.comparison import Change
from server.client.load.figures.report import BarReport, Report, StepReport, shown_ms
from server.client.load.figures.verdicts import broken_said, in_order, stands_out, state_of, verdict_said

_SHOWN = ("v2v", "typed", "first_packet", "leading_silence", "barge_stop", "duck", "resume", "outage_silence")
_COUNTS = (
    "gaps",
    "missed",
    "not_stopped",
    "false_stops",
    "false_answers",
    "early",
    "not_resumed",
    "tools_missed",
    "extra_answers",
    "words",
    "words_lost",
    "words_doubled",
    "words_cut",
    "foreign_words",
    "errors",
    "lost",
    "refused",
)

_COLUMNS = ("load", "turns", "v2v p50", "p95", "stop p50", "gaps", "missed", "lost", "")


def table(report: Report) -> str:
    """The report as a table for a terminal of 80 columns."""
    lines = [f"{report.target} ({report.protocol})"]
    for where, bars in report.calibration.items():
        lines.append(f"errors of the figures, {where}: {_bars(bars)}")
    for step in in_order(report):
        if stands_out(report, step):
            lines += ["", *_step(step)]
    if report.knee is not None:
        lines += ["", *_overview(report), "", f"knee: {report.knee_said}"]
    return "\n".join([*lines, "", verdict_said(report)])


def markdown(report: Report, changes: list[Change] | None = None) -> str:
    """The report in Markdown, for a comment on a pull request."""
    mark = {"held": "✅", "broken": "❌", "invalid": "⚠️"}[report.verdict]
    lines = [
        f"### Load: {mark} {verdict_said(report)}",
        "",
        f"`{report.target}`, {report.protocol}, seed {report.seed}",
        "",
    ]
    if report.knee is not None:
        lines += [f"**Knee:** {report.knee_said}", ""]
    lines += [f"| {' | '.join(_COLUMNS)} |", "|" + " --- |" * len(_COLUMNS)]
    lines += [f"| {' | '.join(_cells(step))} |" for step in in_order(report)]
    broken = [
        f"- {step.load}: {said}" for step in in_order(report) for said in (*_broken(step), *step.invalid)
    ]
    lines += ["", *broken] if broken else []
    for step in report.steps:
        if step.canaries is not None:
            lines += ["", f"| canaries, {step.load} | alone | beside the load |", "| --- | --- | --- |"]
            lines += [f"| {' | '.join(cells)} |" for cells in canary_lines(step.canaries)]
    if changes:
        lines += ["", "| figure | before | now | change |", "| --- | --- | --- | --- |"]
        lines += [f"| {one.figure} | {one.before:g} | {one.now:g} | {one.said} |" for one in changes]
    return "\n".join(lines) + "\n"


def junit(report: Report) -> str:
    """A test suite a load, a test case an objective. What breaks above the knee of a search fails no build."""
    root = ElementTree.Element("testsuites", name="stageflow-voice load")
    for step in report.steps:
        is_beyond = bool(report.knee) and report.verdict == "held" and step.callers != report.knee
        broken = sum(not one.holds for one in step.verdicts)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=step.load,
            tests=str(len(step.verdicts)),
            failures=str(0 if is_beyond else broken),
            errors=str(0 if is_beyond else len(step.invalid)),
            skipped=str(broken + len(step.invalid) if is_beyond else 0),
            time=f"{step.lasted_s:g}",
        )
        for one in step.verdicts:
            case = ElementTree.SubElement(suite, "testcase", classname=step.load, name=one.objective)
            if not one.holds:
                kind = "skipped" if is_beyond else "failure"
                ElementTree.SubElement(case, kind, message=broken_said(one))
        for fault in step.invalid:
            case = ElementTree.SubElement(
                suite, "testcase", classname=step.load, name="the generator keeps up"
            )
            ElementTree.SubElement(case, "skipped" if is_beyond else "error", message=fault)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cells(step: StepReport) -> list[str]:
    """A load in `_COLUMNS`."""
    v2v, stop, counts = step.latencies.get("v2v"), step.latencies.get("barge_stop"), step.counts
    turns = f"{counts['turns']:g}"
    latencies = (shown_ms(v2v, 50), shown_ms(v2v, 95), shown_ms(stop, 50))
    return [
        step.load,
        turns,
        *latencies,
        *(f"{counts[name]:g}" for name in ("gaps", "missed", "lost")),
        state_of(step),
    ]


def _overview(report: Report) -> Iterator[str]:
    """All loads of a search, a line each."""
    rows = [list(_COLUMNS), *(_cells(step) for step in in_order(report))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join([row[0].ljust(widths[0]), *cells[1:-1], row[-1]]).rstrip()


def _step(step: StepReport) -> Iterator[str]:
    endings = ", ".join(f"{count} {ending}" for ending, count in step.endings.items())
    turns = counted(step.counts["turns"], "turn")
    yield f"{step.load}: {counted(step.calls, 'call')} in {step.lasted_s:.0f} s ({endings}), {turns}"
    yield f"  {'ms':<16}{'n':>6}{'p50':>8}{'p90':>8}{'p95':>8}{'p99':>8}{'max':>8}"
    for name in _SHOWN:
        if (one := step.latencies.get(name)) is not None:
            cells = "".join(f"{shown_ms(one, percent):>8}" for percent in (50, 90, 95, 99, 100))
            yield f"  {name:<16}{one.n:>6}{cells}"
    yield "  " + ", ".join(
        f"{name} {step.counts.get(name, 0):g}" for name in _COUNTS if step.counts.get(name) or name == "gaps"
    )
    for what, counts in (("discarded", step.discarded), ("the server says", step.troubles), ("", step.whys)):
        for reason, count in counts.items():
            yield f"  {what}{': ' if what else ''}{reason} ({count})"
    generator = step.generator
    yield (
        f"  generator: frames late p50 {generator['send_late_p50_ms']:g}, p99 {generator['send_late_p99_ms']:g}, "
        f"max {generator['send_late_max_ms']:.0f} ms; loop lag p99 {generator['loop_lag_p99_ms']:g} ms; "
        f"CPU {generator['cpu']:.0%}"
    )
    yield from _server(step)
    if step.canaries is not None:
        for name, idle, loaded in canary_lines(step.canaries):
            yield f"  canaries: {name}: {idle} alone, {loaded} beside the load"
    for said in (
        *(f"broken: {one}" for one in _broken(step)),
        *(f"invalid: {fault}" for fault in step.invalid),
    ):
        yield f"  {said}"


def _server(step: StepReport) -> Iterator[str]:
    """What the server said of itself."""
    if (server := step.server) is None:
        return
    facts = [
        "" if server.cpu is None else f"CPU {server.cpu:.0%}",
        "" if server.memory_mb is None else f"{server.memory_mb:.0f} MB",
        "" if server.sessions is None else counted(server.sessions, "session"),
        "" if server.loop_lag_p99_ms is None else f"loop lag p99 up to {server.loop_lag_p99_ms:g} ms",
        *(f"{most} waiting for {worker}" for worker, most in server.waiting.items() if most),
    ]
    yield f"  server: {', '.join(fact for fact in facts if fact)}"
    if server.first_audio_ms is not None:
        stages = ", ".join(
            f"{one.stage} {one.mean_ms:.0f} ms ({one.share or 0:.0%})" for one in server.stages
        )
        yield f"  server: first audio after {server.first_audio_ms:.0f} ms on average; {stages}"


def _broken(step: StepReport) -> Iterator[str]:
    for one in step.verdicts:
        if not one.holds:
            yield f"{one.objective} ({broken_said(one)})"


def _bars(bars: dict[str, BarReport | None]) -> str:
    said = (
        f"{name} {bar.bias_ms:+g} ± {bar.spread_ms:g} ms (n={bar.n})"
        for name, bar in bars.items()
        if bar is not None
    )
    return ", ".join(said) or "not measured"
