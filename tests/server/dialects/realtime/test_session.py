"""The session object of the Realtime protocol: what an update changes, what it leaves, what is shown."""

import json
from dataclasses import replace
from typing import Any

import pytest

from audio.formats import AudioFormat, Encoding
from server.dialects.realtime.dialect import RealtimeDialect
from server.domain.commands import Configure, Noted
from server.domain.errors import ClientError
from server.domain.events import SessionConfigured
from server.domain.values import SessionConfig, TurnDetection
from stages.ports import OneTool

DEFAULTS = SessionConfig(instructions="Be kind.", voice="amber", speed=1.1, max_output_tokens=100)
SEMANTIC = TurnDetection("semantic_vad")


def updated(*sessions: dict[str, Any], defaults: SessionConfig = DEFAULTS) -> SessionConfig:
    """The configuration after these updates, one after the other."""
    dialect = RealtimeDialect(defaults)
    command = None
    for session in sessions:
        command = dialect.decode(json.dumps({"type": "session.update", "session": session}))
    command = command.command if isinstance(command, Noted) else command
    assert isinstance(command, Configure)
    return command.config


def shown(*sessions: dict[str, Any], defaults: SessionConfig = DEFAULTS) -> dict[str, Any]:
    """The session object that the client is shown after these updates."""
    dialect = RealtimeDialect(defaults)
    command = None
    for session in sessions:
        command = dialect.decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(command, Configure)
    (frame,) = dialect.encode(SessionConfigured(command.config))
    result: dict[str, Any] = json.loads(frame)["session"]
    return result


def hears(**settings: Any) -> dict[str, Any]:
    return {"audio": {"input": settings}}


def speaks(**settings: Any) -> dict[str, Any]:
    return {"audio": {"output": settings}}


# --- merging ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        pytest.param({}, DEFAULTS, id="nothing"),
        pytest.param({"type": "realtime"}, DEFAULTS, id="only the type"),
        pytest.param({"audio": None}, DEFAULTS, id="audio null"),
        pytest.param({"audio": {"input": None, "output": {}}}, DEFAULTS, id="parts null or empty"),
        pytest.param({"instructions": "Hi."}, replace(DEFAULTS, instructions="Hi."), id="instructions"),
        pytest.param({"instructions": ""}, replace(DEFAULTS, instructions=""), id="instructions cleared"),
        pytest.param({"model": "gpt-realtime-2.1"}, DEFAULTS, id="the model cannot change"),
        pytest.param({"whatever": [1]}, DEFAULTS, id="unknown keys"),
        pytest.param({"output_modalities": ["text"]}, replace(DEFAULTS, modality="text"), id="text"),
        pytest.param({"max_output_tokens": 7}, replace(DEFAULTS, max_output_tokens=7), id="tokens"),
        pytest.param({"max_output_tokens": "inf"}, replace(DEFAULTS, max_output_tokens=None), id="inf"),
        pytest.param(speaks(voice="marin"), replace(DEFAULTS, voice="marin"), id="any voice"),
        pytest.param(speaks(voice={"id": "v1"}), replace(DEFAULTS, voice="v1"), id="a voice by id"),
        pytest.param(speaks(speed=1), replace(DEFAULTS, speed=1.0), id="speed"),
        pytest.param(hears(turn_detection=None), replace(DEFAULTS, turn_detection=None), id="manual turns"),
        pytest.param(
            hears(turn_detection={"type": "semantic_vad"}),
            replace(DEFAULTS, turn_detection=SEMANTIC),
            id="semantic",
        ),
        pytest.param(
            hears(turn_detection={"silence_duration_ms": 900}),
            replace(DEFAULTS, turn_detection=TurnDetection(silence_duration_ms=900)),
            id="turn detection without a type",
        ),
        pytest.param(
            hears(transcription={"model": "gpt-4o-mini-transcribe"}),
            replace(DEFAULTS, transcription=True),
            id="any transcription model",
        ),
        pytest.param(
            hears(format={"type": "audio/pcmu"}),
            replace(DEFAULTS, input_format=AudioFormat(Encoding.PCMU, 8_000)),
            id="input format alone",
        ),
        pytest.param(
            speaks(format={"type": "audio/pcm", "rate": 48000}),
            replace(DEFAULTS, output_format=AudioFormat(rate_hz=48_000)),
            id="output format alone",
        ),
        pytest.param(speaks(format={"type": "audio/pcm"}), DEFAULTS, id="pcm is 24 kHz"),
        pytest.param(
            hears(format={"type": "audio/pcma", "rate": 8000}),
            replace(DEFAULTS, input_format=AudioFormat(Encoding.PCMA, 8_000)),
            id="g711 with its only rate",
        ),
    ],
)
def test_only_what_is_present_changes(session: dict[str, Any], expected: SessionConfig) -> None:
    assert updated(session) == expected


