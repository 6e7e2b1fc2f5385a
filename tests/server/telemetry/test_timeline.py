"""When the steps of a turn happened, as arithmetic on literal seconds."""

from server.telemetry.timeline import Timeline
from server.turntaking.floor import RunId


def test_zero_is_the_last_voiced_sample() -> None:
    timeline = Timeline(RunId(3, 2), 10.1, item_id="item_1", silence_ms=100)
    timeline.mark("transcript", 10.25)
    timeline.commit("semantic", 10.4)
    timeline.mark("first_audio", 10.5)
    timeline.response_id = "resp_1"
    assert timeline.timed().ms == {"speech_end": 0, "transcript": 250, "endpoint": 400, "first_audio": 500}
    ended = timeline.ended()
    assert (ended.turn, ended.revision, ended.item_id, ended.silence_ms) == (3, 2, "item_1", 400)
    assert (ended.speculated, ended.saved_ms) == (True, 300)


def test_where_nobody_spoke_zero_is_the_request() -> None:
    timeline = Timeline(RunId(1, 1), 5.0)
    timeline.commit("client", 5.0)
    timeline.mark("first_token", 5.02)
    assert timeline.timed().ms == {"first_token": 20}
    ended = timeline.ended()
    assert (ended.silence_ms, ended.speculated, ended.saved_ms) == (None, False, 0)


def test_the_first_mark_counts_unless_it_was_taken_back() -> None:
    timeline = Timeline(RunId(1, 1), 0.0)
    timeline.mark("first_token", 0.1)
    timeline.mark("first_token", 0.2)
    assert timeline.timed().ms == {"first_token": 100}
    timeline.unmark("first_token")
    timeline.mark("first_token", 0.3)
    assert timeline.timed().ms == {"first_token": 300}


def test_nothing_is_heard_before_it_was_sent() -> None:
    timeline = Timeline(RunId(1, 1), 0.0)
    timeline.mark("heard", 0.4)
    assert timeline.timed().ms == {"heard": 400}
    timeline.mark("first_audio", 0.5)
    assert list(timeline.timed().ms.items()) == [("first_audio", 500), ("heard", 500)]


def test_the_ending_is_one_word() -> None:
    timeline = Timeline(RunId(1, 1), 0.0)
    assert timeline.ending == "failed"
    timeline.status = "completed"
    assert timeline.ending == "completed"
    timeline.guard = "blocked"
    assert timeline.ending == "blocked"
    timeline.interrupted_by = "speech"
    assert timeline.ending == "interrupted_by_speech"


def test_an_answer_ends_once() -> None:
    timeline = Timeline(RunId(1, 1), 0.0)
    timeline.end("completed")
    timeline.end("cancelled")
    assert timeline.ending == "completed"


def test_the_line_for_the_log_has_the_steps_in_order() -> None:
    timeline = Timeline(RunId(2, 1), 1.0, item_id="item_1", silence_ms=96)
    timeline.commit("silence", 1.404)
    timeline.status = "completed"
    assert timeline.line() == (
        "turn 2.1 completed, ended by silence, saved 404 ms; ms: speech_end=0 endpoint=500"
    )
