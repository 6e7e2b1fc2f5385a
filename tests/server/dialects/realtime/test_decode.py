"""Whatever a client of the Realtime protocol sends is a command, or an error that says what is wrong."""

import base64
import binascii
import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.dialects.realtime.audio import from_base64
from server.dialects.realtime.commands import KNOWN_TYPES
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.domain import events
from server.domain.commands import AddItem, AppendAudio, CancelResponse, ClearAudio, Command, Configure, Noted
from server.domain.errors import ClientError
from server.domain.values import SessionConfig

AUDIO = bytes(range(256)) * 4
SMALL = RealtimeLimits(max_audio_bytes=1024, max_command_chars=4096)


def decoded(frame: str | bytes, limits: RealtimeLimits | None = None) -> Command | Noted:
    return RealtimeDialect(SessionConfig(), limits).decode(frame)


def refused(frame: str | bytes, limits: RealtimeLimits | None = None) -> ClientError:
    with pytest.raises(ClientError) as caught:
        decoded(frame, limits)
    return caught.value


def append(audio: object, **more: object) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio, **more})


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- audio ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 3, 959, 960, 1024])
def test_appended_audio_comes_out_as_it_went_in(size: int) -> None:
    assert decoded(append(base64_of(AUDIO[:size]))) == AppendAudio(AUDIO[:size])


def test_an_append_keeps_the_clients_event_id() -> None:
    assert decoded(append("", event_id="c1")) == AppendAudio(b"", "c1")


def test_the_order_of_keys_and_white_space_do_not_matter() -> None:
    frame = ' { "audio" : "AAAA" ,\n "event_id" : "c1", "type":"input_audio_buffer.append" } '
    assert decoded(frame) == AppendAudio(b"\0\0\0", "c1")


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param('{"type":"input_audio_buffer.append","audio":"AAAA"}', id="as JavaScript writes it"),
        pytest.param('{"type": "input_audio_buffer.append", "audio": "AAAA"}', id="as Python writes it"),
    ],
)
def test_an_append_that_is_written_as_usual_is_read_as_any_other(frame: str) -> None:
    dialect = RealtimeDialect(SessionConfig())
    assert dialect.decode(frame) == dialect.command(dialect.read(frame)) == AppendAudio(b"\0\0\0")
    for size in range(len(frame)):  # nothing that is cut off is an event
        assert refused(frame[:size]).code == "invalid_event"


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param('AAAA","audio":"BBBB"}', id="a second key"),
        pytest.param('AAAA","event_id":"c1"}', id="an id"),
        pytest.param('AA\\u0041A"}', id="an escape"),
        pytest.param('AAAA" }', id="white space"),
        pytest.param('"}', id="nothing"),
        pytest.param("AAAA" * 20_000 + '"}', id="much"),
    ],
)
@pytest.mark.parametrize("space", ["", " "], ids=["JavaScript", "Python"])
def test_an_append_that_begins_as_usual_and_goes_on_otherwise_is_read_as_any_other(
    rest: str, space: str
) -> None:
    dialect = RealtimeDialect(SessionConfig())
    frame = f'{{"type":{space}"input_audio_buffer.append",{space}"audio":{space}"{rest}'
    assert dialect.decode(frame) == dialect.command(dialect.read(frame))


@pytest.mark.parametrize("audio", ["A", "AAA", "A=AA", "AA\nAA", "AA AA", "äAAA", "_-==", "====", "😀"])
def test_wrong_base64_is_refused_and_the_field_is_named(audio: str) -> None:
    error = refused(append(audio, event_id="c1"))
    assert (error.code, error.param, error.ref) == ("invalid_value", "audio", "c1")
    assert "not base64" in error.message


@given(st.text("AB9+/=-_ \né", max_size=12) | st.binary(max_size=60).map(base64_of))
def test_base64_is_what_the_standard_library_says(audio: str) -> None:
    try:
        expected: bytes | str = binascii.a2b_base64(audio, strict_mode=True)
    except ValueError as error:
        expected = f"audio: not base64 ({error})"
    try:
        found: bytes | str = from_base64(audio, "audio", None)
    except ClientError as error:
        found = error.message
    assert found == expected