def test_null_brings_back_the_default() -> None:
    changed = {
        "instructions": "Hi.",
        "max_output_tokens": 7,
        "output_modalities": ["text"],
        "audio": {
            "input": {"format": {"type": "audio/pcmu"}},
            "output": {"voice": "x", "speed": 1.5, "format": {"type": "audio/pcma"}},
        },
    }
    nulls = {
        "instructions": None,
        "max_output_tokens": None,
        "output_modalities": None,
        "audio": {"input": {"format": None}, "output": {"voice": None, "speed": None, "format": None}},
    }
    assert updated(changed) != DEFAULTS
    assert updated(changed, nulls) == DEFAULTS


def test_updates_add_up() -> None:
    config = updated(
        hears(turn_detection={"type": "server_vad", "threshold": 0.7}),
        speaks(voice="marin"),
        hears(turn_detection={"type": "server_vad", "silence_duration_ms": 300}),
        {"instructions": "Hi."},
    )
    assert config == replace(
        DEFAULTS,
        instructions="Hi.",
        voice="marin",
        turn_detection=TurnDetection(threshold=0.7, silence_duration_ms=300),
    )


def test_turn_detection_starts_afresh_when_its_type_changes() -> None:
    server_vad = hears(turn_detection={"type": "server_vad", "threshold": 0.9, "interrupt_response": False})
    semantic = hears(turn_detection={"type": "semantic_vad", "silence_duration_ms": 900})
    assert updated(server_vad, semantic).turn_detection == SEMANTIC
    assert updated(server_vad, semantic, hears(turn_detection={"type": "server_vad"})) == DEFAULTS


def test_turn_detection_that_was_off_comes_back_as_the_server_has_it() -> None:
    defaults = replace(DEFAULTS, turn_detection=TurnDetection(silence_duration_ms=350))
    manual, automatic = hears(turn_detection=None), hears(turn_detection={"type": "server_vad"})
    assert updated(manual, automatic, defaults=defaults) == defaults


def test_null_within_turn_detection_is_its_default() -> None:
    odd = {"type": "server_vad", "threshold": 0.9, "idle_timeout_ms": 6000}
    nulls = {"threshold": None, "idle_timeout_ms": None, "eagerness": None}
    assert updated(hears(turn_detection=odd), hears(turn_detection=nulls)) == DEFAULTS


# --- showing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        (
            {"type": "semantic_vad"},
            {"eagerness": "auto", "create_response": True, "interrupt_response": True},
        ),
        (
            {"type": "semantic_vad", "eagerness": "low", "interrupt_response": False},
            {"eagerness": "low", "create_response": True, "interrupt_response": False},
        ),
        (
            {"type": "server_vad", "create_response": False},
            {
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "idle_timeout_ms": None,
                "create_response": False,
                "interrupt_response": True,
            },
        ),
    ],
)
def test_turn_detection_is_shown_whole_and_with_its_own_keys_only(
    detection: dict[str, Any], expected: dict[str, Any]
) -> None:
    session = shown(hears(turn_detection=detection))
    assert session["audio"]["input"]["turn_detection"] == {"type": detection["type"], **expected}


TOOL = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"$schema": "x", "type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("name", "value", "cleared"),
    [
        ("tools", [TOOL], []),
        ("tool_choice", "required", "auto"),
        ("tracing", "auto", None),
        ("tracing", {"workflow_name": "w", "metadata": {"a": [1]}}, None),
        ("truncation", {"type": "retention_ratio", "retention_ratio": 0.5}, "auto"),
        ("prompt", {"id": "p1"}, None),
        ("include", ["item.input_audio_transcription.logprobs"], None),
        ("parallel_tool_calls", True, None),
        ("reasoning", {"effort": "low"}, None),
    ],
)
def test_what_we_do_not_use_is_kept_and_shown_again(name: str, value: object, cleared: object) -> None:
    assert shown({name: value})[name] == value
    assert shown({name: value}, {"instructions": "Hi."})[name] == value
    assert shown({name: value}, {name: None})[name] == cleared


def test_an_empty_list_clears_the_tools() -> None:
    assert shown({"tools": [TOOL]}, {"tools": []})["tools"] == []


