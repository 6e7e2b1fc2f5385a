"""voice.v1 by itself: what its clients say, and what they are told."""

import base64
import json

import pytest

from audio.formats import AudioFormat, Encoding
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.voice.dialect import VoiceDialect
from server.dialects.voice.frames import Stream, pack_frame, unpack_frame
from server.domain.commands import AppendAudio, CommitAudio, Configure
from server.domain.errors import ClientError
from server.domain.events import ResponseAudio
from server.domain.values import Response, SessionConfig
from server.domain.voice_events import (
    Ping,
    Played,
    Pong,
    ProviderUse,
    TurnEnded,
    TurnTimed,
    VoiceFlushed,
    VoiceHeld,
    WordsTimed,
)
from stages.ports import WordTime


def dialect(config: SessionConfig | None = None, limits: RealtimeLimits | None = None) -> VoiceDialect:
    return VoiceDialect(RealtimeDialect(config or SessionConfig(), limits), limits)


def microphone(offset: int, data: bytes = bytes(960), *, epoch: int = 0) -> bytes:
    return pack_frame(Stream.MICROPHONE, epoch, offset, data)


def append(data: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()})


def heard(voice: VoiceDialect, frame: str | bytes) -> AppendAudio:
    command = voice.decode(frame)
    assert isinstance(command, AppendAudio)
    return command


def refused(voice: VoiceDialect, frame: str | bytes) -> ClientError:
    with pytest.raises(ClientError) as caught:
        voice.decode(frame)
    return caught.value


def told(event: object) -> dict[str, object]:
    (frame,) = dialect().encode(event)  # type: ignore[arg-type]  # any event
    assert isinstance(frame, str)
    fields: dict[str, object] = json.loads(frame)
    assert str(fields.pop("event_id")).startswith("event_")
    return fields


# --- from the client --------------------------------------------------------------------------------------


def test_frames_of_the_microphone_are_audio() -> None:
    voice = dialect()
    assert heard(voice, microphone(0, b"\1\2" * 480)) == AppendAudio(b"\1\2" * 480)
    assert heard(voice, microphone(480)).problem is None


@pytest.mark.parametrize("offset", [0, 479, 481, 4_000_000_000])
def test_a_gap_is_told_of_and_heard_all_the_same(offset: int) -> None:
    voice = dialect()
    heard(voice, microphone(0))
    command = heard(voice, microphone(offset, b"\7\7"))
    assert command.data == b"\7\7"
    assert command.problem is not None
    assert (command.problem.code, command.problem.param) == ("audio_gap", "frame.offset")
    assert "480 was expected" in command.problem.message
    assert heard(voice, microphone(offset + 1)).problem is None, "a gap is told of once"


def test_audio_in_base64_counts_too_even_when_it_cuts_samples() -> None:
    voice = dialect()
    heard(voice, append(bytes(3)))
    heard(voice, append(bytes(1)))
    assert heard(voice, microphone(2)).problem is None


def test_the_offset_counts_samples_of_the_configured_format() -> None:
    voice = dialect(SessionConfig(input_format=AudioFormat(Encoding.PCMU, 8_000)))
    heard(voice, microphone(0, bytes(161)))
    assert heard(voice, microphone(161, bytes(160))).problem is None


def test_the_offset_wraps() -> None:
    voice = dialect()
    heard(voice, microphone((1 << 32) - 480))
    assert heard(voice, microphone(0)).problem is None


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        (b"", "frame.header"),
        (pack_frame(Stream.ANSWER, 0, 0, b"\0\0"), "frame.stream"),
        (microphone(0, epoch=1), "frame.epoch"),
        (microphone(0, bytes(3)), "frame.data"),
        (microphone(0, bytes(66)), "frame.data"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said(frame: bytes, param: str) -> None:
    error = refused(dialect(limits=RealtimeLimits(max_audio_bytes=64)), frame)
    assert (error.code, error.param) == ("invalid_frame", param)


def test_what_was_played_is_a_command() -> None:
    frame = {"type": "x_playback", "item_id": "item_1", "played_samples": 4800, "event_id": "mine"}
    assert dialect().decode(json.dumps(frame)) == Played("item_1", 4800, None, "mine")
    assert dialect().decode(json.dumps({**frame, "underruns": 2})) == Played("item_1", 4800, 2, "mine")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "item_id"),
        ({"item_id": "i"}, "played_samples"),
        ({"item_id": "i", "played_samples": -1}, "played_samples"),
        ({"item_id": "i", "played_samples": 1.5}, "played_samples"),
        ({"item_id": "i", "played_samples": 1 << 32}, "played_samples"),
        ({"item_id": "i", "played_samples": 1, "underruns": "2"}, "underruns"),
        ({"item_id": "", "played_samples": 1}, "item_id"),
    ],
)
def test_what_is_wrong_with_a_report_is_said(fields: dict[str, object], param: str) -> None:
    error = refused(dialect(), json.dumps({"type": "x_playback", "event_id": "mine", **fields}))
    assert (error.param, error.ref) == (param, "mine")


