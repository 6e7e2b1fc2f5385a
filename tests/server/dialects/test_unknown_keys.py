"""A key that the server does not know is told once, by its path, and the rest is obeyed: in every dialect, in every
command (all are in one table), and in every object of a command."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from server.dialects.realtime.commands import KNOWN_TYPES, MODELS
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.secrets import read_order, render_secret
from server.dialects.realtime.unknown import unknown_keys
from server.dialects.voice.dialect import PING, PLAYBACK, VoiceDialect
from server.domain.commands import AppendAudio, Noted
from server.domain.errors import ClientError
from server.domain.values import Abilities, SessionConfig

UNKNOWN = "unknwon"
FREE = ("metadata", "parameters", "variables", "headers", "prompt", "tracing")
"""Objects whose keys are the client's own, or that are only kept to be shown again."""

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "look", "description": "Look.", "parameters": {"type": "object"}},
]
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
CALL = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
REFERENCE = {"type": "item_reference", "id": "item_1"}
DETECTION = {"type": "server_vad", "threshold": 0.5, "create_response": True}
SESSION = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "transcription": {"language": "en"},
            "turn_detection": DETECTION,
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": {"id": "heart"}},
    },
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 2000},
    },
    "tools": TOOLS,
    "tool_choice": {"type": "function", "name": "look"},
}
RESPONSE = {
    "input": [MESSAGE, CALL, OUTPUT, REFERENCE],
    "metadata": {"topic": "x"},
    "audio": {"output": {"voice": "heart"}},
    "tools": TOOLS,
    "tool_choice": {"type": "function", "name": "look"},
}
COMMANDS: dict[str, list[dict[str, Any]]] = {
    "session.update": [{"session": SESSION}],
    "input_audio_buffer.append": [{"audio": "AAAA"}],
    "input_audio_buffer.commit": [{}],
    "input_audio_buffer.clear": [{}],
    "conversation.item.create": [{"item": MESSAGE}, {"item": CALL}, {"item": OUTPUT}],
    "conversation.item.retrieve": [{"item_id": "item_1"}],
    "conversation.item.delete": [{"item_id": "item_1"}],
    "conversation.item.truncate": [{"item_id": "item_1", "content_index": 0, "audio_end_ms": 10}],
    "response.create": [{}, {"response": RESPONSE}],
    "response.cancel": [{"response_id": "resp_1"}],
    "output_audio_buffer.clear": [{}],
}
OF_VOICE: dict[str, list[dict[str, Any]]] = {
    PLAYBACK: [{"item_id": "item_1", "played_samples": 480, "underruns": 0}],
    PING: [{}],
}


def realtime() -> RealtimeDialect:
    return RealtimeDialect(SessionConfig(), abilities=Abilities(("en",), ("heart",)))


def voice() -> VoiceDialect:
    return VoiceDialect(realtime())