def test_hints_for_the_transcription_add_up_and_null_hides_them() -> None:
    first = hears(transcription={"model": "whisper-1"})
    second = hears(transcription={"language": "en"})
    assert shown(first, second)["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "en"}
    assert shown(first, hears(transcription=None))["audio"]["input"]["transcription"] is None
    again = shown(first, hears(transcription=None), hears(transcription={}))
    assert again["audio"]["input"]["transcription"] == {}


def test_noise_reduction_is_shown_again() -> None:
    noisy = hears(noise_reduction={"type": "near_field"})
    assert shown(noisy)["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    assert shown(noisy, hears(noise_reduction=None))["audio"]["input"]["noise_reduction"] is None


def test_a_client_may_say_that_it_cancels_echo_and_take_it_back() -> None:
    says = hears(x_echo_cancelled=True)
    assert updated(says) == replace(DEFAULTS, echo_cancelled=True)
    assert shown(says)["audio"]["input"]["x_echo_cancelled"] is True
    assert updated(says, hears(transcription={})).echo_cancelled
    for taken_back in (False, None):
        assert not updated(says, hears(x_echo_cancelled=taken_back)).echo_cancelled
        assert "x_echo_cancelled" not in shown(says, hears(x_echo_cancelled=taken_back))["audio"]["input"]


# --- mistakes ---------------------------------------------------------------------------------------------


def refused(session: object) -> ClientError:
    dialect = RealtimeDialect(DEFAULTS)
    with pytest.raises(ClientError) as caught:
        dialect.decode(json.dumps({"type": "session.update", "event_id": "c1", "session": session}))
    assert caught.value.ref == "c1"
    command = dialect.decode('{"type": "session.update", "session": {}}')
    assert command == Configure(DEFAULTS)  # a refused update has changed nothing
    return caught.value


@pytest.mark.parametrize("value", ["yes", 1, {"by": "browser"}])
def test_what_is_no_yes_or_no_about_the_echo_is_refused(value: object) -> None:
    error = refused(hears(x_echo_cancelled=value))
    assert error.param == "session.audio.input.x_echo_cancelled"


def test_three_mistakes_are_one_error_that_names_all_three() -> None:
    error = refused(
        {
            "instructions": "This must not be taken.",
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 11025}},
                "output": {"speed": 9},
            },
            "output_modalities": ["audio", "text"],
        }
    )
    assert error.code == "invalid_value"
    assert error.param == "session.audio.input.format.rate"
    assert "session.audio.input.format.rate: must be one of 8000, 16000, 22050, 24000" in error.message
    assert "session.audio.output.speed: must be less than or equal to 1.5 (got 9)" in error.message
    assert 'session.output_modalities: must be ["audio"]' in error.message


@pytest.mark.parametrize(
    ("session", "param", "says"),
    [
        (hears(format={"type": "audio/pcmu", "rate": 16000}), "session.audio.input.format.rate", "8000"),
        (hears(format={"type": "audio/opus"}), "session.audio.input.format.type", "audio/pcma"),
        (hears(format="pcm16"), "session.audio.input.format", "must be an object"),
        (speaks(speed=0.1), "session.audio.output.speed", "0.25"),
        (speaks(speed="fast"), "session.audio.output.speed", "number"),
        (speaks(voice=""), "session.audio.output.voice", "256"),
        (hears(turn_detection={"type": "psychic"}), "session.audio.input.turn_detection.type", "server_vad"),
        (hears(turn_detection={"threshold": 2}), "session.audio.input.turn_detection.threshold", "1"),
        (
            hears(turn_detection={"silence_duration_ms": 60_000}),
            "session.audio.input.turn_detection.silence_duration_ms",
            "10000",
        ),
        ({"max_output_tokens": 0}, "session.max_output_tokens", "4096"),
        ({"max_output_tokens": True}, "session.max_output_tokens", "4096"),
        ({"output_modalities": []}, "session.output_modalities", '["text"]'),
        ({"type": "chat"}, "session.type", "realtime"),
        ({"tools": [TOOL, {"type": "function"}]}, "session.tools[1]", '"name"'),
        ({"tools": [{"type": "search"}]}, "session.tools[0]", '"mcp"'),
        ({"tools": [{**TOOL, "parameters": []}]}, "session.tools[0]", '"parameters"'),
        ({"tools": [TOOL] * 129}, "session.tools", "128"),
        ({"tools": [TOOL | {"description": "x" * 65536}]}, "session.tools", "65536"),
        ({"tracing": {"a": [1] * 50_000}}, "session.tracing", "65536"),
        ({"prompt": {"id": "x" * 65536}}, "session.prompt", "65536"),
        ({"include": [1] * 60_000}, "session.include", "1"),
        (
            hears(transcription={"keywords": [1] * 60_000}),
            "session.audio.input.transcription.keywords",
            "100 items",
        ),
        ({"tool_choice": "maybe"}, "session.tool_choice", "required"),
        ({"tracing": 3}, "session.tracing", "auto or an object"),
        ({"truncation": {"type": "random"}}, "session.truncation", "retention_ratio"),
        ({"instructions": ["a"]}, "session.instructions", "string"),
        (None, "session", "must be an object"),
        ([], "session", "must be an object"),
    ],
)
def test_a_mistake_names_the_field_and_the_limit(session: object, param: str, says: str) -> None:
    error = refused(session)
    assert error.param == param
    assert error.message.startswith(f"{param}: ")
    assert says in error.message