def test_everything_else_is_realtime() -> None:
    voice = dialect()
    assert voice.decode('{"type": "input_audio_buffer.commit"}') == CommitAudio()
    update = {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}},
    }
    command = voice.decode(json.dumps(update))
    assert isinstance(command, Configure)
    assert heard(voice, microphone(0, bytes(3))).data == bytes(3), "a byte is a sample now"
    assert refused(voice, "[]").code == "invalid_event"


def test_realtime_itself_knows_nothing_of_it() -> None:
    plain = RealtimeDialect(SessionConfig())
    with pytest.raises(ClientError, match="x_playback"):
        plain.decode('{"type": "x_playback", "item_id": "i", "played_samples": 1}')
    with pytest.raises(ClientError, match="Binary frames"):
        plain.decode(microphone(0))
    assert plain.encode(VoiceFlushed(1)) == []
    assert plain.encode(VoiceHeld("duck")) == []
    assert plain.encode(WordsTimed("item_1", (WordTime("It", 0, 90),))) == []


# --- to the client ----------------------------------------------------------------------------------------


def test_speech_leaves_without_json() -> None:
    event = ResponseAudio(Response("resp_1"), "item_1", b"\1\2\3\4", epoch=7, offset_samples=2400)
    (frame,) = dialect().encode(event)
    assert isinstance(frame, bytes)
    assert unpack_frame(frame) == (Stream.ANSWER, 7, 2400, b"\1\2\3\4")


@pytest.mark.parametrize("how", ["duck", "pause", "resume"])
def test_the_voice_is_held_by_events_of_its_own(how: str) -> None:
    assert told(VoiceHeld(how)) == {"type": f"x_{how}"}  # type: ignore[arg-type]  # any of the three


def test_a_flush_names_the_new_epoch() -> None:
    assert told(VoiceFlushed(3)) == {"type": "x_flush", "epoch": 3}


def test_words_are_told_with_their_places() -> None:
    words = (WordTime("It", 0, 90), WordTime(" is\n", 100, 200))
    assert told(WordsTimed("item_1", words)) == {
        "type": "x_words",
        "item_id": "item_1",
        "words": [
            {"text": "It", "start_sample": 0, "end_sample": 90},
            {"text": " is\n", "start_sample": 100, "end_sample": 200},
        ],
    }


def test_a_turn_is_told_of_with_all_its_fields() -> None:
    event = TurnEnded(2, 1, "item_1", "semantic", 420, True, 180, "passed", "concierge", "speech")
    assert told(event) == {
        "type": "x_turn",
        "turn": 2,
        "revision": 1,
        "item_id": "item_1",
        "ended_by": "semantic",
        "silence_ms": 420,
        "speculated": True,
        "saved_ms": 180,
        "guard": "passed",
        "route": "concierge",
        "interrupted_by": "speech",
    }


def test_only_steps_that_happened_are_in_the_metrics() -> None:
    use = ProviderUse("llm", "openai", None, "rate", hedge=False)
    event = TurnTimed(2, "resp_1", {"speech_end": 0, "endpoint": 420, "first_audio": 610}, (use,))
    assert told(event) == {
        "type": "x_metrics",
        "turn": 2,
        "response_id": "resp_1",
        "ms": {"speech_end": 0, "endpoint": 420, "first_audio": 610},
        "providers": [
            {"kind": "llm", "provider": "openai", "first_ms": None, "error": "rate", "hedge": False}
        ],
    }


def test_a_ping_and_its_answer() -> None:
    assert dialect().decode('{"type": "x_ping", "event_id": "mine"}') == Ping("mine")
    (frame,) = dialect().encode(Pong())
    assert json.loads(frame)["type"] == "x_pong"
    with pytest.raises(ClientError):
        RealtimeDialect(SessionConfig()).decode('{"type": "x_ping"}')


def test_whoever_misspells_a_type_is_told_those_of_this_dialect_too() -> None:
    message = refused(dialect(), json.dumps({"type": "x_playbck"})).message
    assert "x_playback, x_ping" in message
    assert "response.create" in message


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(microphone(480), id="a gap"),
        pytest.param(microphone(0, epoch=1), id="an epoch"),
        pytest.param(pack_frame(Stream.ANSWER, 0, 0, bytes(960)), id="an answer"),
        pytest.param(microphone(0, bytes(961)), id="half a sample"),
        pytest.param(microphone(0, bytes(2_000)), id="too much"),
        pytest.param(b"", id="nothing"),
        pytest.param('{"type": "x_ping"}', id="text"),
    ],
)
def test_what_is_no_usual_audio_is_left_as_it_was(frame: str | bytes) -> None:
    voice = dialect(limits=RealtimeLimits(max_audio_bytes=1_000))
    assert voice.usual_audio(frame) is None
    assert voice.usual_audio(microphone(0, b"ab")) == b"ab"
    assert heard(voice, microphone(1)) == AppendAudio(bytes(960)), "what came is counted"


def test_audio_in_text_is_usual_too_and_counted() -> None:
    voice = dialect()
    assert voice.usual_audio(append(bytes(961))) == bytes(961)
    assert voice.usual_audio(append(bytes(3))) == bytes(3), "the other half of its last sample leads it"
    assert voice.usual_audio(microphone(482, b"ab")) == b"ab"
