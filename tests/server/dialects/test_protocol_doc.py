"""docs/protocol.md says what the dialects do: its tables are complete and its examples work."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from server.dialects.realtime.commands import KNOWN_TYPES
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.errors import code_of
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.realtime.locks import LOCKABLE
from server.dialects.realtime.secrets import read_order
from server.dialects.voice.dialect import PING, PLAYBACK, VoiceDialect
from server.dialects.voice.frames import Stream, unpack_frame
from server.domain.commands import AppendAudio
from server.domain.errors import ClientError, Fault
from server.domain.events import Event, ResponseAudio
from server.domain.values import Response, SessionConfig
from server.domain.voice_events import (
    ArtifactMade,
    MoveAsked,
    Pong,
    ProviderUse,
    StageEventTold,
    TurnEnded,
    TurnTimed,
    VoiceCommand,
    VoiceEvent,
    VoiceFlushed,
    VoiceHeld,
    VoicesOffered,
    WordsTimed,
)
from server.gateway.door.http import SECRETS_PATHS
from server.tools.mcp_policy import McpPolicy
from stages.ports import VoiceOption, WordTime
from tests.support.realtime_story import CONFIG, story

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
BLOCKS = re.findall(r"^```(\w+) (\w+)\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)

VOICE: tuple[Event, ...] = (
    VoicesOffered((VoiceOption("heart", "American English, a woman"),)),
    Pong(),
    MoveAsked(28_000),
    VoiceHeld("duck"),
    VoiceHeld("pause"),
    VoiceHeld("resume"),
    VoiceFlushed(3),
    WordsTimed(
        "item_7", (WordTime("It", 480, 3120), WordTime(" is", 3720, 6480), WordTime(" noon.", 7080, 18600))
    ),
    TurnEnded(2, 1, "item_5", "semantic", 420, True, 180, "passed", "concierge", None),
    TurnTimed(
        2, "resp_2", {"speech_end": 0, "first_audio": 590}, (ProviderUse("stt", "a", 90, None, hedge=False),)
    ),
    StageEventTold("chart", "drawn", '{"points": 3}', "resp_2"),
    ArtifactMade("chart", "chart", '{"data": [1, 2, 3]}', "resp_2"),
)


def blocks(kind: str) -> list[str]:
    return [text for _, wanted, text in BLOCKS if wanted == kind]


def told() -> Iterator[dict[str, Any]]:
    """Everything that the server says."""
    for dialect in (RealtimeDialect(CONFIG), VoiceDialect(RealtimeDialect(CONFIG))):
        for event in (*story(), *VOICE):
            yield from (json.loads(frame) for frame in dialect.encode(event) if isinstance(frame, str))


def rows(heading: str) -> dict[str, set[str]]:
    """The table of a section: the type of an event and its fields."""
    section = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(?!type`)([^`]+)` \|([^|]*)\|", section, re.MULTILINE)
    return {type: set(re.findall(r"`([^`]+)`", fields)) for type, fields in found}


def test_every_kind_of_event_is_here() -> None:
    assert {type(event) for event in VOICE} == set(get_args(VoiceEvent))


def test_the_table_of_events_is_complete_with_every_field() -> None:
    said: dict[str, set[str]] = {}
    for event in told():
        said.setdefault(event["type"], set()).update(event)
    assert rows("What the server says") == {
        type: fields - {"type", "event_id"} for type, fields in said.items()
    }


def test_the_table_of_commands_is_complete() -> None:
    assert set(rows("What a client says")) == {*KNOWN_TYPES, PLAYBACK, PING}


@pytest.mark.parametrize("text", blocks("client"))
def test_what_a_client_may_say_is_understood(text: str) -> None:
    hosting = RealtimeLimits(hosting=McpPolicy(("https://mcp.example.com",)))
    VoiceDialect(RealtimeDialect(SessionConfig(), hosting)).decode(text)
    event = json.loads(text)
    assert set(event) - {"type", "event_id"} <= rows("What a client says")[event["type"]]


def test_every_command_of_a_client_that_plays_the_voice_has_an_example() -> None:
    voice = VoiceDialect(RealtimeDialect(SessionConfig()))
    own = [text for text in blocks("client") if json.loads(text)["type"] not in KNOWN_TYPES]
    assert {type(voice.decode(text)) for text in own} == set(get_args(VoiceCommand))


@pytest.mark.parametrize("text", blocks("server"))
def test_what_the_server_says_has_this_shape(text: str) -> None:
    event = json.loads(text)
    shapes = [shape_of(said) for said in told() if said["type"] == event["type"]]
    assert shape_of(event) in shapes


def shape_of(value: object) -> object:
    """Keys and kinds of values; which steps `ms` has depends on the turn, and null stands for any kind."""
    if isinstance(value, dict):
        return {
            key: None if key in ("ms", "param", "event_id", "interrupted_by") else shape_of(v)
            for key, v in value.items()
        }
    return type(value).__name__


def test_the_order_of_a_secret_is_understood() -> None:
    (text,) = blocks("order")
    order = read_order(text.encode(), SessionConfig())
    assert (order.lifetime_s, order.pinned.locked) == (600, ("instructions", "tools"))
    lockable = DOCUMENT.split("Lockable: ")[1].split(". ")[0]
    assert re.findall(r"`([^`]+)`", lockable) == list(LOCKABLE)
    assert "/v1/realtime/client_secrets" in SECRETS_PATHS


def test_the_frame_of_a_microphone_is_heard() -> None:
    (text,) = blocks("microphone")
    header, _, rest = text.partition("+")
    data = bytes(int(rest.split()[0]))
    command = VoiceDialect(RealtimeDialect(SessionConfig())).decode(bytes.fromhex(header) + data)
    assert command == AppendAudio(data)


def test_the_header_of_an_answer_lies_where_the_table_says() -> None:
    response = ResponseAudio(Response("resp_1"), "item_1", b"\1\2", epoch=3, offset_samples=4800)
    (frame,) = VoiceDialect(RealtimeDialect(SessionConfig())).encode(response)
    assert isinstance(frame, bytes)
    assert unpack_frame(frame) == (Stream.ANSWER, 3, 4800, b"\1\2")
    assert (frame[0], frame[1], frame[4], int.from_bytes(frame[8:12], "little")) == (1, 1, 3, 4800)


def test_every_error_that_the_server_has_is_in_the_table() -> None:
    section = DOCUMENT.split("\n## Errors and close codes\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([a-z_]+)`", section))
    server = Path(__file__).parents[3] / "server"
    sources = "\n".join(path.read_text() for path in server.rglob("*.py"))
    raised = set(re.findall(r"ClientError\(\s*\"([a-z_]+)\"", sources))
    elsewhere = {"too_many_client_secrets", "invalid_json"}  # over HTTP
    elsewhere |= {"rate_limit_exceeded"}  # told to the model, of a reminder
    told = {code_of(ClientError(fault, "")) for fault in Fault}
    assert (raised | told) - elsewhere <= documented
