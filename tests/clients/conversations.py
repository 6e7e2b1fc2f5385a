"""Clients that others wrote, each as it is published, in a conversation with the server: run by scripts/test-clients.

A client is a program in `programs/`, in an environment of its own. It speaks a recorded clip, talks over the
answer, listens to the next one, and prints what it made of it all; in the second scene its tool is called.
What it says of itself is compared with what went over the wire.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import anyio.to_thread
import pytest

from audio.files import read_audio
from audio.resample import Resampler
from server.client.client import WIRE_HZ
from stageflow.tools import ToolCall
from stages.providers.mcp_client import McpServers
from stages.testing.fakes import Said, ScriptedModel
from tests.support.audio_maker import SPEECH_DIR
from tests.support.certificate import self_signed
from tests.support.live_server import live_server
from tests.support.mcp_server import mcp_server
from tests.support.snippets import snippets
from tests.support.stock_agent import ANSWER, CITY, StockAgent
from tests.support.trace_checker import check_trace
from tests.support.wire_tap import WireTap, wire_tap

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-clients"
DEADLINE_S = 150
"""For what hangs: most of a conversation is spent on starting the program, and that depends on the machine."""
HARMLESS = {"response_cancel_not_active"}
"""LiveKit cancels whatever speech interrupts, although it asked the server to; it expects this error."""
PRINTS_WIRE = "STAGEFLOW_CLIENTS_WIRE" in os.environ

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Client:
    """A program, and the environment that it needs."""

    program: str
    environment: str
    wants_tls: bool = False
    """It connects to nothing but wss; then it says itself what it was sent."""
    keeps_what_was_heard: bool = True
    """Of an interrupted answer, its own history has only what was heard."""

    def command(self) -> list[str]:
        """How to start it; skips the test when it is not installed."""
        python, stamp = sys.executable, HERE / "node_modules" / ".installed"
        if self.environment == "chromium" and shutil.which("chromium") is None:
            pytest.skip("there is no chromium here")
        if self.environment not in ("node", "chromium"):
            stamp = ENVIRONMENTS / self.environment / ".installed"
            python = str(stamp.parent / "bin" / "python")
        if not stamp.exists():
            pytest.skip(
                f"{self.environment} is not installed: run scripts/test-clients, and read what it says"
            )
        return ["node" if self.environment == "node" else python, str(HERE / "programs" / self.program)]


CLIENTS = (
    Client("openai_agents.py", "openai-agents"),
    Client("openai_agents.mjs", "node"),
    Client("openai.mjs", "node", wants_tls=True),
    Client("livekit_agents.py", "livekit", keeps_what_was_heard=False),
    Client("pipecat_ai.py", "pipecat", keeps_what_was_heard=False),
    Client("browser.py", "chromium"),
)
clients = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.program)


SNIPPETS = {
    "openai_agents.py": "openai-agents in Python",
    "openai_agents.mjs": "@openai/agents-realtime in Node",
    "openai.mjs": "openai in Node",
    "livekit_agents.py": "LiveKit agents",
    "pipecat_ai.py": "Pipecat",
}
"""Where docs/clients.md tells of the clients. (`openai` in Python: tests/e2e/test_openai_client.py.)"""


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
    events: list[dict[str, Any]] = field(default_factory=list)
    """What the server said on the wire."""
    sent: list[str] = field(default_factory=list)
    """The types of what the client sent."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of speech as clients send it: int16, 24 kHz, no header."""
    samples, rate_hz = read_audio(SPEECH_DIR / "cards_001.wav")
    path = tmp_path_factory.mktemp("speech") / "clip.raw"
    path.write_bytes(Resampler(rate_hz, WIRE_HZ).process(samples, last=True).tobytes())
    return path


async def converse(client: Client, scene: str, clip: Path) -> Report:
    """What the client says of the conversation, once what went over the wire is known to be in order."""
    command = [*client.command(), scene]
    if client.wants_tls:
        certificate = await anyio.to_thread.run_sync(self_signed, clip.parent)
        async with live_server(StockAgent(), **certificate.settings()) as server:
            url = f"wss://127.0.0.1:{server.port}/v1/realtime"
            trust = {"NODE_EXTRA_CA_CERTS": str(certificate.cert_file)}
            report = await run([*command, url, str(clip)], trust)
    else:
        async with live_server(StockAgent()) as server, wire_tap(server.port) as tap:
            try:
                report = await run([*command, tap.url, str(clip)])
            finally:
                if PRINTS_WIRE:
                    show(tap)
        report.events, report.sent = tap.calls[0].events(), tap.calls[0].types("client")
    check_trace(report.events, ended=False)
    assert {event["error"]["code"] for event in report.events if event["type"] == "error"} <= HARMLESS
    return report


