"""`stageflow-voice load`: callers with an ear, at any server; says what they heard, and judges it.

Exit codes: 0 all objectives held, 1 some are broken, 2 wrong usage or scenario, or a report that cannot be written,
3 the run is invalid, 4 nobody is there.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from server.cli.load_order import CALLERS, embedded_voice, read_order, split_address
from server.client.load.calls.audit import AuditLimits
from server.client.load.figures.comparison import Change, compare, read_report
from server.client.load.figures.html_report import html
from server.client.load.figures.report import Report, schema
from server.client.load.figures.text_reports import junit, markdown, table
from server.client.load.measuring.fleet import KEY_VARIABLE
from server.client.load.measuring.measurement import Measurement, UnreachableError
from server.client.load.measuring.worker import worker
from server.domain.errors import ServerError
from stages.errors import StagesError

_BACKEND = {"use_uvloop": sys.platform != "win32"}
HELD, BROKEN, USAGE, INVALID, UNREACHABLE = range(5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to call, with what, how often, and where to keep what was heard."""
    parser.add_argument("target", nargs="?", help="the server, such as ws://127.0.0.1:8080, or `worker`")
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
    parser.add_argument(
        "--metrics-key",
        metavar="KEY",
        help="the key for --metrics (default: --api-key where it is the same server, none where it is another)",
    )
    _load_arguments(parser)
    _several_arguments(parser)
    _judging_arguments(parser)
    _report_arguments(parser)


def _load_arguments(parser: argparse.ArgumentParser) -> None:
    load = parser.add_argument_group("how much")
    load.add_argument(
        "--callers", type=int, help=f"so many at a time, one call after another (default: {CALLERS})"
    )
    load.add_argument(
        "--arrivals",
        help="new calls, however many there are: constant:2/s, poisson:2/s, ramp:0-5/s, burst:20/5s",
    )
    load.add_argument(
        "--canaries",
        type=int,
        default=0,
        help="so many more callers, who hear everything, first alone and then beside the load: what it does to them",
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


def _several_arguments(parser: argparse.ArgumentParser) -> None:
    several = parser.add_argument_group("several processes, and several machines")
    several.add_argument(
        "--processes", type=int, default=1, help="so many make the calls (default: %(default)s)"
    )
    several.add_argument(
        "--workers",
        metavar="HOST:PORT,...",
        help="these make the calls: `stageflow-voice load worker`, on other machines",
    )
    several.add_argument(
        "--worker-key",
        default=os.environ.get(KEY_VARIABLE),
        help=f"what a worker wants to be told (default: {KEY_VARIABLE} of the environment)",
    )
    several.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:9300", help="of a worker (default: %(default)s)"
    )
    several.add_argument("--once", action="store_true", help="a worker ends with its first controller")


def _judging_arguments(parser: argparse.ArgumentParser) -> None:
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
        default=AuditLimits().send_late_p99_ms,
        help="ms that 1 of 100 frames may be sent late before the run is invalid; the other limits of the generator "
        "go along (default: %(default)g)",
    )
    judging.add_argument(
        "--no-calibration", action="store_true", help="do not measure the reference agent first"
    )


def _report_arguments(parser: argparse.ArgumentParser) -> None:
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
        if arguments.target == "worker" or ":" in (arguments.protocol or ""):
            from server.cli.targets import put_here_on_path  # for a protocol of one's own, which few have

            put_here_on_path()
        if arguments.target == "worker":
            return _work(arguments)
        order, before = read_order(arguments), arguments.compare and read_report(arguments.compare)
        measurement = Measurement(order, embedded_voice, _say)
        report = anyio.run(measurement.run, backend_options=_BACKEND)
    except (ServerError, StagesError) as error:
        _complain(error)
        return UNREACHABLE if isinstance(error, UnreachableError) else USAGE
    changes = compare(before, report, arguments.gate) if before else []
    print(table(report))
    for change in changes:
        print(f"  {change.figure}: {change.before:g} → {change.now:g}, {change.said}")
    is_written = _write(arguments, report, changes)
    return _code(report, changes) if is_written else USAGE


def _work(arguments: argparse.Namespace) -> int:
    """Make calls for controllers, until Ctrl-C. Raises ServerError."""
    host, port = split_address("--listen", arguments.listen)
    key = arguments.worker_key
    if key is None and host not in ("127.0.0.1", "::1", "localhost"):
        raise ServerError(
            f"--listen {arguments.listen}: whoever reaches it may have it call anybody; set --worker-key"
        )
    anyio.run(_serve_controllers, host, port, key, arguments.once, backend_options=_BACKEND)
    return HELD


async def _serve_controllers(host: str, port: int, key: str | None, is_once: bool) -> None:
    try:
        async with worker(host, port, key) as (bound, gone), anyio.create_task_group() as tasks:
            shown = f"[{host}]" if ":" in host else host
            print(f"listening on {shown}:{bound}", flush=True)
            if is_once:
                await gone.wait()
            else:
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                    await anext(signals)
            tasks.cancel_scope.cancel()
    except OSError as error:
        raise ServerError(f"--listen {host}:{port}: {error.strerror or error}") from error


def _code(report: Report, changes: Sequence[Change]) -> int:
    if report.verdict == "invalid":
        return INVALID
    return BROKEN if report.verdict == "broken" or any(change.is_worse for change in changes) else HELD


def _write(arguments: argparse.Namespace, report: Report, changes: list[Change]) -> bool:
    """Write all reports that are wanted, and tell whether that went well: one that does not is said."""
    is_written = True
    files = (
        (arguments.html, html(report)),
        (arguments.json_path, report.model_dump_json(indent=1)),
        (arguments.junit, junit(report)),
        (arguments.markdown, markdown(report, changes)),
    )
    for path, text in files:
        if path is not None:
            try:
                path.write_text(text, encoding="utf-8")
                print(f"written: {path}")
            except OSError as error:
                is_written = False
                _complain(ServerError(f"{path}: it could not be written: {error.strerror or error}"))
    return is_written


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _complain(error: BaseException) -> None:
    for line in str(error).splitlines():
        print(f"stageflow-voice: {line}", file=sys.stderr)
