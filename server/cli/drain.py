"""`stageflow-voice drain`: have a server on this machine take no more sessions, send away those it has, and stop.

It does what SIGTERM does, and once: a second one would end the sessions that are left. No request over the network can
do it, so there is no key for it either.
"""

import argparse
import json
import os
import signal
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from server.cli.listening_process import is_python, owners_of, started
from server.config.settings import is_loopback
from server.domain.errors import ServerError
from server.gateway.door.backstage import Unready

DEFAULT_URL = "http://127.0.0.1:8080"
ASK_S = 5.0
LOOK_S = 0.5

NOT_IN_TIME = 3
"""The exit code."""


class NotDrained(ServerError):
    """Raised when there is no such server, or it cannot be told to stop."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which server, and whether to wait for its end."""
    parser.add_argument("url", nargs="?", default=DEFAULT_URL, help=f"of the server (default: {DEFAULT_URL})")
    parser.add_argument("--pid", type=int, help="its process, where that is not found by the port of the URL")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="return when it has ended, and say meanwhile how many sessions it has",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"with --wait: return after that, with code {NOT_IN_TIME}; the server drains on",
    )


def run(arguments: argparse.Namespace) -> int:
    """Drain it: 0, or NOT_IN_TIME. Raises NotDrained."""
    if not Path("/proc/self/stat").exists():
        raise NotDrained("this system does not show its processes: send SIGTERM to that of the server")
    base = _base(arguments.url)
    is_draining = _ask(base, "/readyz").get("status") == Unready.DRAINING
    sessions = _sessions(base)
    pid: int = _owner_of(base) if arguments.pid is None else arguments.pid
    began = started(pid)
    if began is None:  # nor may a number below 1, which stands for a group of processes, or for all of them
        raise NotDrained(f"there is no process {pid}")
    if not is_draining:
        try:
            os.kill(pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError) as error:
            raise NotDrained(f"process {pid}: {error.strerror}") from error
    print(f"process {pid} takes no more sessions; it has {sessions}", flush=True)
    if not arguments.wait:
        return 0
    return anyio.run(_wait, base, pid, began, sessions, arguments.timeout)


async def _wait(base: str, pid: int, began: str, sessions: int, timeout_s: float | None) -> int:
    with anyio.move_on_after(timeout_s):
        while started(pid) == began:
            left = await anyio.to_thread.run_sync(_sessions_left, base)
            if left != sessions:
                sessions = left
                print(f"sessions: {sessions}", flush=True)
            await anyio.sleep(LOOK_S)
        print(f"process {pid} has ended")
        return 0
    print(f"process {pid} has not ended yet; it has {sessions}")
    return NOT_IN_TIME


def _sessions_left(base: str) -> int:
    try:
        return _sessions(base)
    except NotDrained:
        return 0  # its port is closed already


def _base(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.netloc:
        raise NotDrained(f"{url!r} is no address of a server, such as {DEFAULT_URL}")
    return f"{scheme}://{parts.netloc}"


def _owner_of(base: str) -> int:
    """The process that listens there. Whoever passes requests on to a server answers as that does, and is not it."""
    parts = urlsplit(base)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not _is_here(parts.hostname or "", port):
        raise NotDrained(f"{base} is not on this machine: drain it there")
    pids = owners_of(port)
    if len(pids) != 1:
        found = "several processes listen" if pids else "no process of yours listens"
        raise NotDrained(f"{base}: {found} at that port of this machine: name it by --pid")
    pid = pids.pop()
    if not is_python(pid):
        raise NotDrained(f"{base}: process {pid}, which listens there, is no server: name that by --pid")
    return pid


def _is_here(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=ASK_S) as line:
            own, other = line.getsockname()[0], line.getpeername()[0]
    except OSError as error:
        raise NotDrained(f"{host}:{port} cannot be reached: {error}") from error
    return own == other or is_loopback(other)


def _sessions(base: str) -> int:
    sessions = _ask(base, "/healthz").get("sessions")
    if not isinstance(sessions, int):
        raise NotDrained(f"{base} is not a server of this kind")
    return sessions


def _ask(base: str, path: str) -> dict[str, Any]:
    """What it says there, whether or not it is ready."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing secret is said
    try:
        with urllib.request.urlopen(base + path, timeout=ASK_S, context=context) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            try:
                told = json.load(refused)
            except ValueError:
                told = None
    except (OSError, ValueError) as error:
        raise NotDrained(f"{base} cannot be reached: {getattr(error, 'reason', error)}") from error
    return told if isinstance(told, dict) else {}
