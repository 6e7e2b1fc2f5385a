"""Sessions that only listen, and audio in other formats than the usual one."""

import base64
from typing import Any

import anyio
import numpy as np
import pytest

from audio import g711
from audio.formats import Samples
from audio.resample import Resampler
from tests.support.stage import Stage, play, speak, voiced
from tests.support.trace_checker import check_trace

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


async def listen_only(stage: Stage, **heard_by: Any) -> None:
    stage.wire.say("session.update", session={"type": "transcription", "audio": {"input": heard_by}})
    session = (await stage.wire.until("session.updated"))["session"]
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_what_is_said_is_transcribed_and_not_answered(kind: str) -> None:
    async def story(stage: Stage) -> None:
        await listen_only(stage, transcription={"model": "gpt-4o-transcribe"}, turn_detection={"type": kind})
        for nth in (1, 2):
            await speak(stage, 1.0, 3.0)
            heard = await stage.wire.until(TRANSCRIBED, nth)
            assert heard["transcript"] == "hello there"
            assert heard["usage"]["type"] == "duration"
        await anyio.sleep(5)

    stage = play(lambda: Stage("Never."), story)
    check_trace(stage.wire.events())
    assert not stage.model.requests
    assert "response.created" not in stage.wire.types()


def test_a_committed_buffer_is_transcribed_when_the_client_takes_turns() -> None:
    async def story(stage: Stage) -> None:
        await listen_only(stage, turn_detection=None)
        await speak(stage, 1.0)
        stage.wire.say("input_audio_buffer.commit")
        assert (await stage.wire.until(TRANSCRIBED))["transcript"] == "hello there"
        await anyio.sleep(5)

    stage = play(lambda: Stage("Never."), story)
    check_trace(stage.wire.events())
    assert "response.created" not in stage.wire.types()


def test_an_answer_is_refused_by_name_and_the_session_goes_on() -> None:
    async def story(stage: Stage) -> None:
        await listen_only(stage)
        stage.wire.say("response.create", event_id="c3")
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "c3")
        await speak(stage, 1.0)
        await stage.wire.until(TRANSCRIBED)

    check_trace(play(lambda: Stage("Never."), story).wire.events())


# --- formats ----------------------------------------------------------------------------------------------

FORMATS = [
    {"type": "audio/pcmu"},
    {"type": "audio/pcma"},
    {"type": "audio/pcm", "rate": 8000},
    {"type": "audio/pcm", "rate": 16000},
    {"type": "audio/pcm", "rate": 48000},
]


def encoded(samples: Samples, wanted: dict[str, Any]) -> bytes:
    match wanted["type"]:
        case "audio/pcmu":
            return bytes(g711.encode_mulaw(samples))
        case "audio/pcma":
            return bytes(g711.encode_alaw(samples))
        case _:
            return samples.astype("<i2").tobytes()


def decoded(data: bytes, wanted: dict[str, Any]) -> Samples:
    match wanted["type"]:
        case "audio/pcmu":
            return g711.decode_mulaw(data)
        case "audio/pcma":
            return g711.decode_alaw(data)
        case _:
            return np.frombuffer(data, np.int16)


@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_a_turn_in_any_format_both_ways(wanted: dict[str, Any]) -> None:
    rate_hz = wanted.get("rate", 8_000)

    async def story(stage: Stage) -> None:
        formats = {"input": {"format": wanted}, "output": {"format": wanted}}
        stage.wire.say("session.update", session={"type": "realtime", "audio": formats})
        shown = (await stage.wire.until("session.updated"))["session"]["audio"]
        assert shown["input"]["format"] == shown["output"]["format"] == wanted
        data = encoded(np.concatenate([voiced(1.0, rate_hz), np.zeros(rate_hz, np.int16)]), wanted)
        size = len(data) // 100 | 1  # odd, so that samples are cut in two
        for start in range(0, len(data), size):
            audio = base64.b64encode(data[start : start + size]).decode()
            stage.wire.say("input_audio_buffer.append", audio=audio)
            await anyio.sleep(0.02)
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Hello to you."), story)
    check_trace(stage.wire.events())
    deltas = [
        event["delta"] for event in stage.wire.events() if event["type"] == "response.output_audio.delta"
    ]
    said = decoded(b"".join(map(base64.b64decode, deltas)), wanted)
    usual = spoken("Hello to you.")
    assert abs(len(said) / rate_hz - len(usual) / 24_000) < 0.01
    same = Resampler(24_000, rate_hz).process(usual, last=True)
    assert loudness(said) == pytest.approx(loudness(same), rel=0.1)


