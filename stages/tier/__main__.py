"""`scripts/models-tier`: starts a model tier on this machine, or on a cluster of Ray, until it is interrupted."""

import argparse
import ipaddress
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio
from websockets.sync.client import connect

from stages.providers.configured import configure
from stages.providers.registry import ProviderFault, find_provider
from stages.providers.remote.wire import TIERS, Hello
from stages.tier import plain
from stages.tier.engine import MAX_STREAMS, EngineChoice, TierEngine, TierKind

KINDS: Sequence[TierKind] = ("stt", "tts")
KEY_VARIABLE = "MODEL_TIER_KEY"


def main(words: Sequence[str] | None = None) -> int:
    """Gives the exit code: 2 for what cannot be served as it is asked for."""
    arguments = _parser().parse_args(words)
    try:
        choices = _choices(arguments)
        _check(arguments.host, None if arguments.plain else arguments.address, choices)
    except ProviderFault as fault:
        for line in fault.faults:
            print(f"models-tier: {line}", file=sys.stderr)
        return 2
    return (_run_plain if arguments.plain else _run_on_ray)(arguments, choices)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/models-tier", description=__doc__.partition("\n")[0])
    parser.add_argument("--stt", default="embedded", metavar="NAME", help="the recogniser, or none")
    parser.add_argument("--tts", default="embedded", metavar="NAME", help="the voice, or none")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a file with the tables [stt] and [tts]")
    for kind in KINDS:
        parser.add_argument(
            f"--{kind}-replicas", default="1", type=_range, metavar="N|N-M", help="processes, or from-to"
        )
    parser.add_argument("--streams", type=int, default=8, help="sessions on a replica before there are more")
    parser.add_argument("--max-streams", type=int, default=MAX_STREAMS, help="sessions a replica takes")
    parser.add_argument("--cpus", type=float, default=1.0, help="CPUs that Ray counts for a replica")
    parser.add_argument("--host", default="127.0.0.1", help=f"other than this machine: set {KEY_VARIABLE}")
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--address", help="of a Ray cluster that runs; without it, a Ray of its own")
    parser.add_argument("--plain", action="store_true", help="one process, without Ray")
    return parser


def _range(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    low, high = int(least), int(most or least)
    if not 1 <= low <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor a range such as 1-4")
    return low, high


def _choices(arguments: argparse.Namespace) -> list[EngineChoice]:
    tables: Mapping[str, Mapping[str, object]] = {}
    if arguments.config is not None:
        try:
            tables = tomllib.loads(arguments.config.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ProviderFault([f"--config: {error}"]) from error
    choices = list[EngineChoice]()
    for kind in KINDS:
        table = {key: value for key, value in tables.get(kind, {}).items() if key != "use"}
        use = getattr(arguments, kind)
        if use != "none":
            choices.append(EngineChoice(kind, use, table, dict(os.environ), arguments.max_streams))
    return choices


def _check(host: str, address: str | None, choices: Sequence[EngineChoice]) -> None:
    """Raises ProviderFault with all that is wrong, before anything is started."""
    faults = list[str]()
    if not choices:
        faults.append("there is neither a recogniser nor a voice to serve")
    if not _is_local(host) and not os.environ.get(KEY_VARIABLE):
        faults.append(
            f"--host {host} can be reached by others: set {KEY_VARIABLE} to a key, which they must have"
        )
    if address is not None and not os.environ.get(KEY_VARIABLE):
        # Where Serve runs already, it listens where it was told to then, whatever our host is.
        faults.append(f"--address {address}: others can reach a cluster: set {KEY_VARIABLE} to a key")
    for choice in choices:
        if choice.use == "remote":
            faults.append(f"--{choice.kind} remote: the tier would ask a tier")
            continue
        try:
            provider = find_provider(choice.kind, choice.use)
        except ProviderFault as fault:
            faults += fault.faults
        else:
            faults += configure(provider, choice.settings, choice.environment)[1]
            if getattr(provider.capabilities, "turns", "") == "theirs":
                faults.append(
                    f"--stt {choice.use}: it finds the ends of turns itself, which the tier does not carry"
                )
    if faults:
        raise ProviderFault(faults)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _run_plain(arguments: argparse.Namespace, choices: Sequence[EngineChoice]) -> int:
    engines: dict[str, TierEngine] = {choice.kind: TierEngine.load(choice) for choice in choices}
    try:
        anyio.run(partial(_serve_plain, engines, arguments))
    except OSError as error:  # the port is taken, or the address is not ours
        print(f"models-tier: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve_plain(engines: Mapping[str, TierEngine], arguments: argparse.Namespace) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with plain.serving(
            engines, host=arguments.host, port=arguments.port, key=os.environ.get(KEY_VARIABLE)
        ) as port:
            await anyio.to_thread.run_sync(_introduce, arguments.host, port, tuple(engines))
            async for _ in signals:
                return


def _run_on_ray(arguments: argparse.Namespace, choices: Sequence[EngineChoice]) -> int:
    from stages.tier import on_ray

    deployments = list[on_ray.Deployment]()
    for choice in choices:
        least, most = getattr(arguments, f"{choice.kind}_replicas")
        replicas = on_ray.Replicas(least, most, arguments.streams, arguments.cpus)
        deployments.append(on_ray.Deployment(choice, replicas))
    stopped = threading.Event()
    print("models-tier: starting Ray, which takes some ten to thirty seconds", file=sys.stderr, flush=True)
    try:
        with on_ray.serving(
            deployments,
            host=arguments.host,
            port=arguments.port,
            key=os.environ.get(KEY_VARIABLE),
            address=arguments.address,
        ):
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopped.set())
            _introduce(arguments.host, arguments.port, [choice.kind for choice in choices])
            stopped.wait()
    except ImportError as error:
        print(f"models-tier: {error}: `scripts/setup embedded ray`, or --plain", file=sys.stderr)
        return 2
    except (RuntimeError, KeyboardInterrupt) as error:
        print(f"models-tier: {str(error) or 'interrupted'}", file=sys.stderr)
        return 1
    return 0


def url_here(host: str, port: int) -> str:
    """Where a tier that listens there is reached from this machine."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def _introduce(host: str, port: int, kinds: Sequence[str]) -> None:
    """Say what to write into a server's file, as the tier itself tells it."""
    key = os.environ.get(KEY_VARIABLE)
    print("models-tier: ready. In stageflow-voice.toml:")
    for kind in kinds:
        url = url_here(host, port)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with connect(f"{url}/v1/{kind}", additional_headers=headers, compression=None) as tier:
            hello = TIERS.validate_json(tier.recv())
        assert isinstance(hello, Hello)
        print(f'\n[{kind}]  # {hello.engine}\nuse = "remote"\nurl = "{url}"')
        if kind == "tts":
            print(f"rate_hz = {hello.rate_hz}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
