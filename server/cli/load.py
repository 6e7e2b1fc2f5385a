"""`stageflow-voice load`: callers with an ear, at any server; says what they heard, and judges it.

Exit codes: 0 all objectives held, 1 some are broken, 2 wrong usage or scenario, 3 the run is invalid, 4 nobody is
there.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from server.cli.load_order import CALLERS, embedded_voice, read_order
from server.client.load.audit import Limits
from server.client.load.comparison import Change, compare, read_report
from server.client.load.html_report import html
from server.client.load.measurement import Measurement, UnreachableError
from server.client.load.report import Report, schema
from server.client.load.text_reports import junit, markdown, table
from server.domain.errors import ServerError
from stages.errors import StagesError

HELD, BROKEN, USAGE, INVALID, UNREACHABLE = range(5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to call, with what, how often, and where to keep what was heard."""
    parser.add_argument("target", nargs="?", help="the server, such as ws://127.0.0.1:8080")
    parser.add_argument("scenario", nargs="?", type=Path, help="a YAML file; without one, a mix of questions")
    parser.add_argument(
        "--protocol",
        help="realtime, voice.v1, pcm, pcm:16000, pipecat or module:Class (default: what is taken)",
    )
    parser.add_argument("--api-key", help="the server's key, if it wants one")
    parser.add_argument(
        "--metrics",
        metavar="URL",
        help="where the server tells of itself (default: its /metrics, if it has them)",
    )
    load = parser.add_argument_group("how much")
    load.add_argument(
        "--callers", type=int, help=f"so many at a time, one call after another (default: {CALLERS})"
    )
    load.add_argument(
        "--arrivals", help="new calls, however many there are: constant:2/s, poisson:2/s, ramp:0-5/s"
    )
    load.add_argument(
        "--search", metavar="OBJECTIVES", help='the most callers with which this holds: "v2v_p95<1200,gaps=0"'
    )
    load.add_argument(
        "--most", type=int, default=500, help="callers at which a search ends (default: %(default)s)"
    )
    load.add_argument(
        "--duration", type=float, default=30.0, help="seconds of each load (default: %(default)g)"
    )
    load.add_argument("--seed", type=int, help="of everything that is drawn (default: the scenario's)")
    judging = parser.add_argument_group("what must hold")
    judging.add_argument(
        "--objectives", help='instead of those of the scenario: "v2v_p95<1200,gaps=0,missed=0"'
    )
    judging.add_argument(
        "--compare", type=Path, metavar="OLD.json", help="an older report, to be no worse than"
    )
    judging.add_argument(
        "--gate", type=float, default=10.0, help="per cent that count as worse (default: %(default)g)"
    )
    judging.add_argument(
        "--late-limit",
        type=float,
        default=Limits().send_late_p99_ms,
        help="ms that 1 of 100 frames may be sent late before the run is invalid; the other limits of the generator "
        "go along (default: %(default)g)",
    )
    judging.add_argument(
        "--no-calibration", action="store_true", help="do not measure the reference agent first"
    )
    out = parser.add_argument_group("reports")
    out.add_argument("--html", type=Path, default=Path("load-report.html"), help="(default: %(default)s)")
    out.add_argument("--json", type=Path, dest="json_path", help="all figures; `--schema` prints its schema")
    out.add_argument("--junit", type=Path, help="JUnit XML")
    out.add_argument("--markdown", type=Path, help="for a pull request")
    out.add_argument("--schema", action="store_true", help="print the JSON schema of a report, and end")


def run(arguments: argparse.Namespace) -> int:
    """Call, report, judge. Tells what is wrong itself, because its exit codes say more than those of the others."""
    if arguments.schema:
        print(json.dumps(schema(), indent=2))
        return HELD
    try:
        order, before = read_order(arguments), arguments.compare and read_report(arguments.compare)
        measurement = Measurement(order, embedded_voice, _say)
        report = anyio.run(measurement.run, backend_options={"use_uvloop": sys.platform != "win32"})
    except (ServerError, StagesError) as error:
        _complain(error)
        return UNREACHABLE if isinstance(error, UnreachableError) else USAGE
    changes = compare(before, report, arguments.gate) if before else []
    print(table(report))
    for change in changes:
        print(f"  {change.figure}: {change.before:g} → {change.now:g}, {change.said}")
    _write(arguments, report, changes)
    return _code(report, changes)


def _code(report: Report, changes: Sequence[Change]) -> int:
    if report.verdict == "invalid":
        return INVALID
    return BROKEN if report.verdict == "broken" or any(change.is_worse for change in changes) else HELD


def _write(arguments: argparse.Namespace, report: Report, changes: list[Change]) -> None:
    files = (
        (arguments.html, html(report)),
        (arguments.json_path, report.model_dump_json(indent=1)),
        (arguments.junit, junit(report)),
        (arguments.markdown, markdown(report, changes)),
    )
    for path, text in files:
        if path is not None:
            path.write_text(text)
            print(f"written: {path}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _complain(error: BaseException) -> None:
    for line in str(error).splitlines():
        print(f"stageflow-voice: {line}", file=sys.stderr)
