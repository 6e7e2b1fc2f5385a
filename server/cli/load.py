"""`stageflow-voice load`: callers with an ear, at any server; says what they heard, and judges it.

Exit codes: 0 all objectives held, 1 some are broken, 2 wrong usage or scenario, 3 the run is invalid, 4 nobody is
there.
"""

import argparse
import json
import math
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import anyio

from audio.formats import Samples
from server.client.address import session_url
from server.client.load.arrivals import Arrivals
from server.client.load.audit import Limits
from server.client.load.calibration import measure_in_process, measure_over_socket
from server.client.load.comparison import Change, compare, read_report
from server.client.load.html_report import html
from server.client.load.mouth import Voicebox
from server.client.load.objectives import Objective, read_objectives
from server.client.load.report import (
    Report,
    StepReport,
    bars_report,
    schema,
    step_report,
    whole_report,
    worst_calls,
)
from server.client.load.runner import Load, Place, Run, Runner, probe
from server.client.load.scenario_file import Speak, make_voicebox, needs_voice, read_mix
from server.client.load.script import DEFAULT_MIX, Mix
from server.client.load.search import Search
from server.client.load.targets import find_target, target_name
from server.client.load.text_reports import junit, markdown, table
from server.domain.errors import ServerError
from stages.errors import StagesError

HELD, BROKEN, USAGE, INVALID, UNREACHABLE = range(5)
RAMP_S_PER_CALLER = 0.05
MOST_RAMP_S = 5.0
PROGRESS_S = 5
CALLERS = 5


class _UnreachableError(Exception):
    """Nobody is there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to call, with what, how often, and where to keep what was heard."""
    parser.add_argument("target", nargs="?", help="the server, such as ws://127.0.0.1:8080")
    parser.add_argument("scenario", nargs="?", type=Path, help="a YAML file; without one, a mix of questions")
    parser.add_argument(
        "--protocol", help="realtime, voice.v1, pcm, pcm:16000 or module:Class (default: what is taken)"
    )
    parser.add_argument("--api-key", help="the server's key, if it wants one")
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


@dataclass(slots=True)
class _Order:
    """What is to be done, checked."""

    url: str
    place: Place | None
    api_key: str | None
    mix: Mix
    folder: Path
    objectives: tuple[Objective, ...]
    loads: tuple[Load, ...]
    search: Search | None
    duration_s: float
    seed: int
    calibrates: bool
    limits: Limits
    environment: dict[str, str]
    speak: Speak | None = None
    steps: list[StepReport] = field(default_factory=list)
    calibration: dict[str, object] = field(default_factory=dict)
    protocol: str = ""
    interrupted: bool = False


def run(arguments: argparse.Namespace) -> int:
    """Call, report, judge. Tells what is wrong itself, because its exit codes say more than those of the others."""
    if arguments.schema:
        print(json.dumps(schema(), indent=2))
        return HELD
    try:
        order, before = _check(arguments), arguments.compare and read_report(arguments.compare)
        report = anyio.run(_carry_out, order, backend_options={"use_uvloop": sys.platform != "win32"})
    except _UnreachableError as error:
        _complain(error)
        return UNREACHABLE
    except (ServerError, StagesError) as error:
        _complain(error)
        return USAGE
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


# --- before ---------------------------------------------------------------------------------------------------------


def _check(arguments: argparse.Namespace) -> _Order:
    """Everything that can be known beforehand. Raises ServerError."""
    if arguments.target is None:
        raise ServerError("name the server, such as ws://127.0.0.1:8080 (see --help)")
    url = _url(arguments.target)
    target = find_target(arguments.protocol) if arguments.protocol else None
    mix = read_mix(arguments.scenario) if arguments.scenario else DEFAULT_MIX
    seed = mix.seed if arguments.seed is None else arguments.seed
    written = arguments.search or arguments.objectives
    objectives = read_objectives([written] if written else [*mix.objectives, "turns>0"])
    _check_numbers(arguments)
    _check_places(arguments)
    return _Order(
        url,
        Place(url, target, arguments.api_key) if target else None,
        arguments.api_key,
        mix.model_copy(update={"seed": seed}),
        arguments.scenario.parent if arguments.scenario else Path(),
        objectives,
        () if arguments.search else (_load(arguments, seed),),
        Search(first=arguments.callers or 1, most=arguments.most) if arguments.search else None,
        arguments.duration,
        seed,
        not arguments.no_calibration,
        Limits().scaled(arguments.late_limit),
        _environment(),
    )


def _url(text: str) -> str:
    try:
        return session_url(text)
    except ServerError as error:
        raise ServerError(str(error).removeprefix("--url: ")) from error