def with_one_key_more(given: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The object with an unknown key in it, or in one of the objects within, and the path of that key."""
    if isinstance(given, dict):
        yield f"{path}.{UNKNOWN}".removeprefix("."), {**given, UNKNOWN: 1}
        for key, value in given.items():
            if key not in FREE:
                for where, changed in with_one_key_more(value, f"{path}.{key}".removeprefix(".")):
                    yield where, {**given, key: changed}
    if isinstance(given, list):
        for n, value in enumerate(given):
            for where, changed in with_one_key_more(value, f"{path}[{n}]"):
                yield where, [*given[:n], changed, *given[n + 1 :]]


def cases() -> Iterator[tuple[type, str, str, dict[str, Any]]]:
    """Of each dialect, every command with a key more in each of its objects."""
    for dialect, commands in ((RealtimeDialect, COMMANDS), (VoiceDialect, {**COMMANDS, **OF_VOICE})):
        for kind, examples in commands.items():
            for example in examples:
                for path, event in with_one_key_more(example):
                    yield dialect, kind, path, event


def ids_of(value: object) -> object:
    return value.__name__ if isinstance(value, type) else value if isinstance(value, str) else ""


def test_the_table_has_every_command() -> None:
    assert set(COMMANDS) == set(KNOWN_TYPES)


@pytest.mark.parametrize(("dialect", "kind", "path", "event"), [*cases()], ids=ids_of)
def test_a_key_that_is_not_known_is_told_once_and_the_command_is_obeyed(
    dialect: type, kind: str, path: str, event: dict[str, Any]
) -> None:
    said = realtime() if dialect is RealtimeDialect else voice()
    frame = json.dumps({"type": kind, "event_id": "U", **event})
    (problem,) = told(said.decode(frame))
    assert (problem.code, problem.param, problem.ref) == ("unknown_parameter", path, "U")
    again = said.decode(frame)
    assert told(again) == ()
    known = json.dumps({"type": kind, "event_id": "U", **without(event)})
    assert type(again) is type((realtime() if dialect is RealtimeDialect else voice()).decode(known))


def told(command: Any) -> tuple[ClientError, ...]:
    if isinstance(command, AppendAudio):
        return () if command.problem is None else (command.problem,)
    return command.problems if isinstance(command, Noted) else ()


def without(event: Any) -> Any:
    if isinstance(event, dict):
        return {key: without(value) for key, value in event.items() if key != UNKNOWN}
    return [without(value) for value in event] if isinstance(event, list) else event


ORDER = {
    "expires_after": {"anchor": "created_at", "seconds": 60},
    "session": {"model": "default", **SESSION},
    "x_locked": ["instructions"],
}


def ignored(order: dict[str, Any]) -> list[tuple[str, str]]:
    """What the answer to the order of a client secret says of what was not understood or is not held."""
    abilities = Abilities(("en",), ("heart",))
    shown: Any = render_secret(
        "ek_1", read_order(json.dumps(order).encode(), SessionConfig(), abilities=abilities), 0
    )
    return [(setting["param"], setting["message"]) for setting in shown.get("x_ignored", [])]


@pytest.mark.parametrize(("path", "order"), [*with_one_key_more(ORDER)], ids=ids_of)
def test_a_key_of_an_order_for_a_secret_that_is_not_known_is_told(path: str, order: dict[str, Any]) -> None:
    assert [param for param, _ in ignored(order)] == [path]


@pytest.mark.parametrize(
    ("order", "param", "advice"),
    [
        ({"expires_afer": {"seconds": 60}}, "expires_afer", "'expires_after'"),
        ({"instructions": "Be kind."}, "instructions", "session.instructions"),
        ({"voice": "heart"}, "voice", "session.audio.output.voice"),
        ({"session": {"voice": "heart"}}, "session.voice", "session.audio.output.voice"),
        ({"session": {"tracing": "auto"}}, "session.tracing", "changes nothing"),
        ({"session": {"model": "gpt-realtime"}}, "session.model", "default"),
        (
            {"session": {"audio": {"output": {"voice": "marin"}}}},
            "session.audio.output.voice",
            "heart",
        ),
        (
            {"session": {"audio": {"input": {"transcription": {"language": "de"}}}}},
            "session.audio.input.transcription.language",
            "takes en",
        ),
    ],
)
def test_what_an_order_for_a_secret_wants_in_vain_is_told(
    order: dict[str, Any], param: str, advice: str
) -> None:
    ((told_param, message),) = ignored(order)
    assert told_param == param
    assert advice in message


def test_an_order_for_a_secret_that_is_wholly_held_says_nothing_of_it() -> None:
    assert ignored(ORDER) == []
    assert ignored({}) == []


def test_the_keys_of_a_tool_are_those_that_are_read() -> None:
    tools: list[Any] = [
        {
            "type": "mcp",
            "server_label": "shop",
            "server_url": "https://tools.example/mcp",
            "server_description": "A shop.",
            "authorization": "s3cret",
            "headers": {"X-Any": "1"},
            "allowed_tools": {"tool_names": ["buy"], "read_only": True},
            "require_approval": {"never": {"tool_names": ["buy"]}},
        },
        {"type": "function", "name": "look", "description": "", "parameters": {}, "strict": True},
    ]
    assert list(unknown_keys({"session": {"tools": tools}}, MODELS["session.update"])) == []
    for path, session in with_one_key_more({"tools": tools}):
        (found,) = unknown_keys({"session": session}, MODELS["session.update"])
        assert found.param == f"session.{path}"
    (found,) = unknown_keys({"session": {"tools": [{"paramters": {}}]}}, MODELS["session.update"])
    assert "'parameters'" in found.message