def test_a_missing_session_is_said_to_be_missing() -> None:
    with pytest.raises(ClientError, match=r"session: is required") as caught:
        RealtimeDialect(DEFAULTS).decode('{"type": "session.update"}')
    assert caught.value.code == "missing_required_parameter"


def test_a_hundred_mistakes_are_not_all_listed() -> None:
    error = refused({"tools": [{"type": "search"}] * 100})
    assert error.message.endswith("and 80 more")


def test_settings_that_are_only_kept_can_be_shown_however_deep_they_are() -> None:
    deep: dict[str, Any] = {}
    for _ in range(190):
        deep = {"a": deep}
    assert shown({"tracing": deep})["tracing"] == deep


def test_a_number_that_json_cannot_write_is_not_kept() -> None:
    frame = '{"type": "session.update", "session": {"tracing": {"a": [1e999]}}}'
    with pytest.raises(ClientError, match=r"session\.tracing") as caught:
        RealtimeDialect(DEFAULTS).decode(frame)
    assert caught.value.code == "invalid_value"


# --- tools of the client's --------------------------------------------------------------------------------


def configured(*sessions: dict[str, Any]) -> SessionConfig:
    dialect = RealtimeDialect(DEFAULTS)
    commands = [dialect.decode(json.dumps({"type": "session.update", "session": part})) for part in sessions]
    assert isinstance(commands[-1], Configure)
    return commands[-1].config


def test_functions_become_tools() -> None:
    bare = {"type": "function", "name": "bare"}
    tools = configured({"tools": [TOOL, bare]}).tools
    assert [(tool.name, tool.description) for tool in tools] == [
        (TOOL["name"], TOOL.get("description", "")),
        ("bare", ""),
    ]
    assert tools[1].parameters == {"type": "object", "properties": {}}
    assert configured({"tools": [TOOL]}, {"tools": []}).tools == ()


def test_a_choice_must_be_among_the_tools() -> None:
    choice = {"type": "function", "name": TOOL["name"]}
    assert configured({"tools": [TOOL], "tool_choice": choice}).tool_choice == OneTool(str(TOOL["name"]))
    assert configured({"tools": [TOOL]}, {"tool_choice": choice}, {"tools": []}).tools == ()
    error = refused({"tool_choice": choice})
    assert (error.code, error.param, error.ref) == ("invalid_value", "session.tool_choice", "c1")


def test_two_tools_cannot_have_one_name() -> None:
    assert "given twice" in refused({"tools": [TOOL, TOOL]}).message


# --- sessions for transcription ---------------------------------------------------------------------------


def test_a_session_for_transcription_never_answers_and_always_shows_what_it_hears() -> None:
    on = {"type": "transcription", "audio": {"input": {"turn_detection": {"create_response": True}}}}
    config = configured(on)
    assert config.transcription
    assert config.turn_detection is not None
    assert not config.turn_detection.create_response
    off = {"audio": {"input": {"transcription": None, "turn_detection": None}}}
    assert configured(on, off).transcription


def test_the_purpose_of_a_session_is_settled_by_its_first_update() -> None:
    assert configured({"instructions": "Hi."}, {"type": "realtime"}).purpose == "conversation"
    assert configured({"type": "transcription"}, {}, {"type": "transcription"}).purpose == "transcription"
    dialect = RealtimeDialect(DEFAULTS)
    dialect.decode(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
    frame = {"type": "session.update", "event_id": "c2", "session": {"type": "transcription"}}
    with pytest.raises(ClientError, match="cannot change") as caught:
        dialect.decode(json.dumps(frame))
    assert (caught.value.param, caught.value.ref) == ("session.type", "c2")
