"""What is not understood, or not held, of a client's wishes is told once, and the rest is obeyed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.unknown import MAX_TOLD, RENAMED
from server.domain.commands import Command, Configure, Noted
from server.domain.errors import ClientError
from server.domain.events import SessionConfigured, SessionStarted
from server.domain.values import Abilities, SessionConfig
from tests.support.stage import Stage, play

DOCUMENT = (Path(__file__).parents[4] / "docs" / "protocol.md").read_text()
ABILITIES = Abilities(("en",), ("heart", "alloy"))


def dialect(**config: Any) -> RealtimeDialect:
    return RealtimeDialect(SessionConfig(**config), abilities=ABILITIES)


def problems(said: RealtimeDialect, kind: str, **fields: Any) -> tuple[ClientError, ...]:
    command = said.decode(json.dumps({"type": kind, "event_id": "U", **fields}))
    return command.problems if isinstance(command, Noted) else ()


def of_session(session: dict[str, Any]) -> ClientError:
    (problem,) = problems(dialect(), "session.update", session=session)
    assert (problem.ref, (problem.param or "?") in problem.message) == ("U", True)
    return problem


def ignored(session: dict[str, Any], said: RealtimeDialect | None = None) -> list[str]:
    """The paths that are shown as ignored in the answer to an update."""
    said = said or dialect()
    command: Command | Noted = said.decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(command, Configure), command
    (frame,) = said.encode(SessionConfigured(command.config, command.ignored))
    return [setting["param"] for setting in json.loads(frame)["session"].get("x_ignored", [])]


BETA = {
    "modalities": ["text"],
    "voice": "ash",
    "speed": 1.0,
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": None,
    "turn_detection": None,
    "max_response_output_tokens": 100,
    "temperature": 0.8,
}


@pytest.mark.parametrize("key", BETA)
def test_a_name_of_the_beta_is_told_with_what_to_write_instead(key: str) -> None:
    problem = of_session({key: BETA[key], "instructions": "Be brief."})
    assert (problem.code, problem.param) == ("unknown_parameter", f"session.{key}")
    (instead,) = re.findall(
        rf"^\| `session\.{key}` \| (?:`session\.([\w.]+)`|nothing)", DOCUMENT, re.MULTILINE
    )
    assert f"write session.{instead}" in problem.message if instead else "leave it out" in problem.message
    assert "response.output_audio.delta for response.audio.delta" in problem.message


def test_all_of_them_are_told_at_once_and_only_once() -> None:
    said = dialect()
    (problem,) = problems(said, "session.update", session=BETA)
    assert all(f"session.{key}: " in problem.message for key in BETA)
    assert problems(said, "session.update", session=BETA) == ()


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_event_of_the_beta_is_told_with_what_it_is_called_now(old: str, new: str) -> None:
    with pytest.raises(ClientError, match=re.escape(new)) as caught:
        dialect().decode(json.dumps({"type": old}))
    assert caught.value.param == "type"


@pytest.mark.parametrize(
    ("session", "param", "advice"),
    [
        ({"output_modalites": ["text"]}, "session.output_modalites", "'output_modalities'"),
        (
            {"audio": {"turn_detection": None}},
            "session.audio.turn_detection",
            "session.audio.input.turn_detection",
        ),
        ({"audio": {"output": {"vioce": "x"}}}, "session.audio.output.vioce", "'voice'"),
        ({"format": 1}, "session.format", "session.audio.input.format or session.audio.output.format"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "sample": 1}}}},
            "session.audio.input.format.sample",
            "",
        ),
        ({"whatever": [1]}, "session.whatever", "not known"),
    ],
)
def test_a_wrong_key_is_told_with_the_nearest_right_one(
    session: dict[str, Any], param: str, advice: str
) -> None:
    problem = of_session(session)
    assert (problem.code, problem.param) == ("unknown_parameter", param)
    assert advice in problem.message


@pytest.mark.parametrize(
    ("kind", "fields", "param", "advice"),
    [
        (
            "response.create",
            {"response": {"modalities": ["text"]}},
            "response.modalities",
            "response.output_modalities",
        ),
        ("response.create", {"response": {"voice": "x"}}, "response.voice", "response.audio.output.voice"),
        (
            "response.create",
            {"response": {"turn_detection": {}}},
            "response.turn_detection",
            "session.audio.input",
        ),
        ("response.create", {"respones": {}}, "respones", "'response'"),
        (
            "response.create",
            {"response": {"input": [{"type": "item_reference", "id": "i", "wieght": 1}]}},
            "response.input[0].wieght",
            "",
        ),
        (
            "conversation.item.create",
            {"item": {"role": "user", "content": [{"type": "input_text", "text": "a", "txt": "b"}]}},
            "item.content[0].txt",
            "'text'",
        ),
        ("conversation.item.truncate", {"item_id": "i", "audio_end_ms": 1, "end": 1}, "end", ""),
        ("input_audio_buffer.commit", {"item_id": "i"}, "item_id", ""),
        ("response.create", {"response": {"prompt": {"id": "p"}}}, "response.prompt", ""),
        (
            "response.create",
            {"response": {"audio": {"input": {"format": None}}}},
            "response.audio.input",
            "session.",
        ),
        (
            "response.create",
            {"response": {"audio": {"output": {"voice": "x"}}}},
            "response.audio.output.voice",
            "heart",
        ),
    ],
)
def test_so_it_is_in_every_event(kind: str, fields: dict[str, Any], param: str, advice: str) -> None:
    said = dialect()
    (problem,) = problems(said, kind, **fields)
    assert (problem.param, problem.ref) == (param, "U")
    assert advice in problem.message
    assert problems(said, kind, **fields) == ()


def test_whoever_makes_up_keys_without_end_is_told_a_few() -> None:
    said = dialect()
    (first,) = problems(said, "session.update", session={f"key{n}" + "x" * 100: 1 for n in range(2_000)})
    assert len(first.message) < 5_000
    told = [problems(said, "session.update", session={f"again{n}": 1}) for n in range(MAX_TOLD)]
    assert told[-1] == ()


def test_what_the_server_shows_may_be_sent_back() -> None:
    said = dialect()
    (frame,) = said.encode(SessionStarted("sess_1", "conv_1", SessionConfig(), 1))
    assert problems(said, "session.update", session=json.loads(frame)["session"]) == ()


@pytest.mark.parametrize(
    "session",
    [
        {"type": "realtime", "tracing": "auto"},
        {
            "type": "realtime",
            "model": "gpt-realtime-2.1",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "noise_reduction": None,
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "turn_detection": {
                        "type": "semantic_vad",
                        "eagerness": "medium",
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ash", "speed": 1.0},
            },
            "tools": [{"type": "function", "name": "f", "parameters": {"$schema": "s"}, "strict": True}],
            "tool_choice": "auto",
            "tracing": None,
        },
    ],
)
def test_what_stock_clients_send_by_themselves_is_no_error(session: dict[str, Any]) -> None:
    assert problems(dialect(), "session.update", session=session) == ()


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"model": "other"}, "session.model"),
        ({"tracing": "auto"}, "session.tracing"),
        ({"prompt": {"id": "p"}}, "session.prompt"),
        ({"include": ["item.input_audio_transcription.logprobs"]}, "session.include"),
        ({"reasoning": {"effort": "low"}}, "session.reasoning"),
        ({"parallel_tool_calls": False}, "session.parallel_tool_calls"),
        ({"audio": {"output": {"voice": "ash"}}}, "session.audio.output.voice"),
        (
            {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
            "session.audio.input.noise_reduction",
        ),
        ({"audio": {"input": {"transcription": {"model": "w"}}}}, "session.audio.input.transcription.model"),
        (
            {"audio": {"input": {"transcription": {"prompt": "Words that have to do with shoes"}}}},
            "session.audio.input.transcription.prompt",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.4}}}},
            "session.audio.input.turn_detection.threshold",
        ),
        ({"type": "transcription", "instructions": "Be brief."}, "session.instructions"),
    ],
)
def test_what_is_known_and_changes_nothing_is_shown_once(session: dict[str, Any], param: str) -> None:
    said = dialect()
    assert ignored(session, said) == [param]
    assert ignored(session, said) == []


@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"output": {"voice": "alloy"}}},
        {"audio": {"output": {"voice": {"id": "default"}}}},
        {"parallel_tool_calls": True, "tracing": None, "include": []},
        {"audio": {"input": {"transcription": {"language": "en-US", "model": "default"}}}},
        {"audio": {"input": {"transcription": {"languages": ["de", "en"]}}}},
        {"audio": {"input": {"transcription": {"keywords": ["DAHDI"], "prompt": "Zap, Anna Kowalski"}}}},
        {"audio": {"input": {"turn_detection": {"threshold": 0.4}}}},
    ],
)
def test_what_is_held_is_not(session: dict[str, Any]) -> None:
    assert ignored(session) == []


@pytest.mark.parametrize("hint", [{"language": "de"}, {"language": "de-AT"}, {"languages": ["fr", "de"]}])
def test_a_language_that_is_not_understood_is_told(hint: dict[str, Any]) -> None:
    problem = of_session({"audio": {"input": {"transcription": hint}}})
    (name,) = hint
    assert (problem.code, problem.param) == ("not_honoured", f"session.audio.input.transcription.{name}")
    assert "takes en" in problem.message


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("server_vad", "silence_duration_ms", 800), ("semantic_vad", "eagerness", "high")],
)
def test_what_says_when_turns_end_changes_nothing_while_the_recogniser_says_it(
    kind: str, name: str, value: object
) -> None:
    session = {"audio": {"input": {"turn_detection": {"type": kind, name: value}}}}
    theirs = RealtimeDialect(SessionConfig(), abilities=Abilities(owns_turns=True))
    assert ignored(session, theirs) == [f"session.audio.input.turn_detection.{name}"]
    assert ignored(session) == []


def test_the_name_of_a_model_in_the_address_is_shown_as_ignored() -> None:
    (frame,) = dialect(model="gpt-realtime").encode(SessionStarted("sess_1", "conv_1", SessionConfig(), 1))
    assert [setting["param"] for setting in json.loads(frame)["session"]["x_ignored"]] == ["model"]
    (frame,) = dialect().encode(SessionStarted("sess_1", "conv_1", SessionConfig(), 1))
    assert "x_ignored" not in json.loads(frame)["session"]
    theirs = RealtimeDialect(SessionConfig(model="support"), abilities=Abilities(agents=("sales", "support")))
    (frame,) = theirs.encode(SessionStarted("sess_1", "conv_1", SessionConfig(), 1))
    assert "x_ignored" not in json.loads(frame)["session"], "it is the name of an agent"


def test_a_session_obeys_the_rest_says_so_and_logs_it_once(caplog: pytest.LogCaptureFixture) -> None:
    update = {"instructions": "Be brief.", "modalities": ["text"], "tracing": "auto"}

    async def story(stage: Stage) -> None:
        for number in (1, 2):
            stage.wire.say("session.update", event_id="U", session=update)
            session = (await stage.wire.until("session.updated", number))["session"]
            assert session["instructions"] == "Be brief."
            assert ("x_ignored" in session) == (number == 1)
        error = (await stage.wire.until("error"))["error"]
        assert (error["param"], error["event_id"]) == ("session.modalities", "U")

    with caplog.at_level("INFO"):
        types = play(Stage, story).wire.types()
    assert types.count("error") == 1
    assert types.index("session.updated") < types.index("error")
    for name in ("session.modalities", "session.tracing"):
        assert sum(name in record.getMessage() for record in caplog.records) == 1
