"""Over a real socket: whoever sends nonsense, or too much, is told what and how much, and hurts nobody else.

Floods of bytes, and how a client is slowed down before it is sent away: see
`tests/server/gateway/sockets/test_connection.py`.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.client.client import WIRE_HZ, RealtimeClient
from stages.testing.fakes import ScriptedModel
from tests.support.live_server import ask, live_server, neighbour
from tests.support.patience import PATIENCE_S
from tests.support.stage import voiced
from tests.support.trace_checker import check_trace

pytestmark = pytest.mark.e2e


def frame(type: str, **fields: Any) -> str:
    return json.dumps({"type": type, **fields})


def append(audio: str) -> str:
    return frame("input_audio_buffer.append", audio=audio)


def update(**audio_in: Any) -> str:
    return frame("session.update", session={"type": "realtime", "audio": {"input": audio_in}})


NONSENSE: dict[str, tuple[str | bytes, str, str | None, str]] = {
    "binary": (b"\x00" * 960, "invalid_event", None, "JSON in text frames"),
    "no JSON": ('{"type":', "invalid_event", None, "not JSON"),
    "no object": ("[1]", "invalid_event", None, "not a JSON object"),
    "nested too deep": ("[" * 10_000, "invalid_event", None, "not JSON"),
    "long without audio": (
        frame("session.update", session={"x": list(range(100_000))}),
        "invalid_event",
        None,
        "the limit is 262144",
    ),
    "no type": ('{"event_id":"e1"}', "missing_required_parameter", "type", "is required"),
    "unknown type": (frame("no.such"), "invalid_value", "type", "use one of session.update"),
    "wrong base64": (append("!!!!"), "invalid_value", "audio", "not base64"),
    "no audio": (frame("input_audio_buffer.append"), "missing_required_parameter", "audio", "base64"),
    "wrong rate": (
        update(format={"type": "audio/pcm", "rate": 11_025}),
        "invalid_value",
        "session.audio.input.format.rate",
        "must be one of 8000, 16000",
    ),
    "empty commit": (
        frame("input_audio_buffer.commit"),
        "input_audio_buffer_commit_empty",
        None,
        "at least 100ms",
    ),
    "no such item": (
        frame("conversation.item.delete", item_id="nowhere"),
        "item_delete_invalid_item_id",
        "item_id",
        "'nowhere'",
    ),
    "nothing to cancel": (
        frame("response.cancel"),
        "response_cancel_not_active",
        None,
        "Cancellation failed",
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_gets_its_error_and_the_session_goes_on(what: str) -> None:
    sent, code, param, words = NONSENSE[what]
    async with live_server() as server, RealtimeClient(server.url) as client:
        await client.send_raw(sent)
        error = (await client.receive_until("error")).event["error"]
        assert (error["code"], error["param"]) == (code, param)
        assert words in error["message"]
        await ask(client, modality="text")
        done = await client.receive_until("response.done")
        assert done.event["response"]["status"] == "completed"
        check_trace(client.call.events())


async def test_three_mistakes_in_a_configuration_are_named_at_once_and_nothing_changes() -> None:
    async with live_server() as server, RealtimeClient(server.url) as client:
        created = await client.receive_until("session.created")
        mistakes = {
            "instructions": "Be somebody else.",
            "output_modalities": ["video"],
            "max_output_tokens": 5_000,
            "audio": {"output": {"speed": 9}},
        }
        await client.send("session.update", event_id="mine", session=mistakes)
        error = (await client.receive_until("error")).event["error"]
        assert error["event_id"] == "mine"
        assert '["audio"]' in error["message"]
        for field, limit in (("max_output_tokens", "4096"), ("audio.output.speed", "1.5")):
            assert f"session.{field}: " in error["message"]
            assert limit in error["message"]
        await client.send("session.update", session={})
        updated = await client.receive_until("session.updated")
        assert updated.event["session"] == created.event["session"]


async def test_audio_may_be_cut_in_the_middle_of_a_sample() -> None:
    data = voiced(1.0).tobytes() + bytes(WIRE_HZ * 2)
    async with live_server() as server, RealtimeClient(server.url) as client:
        for start in range(0, len(data), 959):
            await client.send_raw(append(base64.b64encode(data[start : start + 959]).decode()))
        done = await client.receive_until("response.done")
        text = done.event["response"]["output"][0]["content"][0]["transcript"]
        assert text == "You said: hello there"
        check_trace(client.call.events())


# --- too much ---------------------------------------------------------------------------------------------


async def closed(connection: ClientConnection) -> tuple[int | None, str | None]:
    """What the server closed with. What it has sent before is read and thrown away."""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                await connection.recv()
        except ConnectionClosed:
            return connection.close_code, connection.close_reason


async def test_a_client_that_does_not_read_is_cut_off_and_its_neighbour_talks_on() -> None:
    limits = {"max_unsent_bytes": 64 << 10, "send_timeout_s": 30}
    async with live_server(limits=limits) as server, neighbour(server.url):
        small = socket.create_connection(("127.0.0.1", server.port))
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with connect(server.url, sock=small, compression=None, max_queue=1, max_size=None) as lazy:
            part = {"type": "input_text", "text": "x" * 100_000}
            item = {"id": "big", "type": "message", "role": "user", "content": [part]}
            await lazy.send(frame("conversation.item.create", item=item))
            for _ in range(120):
                await lazy.send(frame("conversation.item.retrieve", item_id="big"))
            await anyio.sleep(0.5)  # meanwhile, all that waits for this client grows beyond the limit
            how = await closed(lazy)
    assert how == (4408, "slow consumer: the client does not read what it is sent")


async def test_a_client_that_does_not_take_its_answer_is_closed_for_what_is_unread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with live_server(limits={"max_unread_s": 1.0}) as server, neighbour(server.url):
        small = socket.create_connection(("127.0.0.1", server.port))
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with connect(server.url, sock=small, compression=None, max_queue=1, max_size=None) as lazy:
            part = {"type": "input_text", "text": "word " * 200}
            item = {"type": "message", "role": "user", "content": [part]}
            await lazy.send(frame("conversation.item.create", item=item))
            await lazy.send(frame("response.create"))
            await server.until_sessions(1)
        assert 'sessions_ended_total{code="4408"} 1.0' in await server.metrics("none")
    assert re.search(r"slow consumer: more than [\d.]+ s of the answer's audio are unread", caplog.text)


async def test_a_flood_of_frames_is_slowed_down_and_its_neighbour_talks_on() -> None:
    async with live_server(limits={"max_bytes_per_s": 16 << 10}) as server, neighbour(server.url):
        async with connect(server.url, compression=None, max_queue=None) as flooder:
            flooder.transport.write(b"\x81\x80\0\0\0\0" * 20_000)
            for _ in range(1000):
                await flooder.recv()
            assert flooder.close_code is None


async def test_a_recording_of_ninety_seconds_in_one_frame_is_taken_and_its_neighbour_talks_on() -> None:
    async with live_server() as server, neighbour(server.url):
        async with RealtimeClient(server.url) as client:
            await client.send("session.update", session={"audio": {"input": {"turn_detection": None}}})
            await client.send_raw(append(base64.b64encode(bytes(59 * 48_000)).decode()))
            await client.send("input_audio_buffer.commit")
            await client.receive_until("input_audio_buffer.committed")
            await client.send_raw(append(base64.b64encode(bytes(90 * 48_000)).decode()))
            error = (await client.receive_until("error")).event["error"]
    assert error["code"] == "input_audio_buffer_full"


async def test_a_giant_frame_is_closed_with_1009_and_its_neighbour_talks_on() -> None:
    async with live_server(limits={"max_frame_bytes": 100_000}) as server, neighbour(server.url):
        async with connect(server.url, compression=None) as giant:
            await giant.send("x" * 100_001)
            code, _ = await closed(giant)
    assert code == 1009


async def test_one_session_too_many_is_told_so_and_may_come_back() -> None:
    async with live_server(limits={"max_sessions": 1}) as server:
        async with neighbour(server.url), RealtimeClient(server.url) as second:
            error = (await second.receive_until("error")).event["error"]
            assert error["code"] == "session_limit_reached"
            assert "at most 1 " in error["message"]
            assert await second.receive() is None
            assert second.close_code == 1013
        await server.until_sessions(0)
        async with RealtimeClient(server.url) as third:
            await third.receive_until("session.created")


async def test_a_session_that_is_too_long_is_told_so() -> None:
    async with live_server(ScriptedModel("Yes."), limits={"max_session_s": 1}) as server:
        async with RealtimeClient(server.url) as client:
            error = (await client.receive_until("error")).event["error"]
            assert error["code"] == "session_expired"
            assert await client.receive() is None
            assert client.close_code == 1001
        await server.until_sessions(0)


def test_a_server_with_three_mistakes_in_its_configuration_does_not_start() -> None:
    mistakes = {"PORT": "many", "LEAD_MS": "9", "LIMITS__MAX_SESSIONS": "0"}
    run = subprocess.run(
        [sys.executable, "-m", "server", "serve"],
        env=os.environ | {f"STAGEFLOW_VOICE_{name}": value for name, value in mistakes.items()},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    for name in mistakes:
        assert f"STAGEFLOW_VOICE_{name}: " in run.stderr
