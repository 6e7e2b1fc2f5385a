"""A place where one cannot listen is named on one line, with the remedy, and before anything is loaded."""

import socket
import sys
from subprocess import run

import pytest

from server.gateway.sockets.binding import cannot_bind, in_url
from tests.support.patience import PATIENCE_S


def refused(*arguments: str) -> str:
    """What a server says that does not start: one line."""
    ended = run(
        [sys.executable, "-m", "server", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.e2e
def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused("--port", port)
    assert line.startswith(
        f"stageflow-voice: cannot listen on 127.0.0.1, port {port}: something listens there"
    )
    assert "STAGEFLOW_VOICE_PORT" in line


@pytest.mark.e2e
@pytest.mark.parametrize("host", ["999.1.1.1", "no-such-host.invalid", "a..b"])
def test_a_host_that_is_none_is_named_with_the_remedy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEFLOW_VOICE_API_KEYS", "any-key-of-sixteen")
    monkeypatch.setenv("STAGEFLOW_VOICE_HOST", host)
    line = refused("--port", "0")
    assert f"cannot listen on {host}, port 0: there is no such host: set STAGEFLOW_VOICE_HOST" in line


@pytest.mark.e2e
def test_an_address_of_another_machine_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEFLOW_VOICE_API_KEYS", "any-key-of-sixteen")
    line = refused("--host", "192.0.2.1", "--port", "0")  # reserved for documentation
    assert "this machine has no such address: set STAGEFLOW_VOICE_HOST" in line


def test_a_port_that_is_not_ours_to_open_is_named_with_the_remedy() -> None:
    """Whoever runs the tests may be root, to whom every port is open."""
    error = cannot_bind("127.0.0.1", 80, PermissionError(13, "Permission denied"))
    assert "above 1023" in str(error)


@pytest.mark.parametrize(
    ("host", "shown"), [("::1", "[::1]"), ("127.0.0.1", "127.0.0.1"), ("voice.example", "voice.example")]
)
def test_an_address_is_printed_as_it_can_be_opened(host: str, shown: str) -> None:
    assert in_url(host) == shown