@pytest.mark.parametrize(
    ("audio", "code"), [(None, "missing_required_parameter"), (7, "invalid_type"), (["AAAA"], "invalid_type")]
)
def test_audio_that_is_not_text_is_refused(audio: object, code: str) -> None:
    error = refused(append(audio))
    assert (error.code, error.param) == (code, "audio")


def test_audio_up_to_the_limit_is_taken_and_no_more() -> None:
    assert decoded(append(base64_of(AUDIO)), SMALL) == AppendAudio(AUDIO)
    for size in (1, 2, 100, 5000):
        error = refused(append(base64_of(AUDIO + bytes(size)), event_id="c1"), SMALL)
        assert (error.code, error.param, error.ref) == ("invalid_value", "audio", "c1")
        assert "1024" in error.message


def test_the_limit_of_the_protocol_is_the_default() -> None:
    most = base64_of(bytes(15 << 20))
    command = decoded(append(most))
    assert isinstance(command, AppendAudio)
    assert len(command.data) == 15 << 20
    assert "15728640" in refused(append(most + "AAAA")).message


# --- frames that are not events ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"\x00\x01", "Binary"),
        (b'{"type": "input_audio_buffer.commit"}', "Binary"),
        ("", "not JSON"),
        ("hello", "not JSON"),
        ('{"type": "input_audio_buffer.commit"', "not JSON"),
        ('{"type": "input_audio_buffer.commit"} {}', "not JSON"),
        ("{'type': 'input_audio_buffer.commit'}", "not JSON"),
        ('{"type": NaN}', "not JSON"),
        ('{"type": -Infinity}', "not JSON"),
        ('{"a": "line\nbreak"}', "not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"input_audio_buffer.commit"', "not a JSON object"),
        ("[" * 100_000, "recursion limit"),
        ('{"a":' * 100_000, "recursion limit"),
        ('{"type": "response.cancel", "response_id": "\\ud8"}', "not JSON"),
        ('{"type": "\ud800"}', "not JSON"),
    ],
)
def test_a_frame_that_is_no_event_is_refused(frame: str | bytes, says: str) -> None:
    error = refused(frame)
    assert error.code == "invalid_event"
    assert says in error.message


def test_a_refusal_never_repeats_a_whole_frame() -> None:
    long = "x" * 100_000
    for frame in (
        long,
        json.dumps({"type": long}),
        json.dumps({"type": "conversation.item.retrieve", "item_id": long}),
        json.dumps({"type": "session.update", "session": {"tool_choice": long}}),
    ):
        assert len(refused(frame).message) < 600


def test_whole_surrogate_pairs_are_text() -> None:
    command = decoded('{"type": "response.cancel", "response_id": "\\ud83d\\ude00"}')
    assert command == CancelResponse("😀")


def test_a_key_that_comes_twice_counts_once() -> None:
    assert decoded('{"type": "x", "type": "input_audio_buffer.clear"}') == ClearAudio()


def test_only_audio_may_be_long() -> None:
    long_text = {"type": "session.update", "event_id": "c1", "session": {"instructions": "a" * 5000}}
    error = refused(json.dumps(long_text), SMALL)
    assert (error.code, error.ref) == ("invalid_event", "c1")
    assert "4096" in error.message
    many_values = {"type": "input_audio_buffer.append", "audio": "AAAA", "x": [0] * 5000}
    assert "4096" in refused(json.dumps(many_values), SMALL).message
    one_long_value = {"type": "input_audio_buffer.append", "audio": "AAAA", "x": "0" * 5000}
    heard = decoded(json.dumps(one_long_value), SMALL)
    assert isinstance(heard, AppendAudio)
    assert heard.data == b"\0\0\0"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\uDE00 cut", "\ufffd cut"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\ude00\ude00", "\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\ude00 \\ud83d \ud83d", "\U0001f600 \\ud83d \ufffd"),
    ],
)
def test_half_of_a_surrogate_pair_is_read_as_the_sign_for_what_cannot_be_read(
    escaped: str, text: str
) -> None:
    item = (
        f'{{"type": "message", "role": "user", "content": [{{"type": "input_text", "text": "{escaped}"}}]}}'
    )
    command = decoded(f'{{"type": "conversation.item.create", "event_id": "c1", "item": {item}}}')
    assert isinstance(command, AddItem)
    assert (command.item.text, command.ref) == (text, "c1")


