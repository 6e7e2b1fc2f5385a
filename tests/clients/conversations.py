"""Clients that others wrote, each as it is published, in a conversation with the server: run by scripts/test-clients.

A client is a program in `programs/`, in an environment of its own. It speaks a recorded clip, talks over the
answer, listens to the next one, and prints what it made of it all; in the second scene its tool is called.
What it says of itself is compared with what went over the wire.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from audio.files import read_audio
from audio.resample import Resampler
from server.client import WIRE_HZ
from tests.support.audio_maker import SPEECH_DIR
from tests.support.live_server import live_server
from tests.support.stock_agent import ANSWER, CITY, StockAgent
from tests.support.trace_checker import check_trace
from tests.support.wire_tap import TappedCall, wire_tap

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-clients"
DEADLINE_S = 45

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


@dataclass(frozen=True)
class Client:
    """A program, and the environment that it needs."""

    program: str
    environment: str
    marks: tuple[pytest.MarkDecorator, ...] = ()

    def command(self) -> list[str]:
        """How to start it; skips the test when it is not installed."""
        program = str(HERE / "programs" / self.program)
        if self.environment == "node":
            installed, command = HERE / "node_modules" / ".installed", ["node", program]
        else:
            installed = ENVIRONMENTS / self.environment / ".installed"
            command = [str(installed.parent / "bin" / "python"), program]
        if not installed.exists():
            pytest.skip(
                f"{self.environment} is not installed: run scripts/test-clients, and read what it says"
            )
        return command


CLIENTS = (
    Client("openai_agents.py", "openai-agents"),
    Client("openai_agents.mjs", "node"),
)
clients = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.program)


@dataclass
class Report:
    """What a program prints."""

    heard: list[str]
    """The transcripts of what was spoken."""
    said: list[str]
    """The answers, as the client has them in its history."""
    audio_bytes: int
    interrupted: int
    tool: str | None
    """The city that the tool was asked for."""
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of speech as clients send it: int16, 24 kHz, no header."""
    samples, rate_hz = read_audio(SPEECH_DIR / "cards_001.wav")
    path = tmp_path_factory.mktemp("speech") / "clip.raw"
    path.write_bytes(Resampler(rate_hz, WIRE_HZ).process(samples, last=True).tobytes())
    return path


async def converse(client: Client, scene: str, clip: Path) -> tuple[Report, TappedCall]:
    """What the client says of the conversation, and the conversation."""
    async with live_server(StockAgent()) as server, wire_tap(server.port) as tap:
        command = [*client.command(), scene, tap.url, str(clip)]
        with anyio.fail_after(DEADLINE_S):
            done = await anyio.run_process(command, check=False)
        call = tap.calls[0] if tap.calls else TappedCall()
        if done.returncode:
            wire = "\n".join(f"{side}: {_short(event)}" for side, event in call.said)
            pytest.fail(f"{client.program} ended with {done.returncode}:\n{done.stderr.decode()}\n{wire}")
    sys.stderr.write(done.stderr.decode())
    check_trace(call.events(), ended=False)
    assert "error" not in call.types()
    return Report(**json.loads(done.stdout.splitlines()[-1])), call


def _short(event: Mapping[str, object]) -> str:
    return json.dumps(event)[:200]


@clients
async def test_it_hears_an_answer_talks_over_it_and_goes_on(client: Client, clip: Path) -> None:
    report, call = await converse(client, "talk", clip)
    assert report.errors == []
    assert report.heard == ["hello there", "hello there"]
    assert report.interrupted >= 1
    assert [spoken.strip() for spoken in report.said][1:] == [ANSWER.strip()]
    assert len(report.said[0]) < len(ANSWER) / 2, "what was not heard is forgotten"
    assert report.audio_bytes > 2 * WIRE_HZ * 7
    assert "conversation.item.truncate" in call.types("client")
    ends = [event["response"]["status"] for event in call.events() if event["type"] == "response.done"]
    assert ends == ["cancelled", "completed"]


@pytest.mark.xfail(reason="the server does not call tools of the client yet")
@clients
async def test_its_tool_is_called_and_the_result_is_told(client: Client, clip: Path) -> None:
    report, _ = await converse(client, "tool", clip)
    assert report.errors == []
    assert report.tool == CITY
    assert [spoken.strip() for spoken in report.said][-1] == "I was told: sunny"
