"""Audio has a clock: it is heard in slices with a turn of the loop between them, no faster than the limit allows."""

import base64
import json

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.formats import AudioFormat, Encoding
from server.domain.values import SessionConfig, TurnDetection
from server.session.audio_pace import SLICE_S, AudioPace, bytes_per_s, slices
from server.session.reader import FRAMES_A_TURN
from stages.testing.virtual_time import virtual_loop
from tests.support.stage import Stage, play, speak, voiced

TELEPHONE = AudioFormat(Encoding.PCMU, 8_000)
FORMATS = (AudioFormat(), AudioFormat(Encoding.PCM16, 48_000), TELEPHONE)


# --- the pace itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@given(seconds=st.floats(0, 3), extra=st.binary(max_size=1))
def test_slices_are_short_and_joined_are_what_came(format: AudioFormat, seconds: float, extra: bytes) -> None:
    data = np.random.default_rng(0).bytes(int(seconds * bytes_per_s(format))) + extra
    pieces = list(slices(data, format))
    assert b"".join(pieces) == data
    assert all(len(piece) <= SLICE_S * bytes_per_s(format) for piece in pieces)


def test_somebody_in_real_time_waits_for_nothing_not_even_a_turn_of_the_loop() -> None:
    pace = AudioPace(ahead_s=10, speed=4, now=0.0)
    waits = {pace.heard(0.02, number * 0.02, is_detected=True) for number in range(5_000)}
    assert waits == {None}
    assert not pace.is_ahead(100.0)


def test_whoever_is_too_far_ahead_goes_on_at_the_speed_of_the_limit() -> None:
    pace, now, heard_s = AudioPace(ahead_s=10, speed=4, now=0.0), 0.0, 0.0
    while heard_s < 90:
        now += pace.heard(SLICE_S, now, is_detected=True) or 0.0
        heard_s += SLICE_S
    assert now == pytest.approx((90 - 10) / 4, abs=0.1)
    assert pace.is_ahead(now)


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.15)), max_size=60),
    st.floats(0.05, 3),
    st.booleans(),
)
def test_audio_that_is_free_waits_for_nothing(
    came: list[tuple[float, float]], ahead_s: float, is_detected: bool
) -> None:
    pace, now = AudioPace(ahead_s, 4, now=0.0), 0.0
    for audio_s, later_s in came:
        now += later_s
        is_free, is_ahead = pace.is_free(audio_s, now, is_detected=is_detected), pace.is_ahead(now)
        wait_s = pace.heard(audio_s, now, is_detected=is_detected)
        assert not is_free or (wait_s is None and not is_ahead)


def test_in_real_time_all_is_free() -> None:
    pace = AudioPace(ahead_s=10, speed=4, now=0.0)
    for number in range(500):
        assert pace.is_free(0.02, number * 0.02, is_detected=True)
        pace.heard(0.02, number * 0.02, is_detected=True)


def test_audio_that_no_detector_hears_costs_a_tenth() -> None:
    pace = AudioPace(ahead_s=10, speed=4, now=0.0)
    assert {pace.heard(SLICE_S, 0.0, is_detected=False) for _ in range(900)} == {0.0}


# --- a session --------------------------------------------------------------------------------------------------------


def append(data: bytes, **fields: str) -> str:
    audio = base64.b64encode(data).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio, **fields})


@pytest.mark.parametrize("detection", [TurnDetection(), None], ids=["detected", "manual"])
def test_minutes_in_one_frame_take_a_turn_of_the_loop_for_each_slice(detection: TurnDetection | None) -> None:
    async def story(stage: Stage) -> None:
        before = virtual_loop().turns
        stage.wire.say_raw(append(bytes(50 * 48_000)))
        stage.wire.say("conversation.item.retrieve", item_id="nowhere")
        await stage.wire.until("error")
        turns.append(virtual_loop().turns - before)
        times.append(virtual_loop().time())

    turns, times = list[int](), list[float]()
    play(lambda: Stage(config=SessionConfig(turn_detection=detection)), story)
    assert turns[0] >= 50 / SLICE_S
    assert times[0] == pytest.approx(0.0 if detection is None else 10.0, abs=0.1)


@pytest.mark.no_cover
def test_an_upload_of_five_minutes_is_heard_to_its_end_and_the_session_goes_on() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say_raw(append(bytes(298 * 48_000)))
        stage.wire.say_raw(append(voiced(1.0).tobytes() + bytes(48_000)))
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Yes."), story)
    started = next(event for event in stage.wire.events() if event["type"].endswith("speech_started"))
    assert started["audio_start_ms"] >= 297_000
    assert stage.wire.closed == (1000, "")


def test_more_than_one_event_may_hold_is_refused_in_seconds_and_nothing_of_it_is_heard() -> None:
    async def story(stage: Stage) -> None:
        audio = {"input": {"format": {"type": "audio/pcmu"}}}
        stage.wire.say("session.update", session={"type": "realtime", "audio": audio})
        stage.wire.say_raw(append(bytes(331 * 8_000), event_id="long"))
        await stage.wire.until("error")
        await speak(stage, 0.1)

    stage = play(Stage, story)
    error = next(event for event in stage.wire.events() if event["type"] == "error")["error"]
    assert (error["event_id"], error["param"]) == ("long", "audio")
    assert error["message"] == "audio: 331 s of audio in one event; the limit is 330 s"


def test_a_manual_turn_that_grows_too_long_is_an_error_with_the_event_that_made_it_so() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say_raw(append(bytes(90 * 48_000), event_id="A"))
        await stage.wire.until("error")
        stage.wire.say("input_audio_buffer.commit")
        await stage.wire.until("input_audio_buffer.committed")

    stage = play(lambda: Stage(config=SessionConfig(turn_detection=None)), story)
    error = next(event for event in stage.wire.events() if event["type"] == "error")["error"]
    assert (error["event_id"], error["code"]) == ("A", "input_audio_buffer_full")


def test_what_a_client_sends_after_its_audio_is_obeyed_after_it() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say_raw(append(voiced(20.0).tobytes()))
        stage.wire.say("input_audio_buffer.clear")
        await stage.wire.until("input_audio_buffer.cleared")
        assert anyio.current_time() == pytest.approx(2.5, abs=0.1)

    stage = play(Stage, story)
    types = stage.wire.types()
    assert types.index("input_audio_buffer.speech_started") < types.index("input_audio_buffer.cleared")


def test_many_small_frames_are_obeyed_a_few_in_each_turn_of_the_loop() -> None:
    async def story(stage: Stage) -> None:
        before = virtual_loop().turns
        for _ in range(1000):
            stage.wire.say_raw("")
        await stage.wire.until("error", 1000)
        turns.append(virtual_loop().turns - before)

    turns = list[int]()
    play(Stage, story)
    assert turns[0] >= 1000 / FRAMES_A_TURN