def test_a_frame_of_nothing_but_halves_is_not_mended() -> None:
    assert refused('{"type": "' + r"\ud83d" * 30_000 + '"}').code == "invalid_event"


def test_a_long_frame_may_have_every_slash_escaped_and_not_all_its_characters() -> None:
    def frame(audio: str) -> str:
        return f'{{"type": "input_audio_buffer.append", "audio": "{audio}"}}'

    assert decoded(frame(("A" * 31 + r"\/") * (1 << 17))) == AppendAudio(
        base64.b64decode(("A" * 31 + "/") * (1 << 17))
    )
    error = refused(frame(r"\u0041" * (1 << 19)))
    assert error.code == "invalid_event"
    assert "backslash" in error.message


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"type": None}, "missing_required_parameter"),
        ({"type": 3}, "invalid_type"),
        ({"type": ["input_audio_buffer.append"]}, "invalid_type"),
        ({"type": "input_audio_buffer.apend"}, "invalid_value"),
        ({"type": "response.created"}, "invalid_value"),
    ],
)
def test_an_event_needs_a_type_that_is_known(event: dict[str, Any], code: str) -> None:
    error = refused(json.dumps({**event, "event_id": "c1"}))
    assert (error.code, error.param, error.ref) == (code, "type", "c1")


@pytest.mark.parametrize("event_id", [3, None, ["a"], "x" * 513])
def test_an_odd_event_id_is_no_reason_to_refuse(event_id: object) -> None:
    assert decoded(json.dumps({"type": "input_audio_buffer.clear", "event_id": event_id})).ref is None


# --- anything at all --------------------------------------------------------------------------------------

NAMES = [
    "type", "session", "audio", "input", "output", "format", "rate", "turn_detection", "threshold", "item",
    "content", "role", "text", "response", "metadata", "tools", "voice", "item_id", "audio_end_ms",
    "event_id", "transcription", "noise_reduction", "output_modalities", "max_output_tokens", "tool_choice",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner)
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6).flatmap(
    lambda event: st.sampled_from(KNOWN_TYPES).map(lambda kind: {**event, "type": kind})
)
FRAMES = st.text() | st.binary() | JSON.map(json.dumps) | EVENTS.map(json.dumps)


def answer(dialect: RealtimeDialect, frame: str | bytes) -> list[str | bytes]:
    """What the client is told about a frame; anything but a ClientError fails the test."""
    try:
        command = dialect.decode(frame)
    except ClientError as error:
        return dialect.encode(events.Problem(error))
    if isinstance(command, Noted):
        problems = [events.Problem(problem) for problem in command.problems]
        return [frame for problem in problems for frame in dialect.encode(problem)]
    assert isinstance(command, get_args(Command))
    if isinstance(command, Configure):
        return dialect.encode(events.SessionConfigured(command.config))
    return []


@pytest.mark.no_cover
@settings(max_examples=150)
@given(st.lists(FRAMES, min_size=1, max_size=3))
def test_any_frame_is_a_command_or_a_client_error(frames: list[str | bytes]) -> None:
    dialect = RealtimeDialect(SessionConfig())
    for frame in frames:
        for told in answer(dialect, frame):
            assert json.loads(told)["type"] in ("error", "session.updated")


@settings(max_examples=100)
@given(st.binary(max_size=2000))
def test_any_audio_comes_out_as_it_went_in(data: bytes) -> None:
    assert decoded(append(base64_of(data))) == AppendAudio(data)
