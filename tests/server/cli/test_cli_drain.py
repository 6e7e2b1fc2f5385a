"""`drain` signals the server that answers at the address, and no other process."""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE

import pytest

from server.cli import drain
from server.cli.listening_process import is_python

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="drain reads /proc")


class Answers(BaseHTTPRequestHandler):
    """What a server says of itself, and a proxy before it as well."""

    def do_GET(self) -> None:  # the library's name
        """Answer everything alike."""
        body = b'{"status": "ok", "sessions": 1}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def over() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


NO_PROCESSES = {"all": -1, "a group": -os.getpid(), "ours": 0, "over": over()}


@pytest.mark.parametrize("pid", NO_PROCESSES.values(), ids=NO_PROCESSES)
def test_a_number_that_is_no_process_is_signalled_to_nobody(
    pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    signalled = list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
    with answering() as url, pytest.raises(drain.NotDrained, match="there is no process"):
        drain.run(argparse.Namespace(url=url, pid=pid, wait=False, timeout=None))
    assert signalled == []


def test_whoever_passes_on_what_a_server_says_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    signalled = list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
    with subprocess.Popen(["cat"], stdin=PIPE) as other, answering() as url:
        monkeypatch.setattr(drain, "owners_of", lambda port: {other.pid})
        with pytest.raises(drain.NotDrained, match="is no server"):
            drain.run(argparse.Namespace(url=url, pid=None, wait=False, timeout=None))
    assert signalled == []
    assert is_python(os.getpid())
