"""Sessions of a real server over real sockets, recorded, and replayed from their files alone."""

import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from server.__main__ import main
from server.cli.replayed import replay_file, replay_journal
from server.client.client import AUDIO_FRAME
from server.cluster.store import MemoryStore
from server.dialects.voice.frames import Stream, pack_frame
from server.domain.errors import ConfigError
from server.journal.file import MAGIC, JournalError
from server.journal.loops import FollowedLoop
from server.voice_server import VoiceServer
from stageflow import Pipeline, StageContext, StageOutput
from stages.errors import ProviderError
from stages.providers.calls import label
from stages.testing.fakes import ScriptedVoice
from tests.support.live_server import LiveServer, live_server
from tests.support.live_server import ask as ask_by
from tests.support.patience import PATIENCE_S
from tests.support.stage import voiced
from tests.support.two_nodes import Caller, two_nodes

pytestmark = pytest.mark.e2e


def on_followed_loop(function: Callable[..., Awaitable[None]], *arguments: object) -> None:
    anyio.run(function, *arguments, backend_options={"loop_factory": FollowedLoop})


async def hear(client: ClientConnection, type: str, seen: list[object] | None = None) -> dict[str, Any]:
    """The next event of a type; all frames up to it are `seen`."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            frame = await client.recv()
            if seen is not None:
                seen.append(frame)
            if isinstance(frame, str) and (event := json.loads(frame))["type"] == type:
                found: dict[str, Any] = event
                return found


async def ask(client: ClientConnection, text: str, modality: str = "audio") -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    response = {"output_modalities": [modality]}
    await client.send(json.dumps({"type": "response.create", "response": response}))


async def type_and_speak(server: LiveServer) -> None:
    """A stock client that types, and one of voice.v1 that speaks, loses its line in the answer and comes back."""
    async with connect(server.url) as client:
        await ask(client, "what is twelve times seven? " * 8, "text")
        await hear(client, "response.done")
    voice = [Subprotocol("voice.v1")]
    async with connect(server.url, subprotocols=voice) as client:
        seen = list[object]()
        token = (await hear(client, "session.created", seen))["x_resume"]["token"]
        for number, start in enumerate(range(0, 24_000, 480)):
            data = voiced(1.0)[start : start + 480].astype("<i2").tobytes()
            await client.send(pack_frame(Stream.MICROPHONE, 0, number * 480, data))
        await ask(client, "say it again")
        await hear(client, "response.created", seen)
        client.transport.abort()
    back = [*voice, Subprotocol(f"x-resume.{len(seen)}.{token}")]
    async with connect(server.url, subprotocols=back) as client:
        told = await hear(client, "x_metrics")
        assert [use["provider"] for use in told["providers"]] == ["scripted"]


async def record(folder: Path, **rules: object) -> None:
    # Such a pattern goes through a longer text in a thread.
    guard = {"guard_patterns": ("(foo|bar|[a-z]{3}){300}zebra",)}
    label(voice := ScriptedVoice(), "tts", "scripted")
    saving = {"dir": folder, **rules}
    async with live_server(None, voice, resume_grace_s=300.0, record=saving, **guard) as server:
        await type_and_speak(server)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("recordings")
    on_followed_loop(record, folder)
    return sorted(folder.iterdir())


def test_each_session_has_a_file_that_its_owner_alone_can_read(recordings: list[Path]) -> None:
    assert [path.suffix for path in recordings] == [".journal"] * 2
    assert {path.stat().st_mode & 0o777 for path in recordings} == {0o600}


def test_they_go_as_they_went(recordings: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for path in recordings:
        assert main(["replay", "--trace", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("the same, bit by bit") == 2
    assert "thread: done" in printed
    assert "attach" in printed
    assert "server ▶ response.done" in printed


def test_another_answer_is_shown_with_what_was_said_before(
    recordings: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = partial(replay_journal, faults={"model": ProviderError("gone")})
    monkeypatch.setattr("server.cli.replay.replay_journal", replayed)
    assert main(["replay", str(recordings[0])]) == 1
    printed = capsys.readouterr().out
    assert "the session differs from its recording" in printed
    assert "\nthen " in printed
    assert "\nnow " in printed
    assert "response.create" in printed


def test_a_recording_becomes_a_test_that_passes(recordings: list[Path], tmp_path: Path) -> None:
    test = tmp_path / "tests" / "test_bad_turn.py"
    assert main(["replay", "--write-test", str(test), str(recordings[1])]) == 0
    (tmp_path / "tests" / "test_faults.py").write_text(FAULTS)
    options = ["-q", "-p", "no:cacheprovider", *plugins()]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in ran.stdout, ran.stdout + ran.stderr


FAULTS = """
from pathlib import Path

