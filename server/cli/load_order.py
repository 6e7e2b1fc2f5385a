"""The arguments of `stageflow-voice load`, checked: what is to be measured, by which voice, on what machine."""

import argparse
import math
import os
import platform
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import anyio

from audio.formats import Samples
from server.client.address import session_url
from server.client.load.calls.arrivals import Arrivals
from server.client.load.calls.audit import AuditLimits
from server.client.load.calls.runner import Load
from server.client.load.default_mix import DEFAULT_MIX
from server.client.load.figures.objectives import read_objectives
from server.client.load.figures.search import Search
from server.client.load.measuring.loads import LoadOrder, closed_load
from server.client.load.measuring.scenario_file import Speak, read_mix
from server.client.load.targets import find_target
from server.domain.errors import ServerError
from stages.errors import StagesError

CALLERS = 5
MOST_PORT = 65_535


def read_order(arguments: argparse.Namespace) -> LoadOrder:
    """Everything that can be known beforehand. Raises ServerError."""
    if arguments.target is None:
        raise ServerError("name the server, such as ws://127.0.0.1:8080 (see --help)")
    url = _url(arguments.target)
    target = find_target(arguments.protocol) if arguments.protocol else None
    mix = read_mix(arguments.scenario) if arguments.scenario else DEFAULT_MIX
    seed = mix.seed if arguments.seed is None else arguments.seed
    written = arguments.objectives if arguments.search is None else arguments.search
    objectives = read_objectives(mix.objectives if written is None else [written])
    if not any(one.figure == "turns" for one in objectives):
        objectives += read_objectives(["turns>0"])  # who hears nothing has found nothing wrong
    _check_numbers(arguments)
    _check_places(arguments)
    return LoadOrder(
        url=url,
        target=target,
        api_key=arguments.api_key,
        mix=mix.model_copy(update={"seed": seed}),
        folder=arguments.scenario.parent if arguments.scenario else Path(),
        objectives=objectives,
        duration_s=arguments.duration,
        seed=seed,
        loads=(_load(arguments, seed),) if arguments.search is None else (),
        search=Search(first=arguments.callers or 1, most=arguments.most)
        if arguments.search is not None
        else None,
        protocol=arguments.protocol,
        processes=arguments.processes,
        workers=_workers(arguments.workers),
        worker_key=arguments.worker_key,
        canaries=arguments.canaries,
        calibrates=not arguments.no_calibration,
        metrics_url=arguments.metrics,
        metrics_key=arguments.metrics_key,
        limits=AuditLimits().scaled(arguments.late_limit),
        environment=_environment(),
    )


def _workers(written: str | None) -> tuple[str, ...]:
    """`host:port,host:port`. Raises ServerError."""
    addresses = [part.strip() for part in (written or "").split(",") if part.strip()]
    for address in addresses:
        split_address("--workers", address)
    if written is not None and not addresses:
        raise ServerError("--workers: name them, as host:port,host:port")
    return tuple(dict.fromkeys(addresses))


def split_address(option: str, written: str) -> tuple[str, int]:
    """`host:port`, or `[::1]:port`. Raises ServerError."""
    host, colon, port = written.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= MOST_PORT):
        raise ServerError(f"{option}: {written!r} is no host:port")
    return host.strip("[]"), int(port)


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
        (not 0 <= arguments.canaries <= 100, "--canaries: from 0 to 100"),
        (not 1 <= arguments.processes <= 256, "--processes: from 1 to 256"),
        (arguments.processes > 1 and arguments.workers is not None, "either --processes or --workers"),
        (
            arguments.metrics is not None and not arguments.metrics.startswith(("http://", "https://")),
            "--metrics: an address that begins with http:// or https://",
        ),
        (not 1 <= arguments.most <= 10_000, "--most: from 1 to 10000"),
        (arguments.search is not None and not arguments.search.strip(", "), "--search: name what must hold"),
        (
            arguments.search is not None and (arguments.callers or 1) > arguments.most,
            "--callers: a search begins with them, and ends at --most",
        ),
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
        return Load(arguments.duration, times_s=tuple(times_s), canaries=arguments.canaries)
    load = closed_load(arguments.callers or CALLERS, arguments.duration)
    return replace(load, canaries=arguments.canaries)


def _environment() -> dict[str, str]:
    return {
        "stageflow-voice": metadata.version("stageflow-voice"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }


def embedded_voice() -> Speak | None:
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
