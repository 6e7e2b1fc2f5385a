"""Whatever a client sends gets a documented answer, and neither its session nor its neighbours break."""

import json
import logging
import re
import socket
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.voice.dialect import VoiceDialect
from server.domain.commands import Command, Configure, Noted
from server.domain.errors import ClientError
from server.domain.events import SessionConfigured
from server.domain.values import SessionConfig
from server.domain.wire import Dialect
from tests.support.live_server import LiveServer, live_server, neighbour
from tests.support.nonsense import VALID, Nonsense
from tests.support.patience import PATIENCE_S
from tests.support.stage import Stage, play, voice_v1

_SECTION = (
    (Path(__file__).parents[3] / "docs" / "protocol.md").read_text().split("\n## Errors and close codes\n")[1]
)
CODES = set(re.findall(r"`([a-z_]+)`", _SECTION.split("\n## ")[0]))
CLOSE_CODES = {int(code) for code in re.findall(r"\b(1\d{3}|4\d{3})\b", _SECTION)}


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Any:
    """Nothing that a client says is worth a traceback."""
    yield
    with_traceback = [record for record in caplog.records if record.exc_info]
    assert not with_traceback, with_traceback[0].getMessage()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# --- the dialects alone -----------------------------------------------------------------------------------


def outcome(dialect: Dialect, frame: str | bytes) -> Command | Noted | ClientError:
    try:
        return dialect.decode(frame)
    except ClientError as error:
        return error


def name_of(answer: Command | Noted | ClientError) -> str:
    """The code of the error, which is fit to be told, or the name of the command."""
    if not isinstance(answer, ClientError):
        return type(answer).__name__
    assert answer.code in CODES, answer.code
    assert 0 < len(answer.message) < 5000
    assert answer.param is None or len(answer.param) < 500
    assert answer.ref is None or re.fullmatch(r"(?s).{0,512}", answer.ref)
    json.dumps([answer.message, answer.param, answer.ref])
    return answer.code


@pytest.mark.no_cover
def test_ten_thousand_frames_are_commands_or_documented_errors() -> None:
    nonsense = Nonsense(seed=1)
    found: Counter[str] = Counter()
    dialects: tuple[Dialect, ...] = ()
    for number in range(10_000):
        if number % 500 == 0:  # what was understood by chance must not pile up
            realtime = RealtimeDialect(SessionConfig())
            dialects = (realtime, VoiceDialect(RealtimeDialect(SessionConfig())))
        frame = nonsense.frame(number)
        found.update(name_of(outcome(dialect, frame)) for dialect in dialects)
    assert found["invalid_event"] > 5000
    assert {"invalid_value", "invalid_type", "missing_required_parameter", "invalid_frame"} <= set(found)
    assert {"Configure", "AddItem", "CreateResponse"} <= set(found), "some of it must get beyond the checks"


def test_what_is_not_spoilt_is_understood() -> None:
    understood = {
        event["type"]: type(VoiceDialect(RealtimeDialect(SessionConfig())).decode(json.dumps(event))).__name__
        for event in VALID
    }
    assert understood == {
        "session.update": "Configure",
        "input_audio_buffer.append": "AppendAudio",
        "input_audio_buffer.commit": "CommitAudio",
        "input_audio_buffer.clear": "ClearAudio",
        "conversation.item.create": "AddItem",
        "conversation.item.retrieve": "RetrieveItem",
        "conversation.item.delete": "DeleteItem",
        "conversation.item.truncate": "TruncateItem",
        "response.create": "CreateResponse",
        "response.cancel": "CancelResponse",
        "output_audio_buffer.clear": "ClearOutput",
        "x_playback": "Played",
    }


@pytest.mark.no_cover
def test_what_is_understood_by_chance_can_be_told_again() -> None:
    """Settings that were accepted can be shown, whatever is in them."""
    nonsense = Nonsense(seed=2)
    realtime = RealtimeDialect(SessionConfig())
    updates = 0
    for number in range(3000):
        frame = nonsense.frame(6 + number % 2)
        answer = outcome(realtime, frame)
        if isinstance(answer, Configure):
            updates += 1
            (told,) = realtime.encode(SessionConfigured(answer.config))
            assert json.loads(told)["type"] == "session.updated"
    assert updates > 50, "enough must have been understood"