import anyio
from stages.errors import ProviderError
from stages.providers.calls import label
from stages.testing.fakes import ScriptedVoice


def test_a_voice_that_fails(replay):
    told = replay(Path(__file__).with_name("test_bad_turn.journal"), faults={"voice": ProviderError("gone")})
    assert told.differences
    ends = [event["response"]["status"] for _, event in told.events if event["type"] == "response.done"]
    assert "completed" not in ends


def test_an_hour_passes(virtual_time):
    virtual_time(anyio.sleep, 3600)
"""


def plugins() -> list[str]:
    """What names the plug-in to a pytest that has been installed before there was one."""
    from importlib.metadata import entry_points

    known = any(point.value == "server.pytest_plugin" for point in entry_points(group="pytest11"))
    return [] if known else ["-p", "server.pytest_plugin"]


def test_a_recording_that_reaches_its_limit_is_replayed_up_to_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    on_followed_loop(partial(record, tmp_path, max_session_bytes=1 << 16, max_files=1))
    (path,) = tmp_path.iterdir()
    assert "no more sessions are recorded" in caplog.text
    replayed = replay_file(path)
    assert replayed.differences == []


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(MAGIC + b"\0" * 64)
    with pytest.raises(JournalError, match=r"a\.journal"):
        replay_file(path)
    path.write_bytes(b"RIFF")
    with pytest.raises(JournalError, match="is no recording"):
        replay_file(path)


async def test_a_server_on_another_loop_says_that_it_cannot_record(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="record"):
        async with live_server(record={"dir": tmp_path}):
            pass


class RemoteStore(MemoryStore):
    """Takes its time, so that a session is over before it is kept."""

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        await anyio.sleep(0.1)
        await super().write(key, value, lease_s, now)


async def stopped(folder: Path) -> None:
    """The server ends while a client is there."""
    async with AsyncExitStack() as clients:
        async with live_server(in_store=RemoteStore(), record={"dir": folder}) as server:
            client = await clients.enter_async_context(connect(server.url))
            await ask(client, "hello", "text")
            await hear(client, "response.done")
        with anyio.fail_after(PATIENCE_S):
            await client.wait_closed()
        assert client.close_code == 1001


def test_what_is_done_to_a_session_from_outside_is_replayed(tmp_path: Path) -> None:
    on_followed_loop(stopped, tmp_path)
    (path,) = tmp_path.iterdir()
    replayed = replay_file(path)
    assert replayed.differences == []
    assert any("close 1001" in line for line in replayed.lines)
    assert replayed.journal.how == "over", "the file is written to its end"


async def moved(folder: Path) -> None:
    """A client is led to another node in the middle of an answer, and asks something there."""
    async with two_nodes(record={"dir": folder}) as nodes, Caller(nodes.urls[0]) as client:
        await ask_by(client, "count from one to ten, please, and then back again")
        await client.receive_until(AUDIO_FRAME)
        client.lead_to(nodes.urls[1])
        await client.receive_until("response.done")
        await ask_by(client, "thank you")
        await client.receive_until("response.done")


def test_a_session_that_moves_is_recorded_at_both_nodes_and_replayed(tmp_path: Path) -> None:
    on_followed_loop(moved, tmp_path)
    both = [replay_file(path) for path in tmp_path.iterdir()]
    first, second = sorted(both, key=lambda replayed: replayed.journal.setup["last_seq"] is not None)
    for replayed in (first, second):
        assert replayed.differences == []
        assert replayed.journal.how == "over"
    assert second.events[0][1]["type"] == "x_resumed"
    assert "response.done" in [event["type"] for _, event in second.events]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_stages_run_on_the_loop_of_a_server_that_records_and_otherwise_beside_it(
    tmp_path: Path, is_recorded: bool
) -> None:
    """A replay has no other loop to go by."""
    ran_in = list[int]()

    async def note(ctx: StageContext) -> StageOutput:
        ran_in.append(threading.get_ident())
        return StageOutput.ok()

    def edit(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("note", note, ("stt", "agent"))

    async def answer_once() -> None:
        app = VoiceServer(
            stt="scripted", llm="echo", tts="scripted", vad="webrtc", end_of_turn="none", pipeline=edit
        )
        rules: dict[str, Any] = {"record": {"dir": tmp_path}} if is_recorded else {}
        async with app.listening(port=0, **rules) as server, connect(server.url) as client:
            await ask(client, "hello", "text")
            await hear(client, "response.done")

    on_followed_loop(answer_once)
    assert [one == threading.get_ident() for one in ran_in] == [is_recorded]