def spoken(text: str) -> Samples:
    """The same answer in the usual format."""

    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done")

    events = play(lambda: Stage(text), story).wire.events()
    deltas = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
    return np.frombuffer(b"".join(map(base64.b64decode, deltas)), "<i2")


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))


def test_one_answer_may_have_a_format_of_its_own() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("conversation.item.create", item=TYPED)
        pcmu = {"output": {"format": {"type": "audio/pcmu"}}}
        stage.wire.say("response.create", response={"audio": pcmu})
        done = (await stage.wire.until("response.done"))["response"]
        assert done["audio"]["output"]["format"] == {"type": "audio/pcmu"}

    stage = play(lambda: Stage("Hello to you."), story)
    deltas = [
        event["delta"] for event in stage.wire.events() if event["type"] == "response.output_audio.delta"
    ]
    said = g711.decode_mulaw(b"".join(map(base64.b64decode, deltas)))
    assert abs(len(said) / 8_000 - len(spoken("Hello to you.")) / 24_000) < 0.01


TYPED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}


# --- names and mistakes -----------------------------------------------------------------------------------


def test_names_that_nobody_knows_here_are_never_refused() -> None:
    async def story(stage: Stage) -> None:
        output = {"voice": {"id": "voice_1234"}}
        heard_by = {"transcription": {"model": "gpt-9-transcribe"}}
        session = {
            "type": "realtime",
            "model": "gpt-realtime-9",
            "audio": {"output": output, "input": heard_by},
        }
        stage.wire.say("session.update", session=session)
        stage.wire.say("conversation.item.create", item=TYPED)
        stage.wire.say("response.create", response={"audio": {"output": {"voice": "shimmer"}}})
        assert (await stage.wire.until("response.done"))["response"]["status"] == "completed"

    assert "error" not in play(lambda: Stage("Hello."), story).wire.types()


IMAGE = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "x"}]}


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("input_audio_buffer.append", {"audio": "?"}, "invalid_value"),
        ("input_audio_buffer.commit", {}, "input_audio_buffer_commit_empty"),
        ("conversation.item.create", {"item": IMAGE}, "unsupported_content_type"),
        ("conversation.item.create", {"item": TYPED, "previous_item_id": "gone"}, "invalid_value"),
        ("conversation.item.retrieve", {"item_id": "gone"}, "item_retrieve_invalid_item_id"),
        ("conversation.item.delete", {"item_id": "gone"}, "item_delete_invalid_item_id"),
        (
            "conversation.item.truncate",
            {"item_id": "gone", "content_index": 0, "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
        ),
        ("response.cancel", {}, "response_cancel_not_active"),
        (
            "response.create",
            {"response": {"input": [{"type": "item_reference", "id": "x"}]}},
            "invalid_value",
        ),
        ("session.update", {"session": {"audio": {"output": {"speed": 9}}}}, "invalid_value"),
        ("session.update", {}, "missing_required_parameter"),
        ("transcription_session.update", {"session": {}}, "invalid_value"),
    ],
)
def test_every_mistake_is_one_error_that_names_the_clients_event(
    kind: str, fields: dict[str, Any], code: str
) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say(kind, event_id="c9", **fields)
        await stage.wire.until("error")
        await anyio.sleep(1)

    stage = play(lambda: Stage("Hello."), story)
    errors = [event["error"] for event in stage.wire.events() if event["type"] == "error"]
    assert [(error["code"], error["event_id"]) for error in errors] == [(code, "c9")]
    assert stage.wire.types() == ["session.created", "error"]