# --- whole sessions ---------------------------------------------------------------------------------------


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_session_survives_a_thousand_frames(seed: int) -> None:
    nonsense = Nonsense(seed)

    async def story(stage: Stage) -> None:
        for number in range(1000):
            stage.wire.say_raw(nonsense.frame(number))
            if number % 10 == 0:
                await anyio.sleep(0.05)
        stage.wire.say("no.such", event_id="the last")
        await anyio.sleep(30.0)

    stage = play(lambda: Stage("Hello.", dialect=voice_v1), story)
    assert stage.wire.closed == (1000, "")
    errors = [event["error"] for event in stage.wire.events() if event["type"] == "error"]
    assert errors[-1]["event_id"] == "the last"
    assert {error["code"] for error in errors} <= CODES


# --- real sockets -----------------------------------------------------------------------------------------

MASK = b"\x01\x02\x03\x04"


def masked(first: int, payload: bytes, *, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    head = bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0xFF]) + struct.pack(">Q", size)
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


BROKEN_FRAMES: dict[str, tuple[bytes, int]] = {
    "reserved bit": (masked(0xC1, b"{}"), 1002),
    "unknown opcode": (masked(0x83, b"{}"), 1002),
    "unknown control opcode": (masked(0x8B, b""), 1002),
    "not masked": (b"\x81\x02{}", 1002),
    "continuation of nothing": (masked(0x80, b"x"), 1002),
    "ping in pieces": (masked(0x09, b"x"), 1002),
    "ping too long": (b"\x89\xfe\x00\x80" + MASK + bytes(128), 1002),
    "no UTF-8": (masked(0x81, b"\xff\xfe"), 1007),
    "more than is allowed": (masked(0x81, b"", length=1 << 32), 1009),
}


def handshaken(port: int) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    stream.sendall(
        b"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    while b"session.created" not in stream.recv(65536, socket.MSG_PEEK):
        pass
    return stream


def close_code(port: int, frame: bytes) -> int:
    """What the server closes with after this frame; 0 when it just goes."""
    with handshaken(port) as stream:
        stream.sendall(frame)
        said = b""
        while piece := stream.recv(65536):
            said += piece
    at = said.rfind(b"\x88")
    return int.from_bytes(said[at + 2 : at + 4], "big") if at >= 0 else 0


async def test_broken_frames_close_their_own_connection_with_the_right_code() -> None:
    async with live_server() as server, neighbour(server.url):
        for name, (frame, code) in BROKEN_FRAMES.items():
            assert await anyio.to_thread.run_sync(close_code, server.port, frame) == code, name
            assert code in CLOSE_CODES


async def _pester(server: LiveServer, seed: int, subprotocol: str | None) -> Counter[str]:
    """A hundred frames of one client; the codes of the errors that it gets for them."""
    nonsense, codes = Nonsense(seed), Counter[str]()
    offer = None if subprotocol is None else [Subprotocol(subprotocol)]
    async with connect(server.url, subprotocols=offer, compression=None) as client:
        for number in range(100):
            frame = nonsense.frame(number)
            await client.send(frame.encode("utf-8", "replace").decode() if isinstance(frame, str) else frame)
        await client.send('{"type": "no.such", "event_id": "the last"}')
        with anyio.fail_after(PATIENCE_S):
            while True:
                told = await client.recv()
                event = {} if isinstance(told, bytes) else json.loads(told)
                if event.get("type") == "error":
                    codes[event["error"]["code"]] += 1
                    if event["error"]["event_id"] == "the last":
                        return codes


async def test_hundreds_of_frames_over_real_sockets_get_errors_and_hurt_nobody() -> None:
    async with live_server() as server, neighbour(server.url):
        found: Counter[str] = Counter()
        for seed, subprotocol in ((6, None), (7, "realtime"), (8, "voice.v1"), (9, "voice.v1")):
            found += await _pester(server, seed, subprotocol)
        await server.until_sessions(1)
    assert set(found) <= CODES
    assert sum(found.values()) > 300