async def run(command: list[str], environment: Mapping[str, str] = MappingProxyType({})) -> Report:
    """What a program reports."""
    with anyio.fail_after(DEADLINE_S):
        done = await anyio.run_process(command, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr.decode()
    sys.stderr.write(done.stderr.decode())
    return Report(**json.loads(done.stdout.splitlines()[-1]))


def show(tap: WireTap) -> None:
    """Print what went over the wire, but for the audio."""
    for side, event in chain.from_iterable(call.said for call in tap.calls):
        if not event["type"].endswith((".append", "output_audio.delta")):
            print(f"{'>' if side == 'client' else '<'} {json.dumps(event)[:2000]}")


@clients
async def test_it_hears_an_answer_talks_over_it_and_goes_on(client: Client, clip: Path) -> None:
    report = await converse(client, "talk", clip)
    assert report.errors == []
    assert report.heard == ["hello there", "hello there"]
    assert report.interrupted >= 1
    assert report.said[-1].strip() == ANSWER.strip()
    assert len(report.said[0]) < len(ANSWER) * 0.7 or not client.keeps_what_was_heard
    assert report.audio_bytes > 2 * WIRE_HZ * 7
    assert client.wants_tls or "conversation.item.truncate" in report.sent
    ends = [event["response"]["status"] for event in report.events if event["type"] == "response.done"]
    assert ends == ["cancelled"] * (len(report.said) - 1) + ["completed"]


@clients
async def test_its_tool_is_called_and_the_result_is_told(client: Client, clip: Path) -> None:
    report = await converse(client, "tool", clip)
    assert report.errors == []
    assert report.tool == CITY
    assert report.said[-1].strip().replace('"', "") == "I was told: sunny"  # some send JSON, some plain text


async def test_its_hosted_tools_are_listed_approved_of_and_called(clip: Path) -> None:
    calls = [ToolCall("call_1", name, '{"what": "shoes"}') for name in ("stock", "buy")]
    model = ScriptedModel(
        Said("One moment.", (calls[0],)), "There are seven.", Said(calls=(calls[1],)), "It is yours."
    )
    client = Client("openai_agents_hosted.mjs", "node")
    servers = await anyio.to_thread.run_sync(McpServers)
    async with mcp_server() as shop, live_server(model, None, servers, mcp_servers=(shop.url,)) as server:
        async with wire_tap(server.port) as tap:
            command = [*client.command(), "hosted", tap.url, str(clip)]
            report = await run(command, {"MCP_URL": shop.url})
    check_trace(tap.calls[0].events(), ended=False)
    assert report.errors == []
    assert (report.said, report.tool) == (["One moment.", "There are seven.", "It is yours."], "bought shoes")


@pytest.mark.parametrize(
    "client", [one for one in CLIENTS if one.program in SNIPPETS], ids=lambda one: one.program
)
async def test_what_the_documentation_says_of_it_runs_as_it_stands(client: Client, tmp_path: Path) -> None:
    found = {**snippets("docs/clients.md"), **snippets("docs/clients.md", "js")}
    code = found[SNIPPETS[client.program]].code
    command = client.command()
    folder = HERE / "node_modules" if client.environment == "node" else tmp_path
    program = folder / f"snippet-{client.program}"
    certificate = await anyio.to_thread.run_sync(self_signed, tmp_path)
    tls = certificate.settings() if client.wants_tls else {}
    async with live_server(None, **tls) as server:
        await anyio.Path(program).write_text(code.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}"))
        with anyio.fail_after(DEADLINE_S):
            trust = {"NODE_EXTRA_CA_CERTS": str(certificate.cert_file)}
            done = await anyio.run_process(
                [command[0], str(program)], check=False, env={**os.environ, **trust}
            )
    assert done.stdout.decode().splitlines()[-1].strip() == "You said: Hello!", done.stderr.decode()