def _check_numbers(arguments: argparse.Namespace) -> None:
    faults = [
        (
            arguments.callers is not None and not 1 <= arguments.callers <= 10_000,
            "--callers: from 1 to 10000",
        ),
        (not 1 <= arguments.most <= 10_000, "--most: from 1 to 10000"),
        (not (1 <= arguments.duration <= 86_400), "--duration: from 1 to 86400 seconds"),
        (not (0 <= arguments.gate < math.inf), "--gate: per cent, 0 or more"),
        (not (0 <= arguments.late_limit <= 10_000), "--late-limit: from 0 to 10000 ms"),
        (arguments.callers is not None and arguments.arrivals is not None, "either --callers or --arrivals"),
        (arguments.search is not None and arguments.arrivals is not None, "either --search or --arrivals"),
        (
            arguments.search is not None and arguments.objectives is not None,
            "--search names the objectives itself",
        ),
    ]
    if wrong := [message for is_wrong, message in faults if is_wrong]:
        raise ServerError("\n".join(wrong))


def _check_places(arguments: argparse.Namespace) -> None:
    """That there is somewhere to write to, before anything is measured."""
    for path in (arguments.html, arguments.json_path, arguments.junit, arguments.markdown):
        if path is not None and (
            not path.parent.is_dir() or path.is_dir() or not os.access(path.parent, os.W_OK)
        ):
            raise ServerError(f"{path}: it cannot be written there; name a file in a folder that there is")


def _load(arguments: argparse.Namespace, seed: int) -> Load:
    if arguments.arrivals:
        times_s = Arrivals.read(arguments.arrivals).times_s(arguments.duration, seed)
        return Load(arguments.duration, times_s=tuple(times_s))
    return _closed(arguments.callers or CALLERS, arguments.duration)


def _closed(callers: int, duration_s: float) -> Load:
    return Load(
        duration_s, callers=callers, ramp_s=min(MOST_RAMP_S, duration_s / 4, callers * RAMP_S_PER_CALLER)
    )


# --- meanwhile ------------------------------------------------------------------------------------------------------


async def _carry_out(order: _Order) -> Report:
    """Everything, until it is done or Ctrl-C."""
    try:
        place = await probe(order.place, order.url, order.api_key)
    except ServerError as error:
        raise _UnreachableError(str(error)) from error
    order.protocol = target_name(place.target)
    speak = await anyio.to_thread.run_sync(_voice) if needs_voice(order.mix) else None
    voicebox = await anyio.to_thread.run_sync(make_voicebox, order.mix, place.target, speak, order.folder)
    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            await _measure(order, place, voicebox)
            tasks.cancel_scope.cancel()

        tasks.start_soon(work)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await anext(signals)
            order.interrupted = True
            tasks.cancel_scope.cancel()
    return whole_report(
        order.steps,
        order.search,
        target=order.url,
        protocol=order.protocol,
        seed=order.seed,
        environment=order.environment,
        calibration=order.calibration,
        interrupted=order.interrupted,
    )


async def _measure(order: _Order, place: Place, voicebox: Voicebox) -> None:
    if order.calibrates:
        _say("measuring the reference agent")
        order.calibration["in process"] = bars_report(await anyio.to_thread.run_sync(measure_in_process))
        order.calibration["over a socket"] = bars_report(await measure_over_socket())
    for load in order.loads:
        await _step(order, place, voicebox, load)
    search = order.search
    while search is not None and (callers := search.next()) is not None:
        report = await _step(order, place, voicebox, _closed(callers, order.duration_s))
        broken = [one.objective for one in report.verdicts if not one.holds]
        search.took(callers, broken, is_valid=not report.invalid)


async def _step(order: _Order, place: Place, voicebox: Voicebox, load: Load) -> StepReport:
    """One load. What was measured is reported also when it is cancelled."""
    name = f"{load.callers} callers" if load.callers else f"{len(load.times_s)} arrivals"
    _say(f"{name} for {load.duration_s:g} s at {order.url} ({order.protocol})")
    runner = Runner(place, order.mix, voicebox, load, order.seed)
    try:
        await runner.run(_watch)
    finally:
        report = step_report(
            name,
            load.callers or None,
            runner.so_far,
            order.objectives,
            since_s=load.ramp_s,
            limits=order.limits,
        )
        order.steps.append(report)
    return report


def _watch(so_far: Run) -> None:
    if round(so_far.lasted_s) % PROGRESS_S == 0:
        _say(f"{so_far.lasted_s:4.0f} s: {so_far.talking} calls, {worst_calls(so_far.calls)}")


def _voice() -> Speak | None:
    """The embedded voice, if it is installed."""
    try:
        from stages.providers.hibari.engine import HibariEngine  # noqa: F401  # the voice imports it late
        from stages.providers.hibari.voice import EmbeddedVoice, VoiceModelSettings

        voice = EmbeddedVoice.from_settings(VoiceModelSettings(threads=1))
    except (ImportError, StagesError):
        return None

    async def collect(text: str) -> list[Samples]:
        return [speech.samples async for speech in voice.stream(text)]

    def speak(text: str) -> tuple[Samples, int]:
        import numpy as np

        return np.concatenate(anyio.run(collect, text)), voice.rate_hz

    return speak


def _environment() -> dict[str, str]:
    return {
        "stageflow-voice": metadata.version("stageflow-voice"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }


# --- afterwards -----------------------------------------------------------------------------------------------------


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
