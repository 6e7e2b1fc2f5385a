"""Utterances out of scores, in literal samples, and what holds for any scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.endpoint import (
    Endpointer,
    EndpointEvent,
    EndReason,
    SoftEnd,
    SpeechEnded,
    SpeechResumed,
    SpeechStarted,
)
from audio.endpoint_config import LIMITS, EndpointConfig
from audio.errors import SettingError

FRAME = 320
"""20 ms at 16 kHz, so 50 frames are a second and 16 samples a millisecond."""


def _push(endpointer: Endpointer, score: float, frames: int) -> list[EndpointEvent]:
    events = [endpointer.push(score, FRAME) for _ in range(frames)]
    return [event for event in events if event is not None]


def _play(endpointer: Endpointer, *stretches: tuple[float, int]) -> list[EndpointEvent]:
    return [event for score, frames in stretches for event in _push(endpointer, score, frames)]


def test_an_utterance_has_pre_roll_and_trailing_silence() -> None:
    events = _play(Endpointer(EndpointConfig()), (0.0, 50), (1.0, 30), (0.0, 40))
    assert events == [
        SpeechStarted(start_sample=16_000 - 4_800, onset_sample=16_000),
        SpeechEnded(end_sample=25_600 + 8_000, last_voiced_sample=25_600),
    ]


def test_speech_starts_once_it_has_lasted_long_enough() -> None:
    endpointer = Endpointer(EndpointConfig(min_speech_ms=100))
    assert _push(endpointer, 1.0, 4) == []
    assert _push(endpointer, 1.0, 1) == [SpeechStarted(0, 0)]
    assert endpointer.is_speaking
    assert endpointer.position == 5 * FRAME


def test_an_utterance_may_be_as_short_as_its_onset() -> None:
    events = _play(Endpointer(EndpointConfig()), (0.0, 40), (1.0, 5), (0.0, 25))
    assert events[1:] == [SpeechEnded(70 * FRAME, 45 * FRAME)]


def test_without_a_minimum_one_frame_is_speech() -> None:
    assert _play(Endpointer(EndpointConfig(min_speech_ms=0)), (0.0, 1), (1.0, 1)) == [SpeechStarted(0, FRAME)]


def test_a_click_is_no_speech_and_leaves_nothing_behind() -> None:
    endpointer = Endpointer(EndpointConfig(prefix_padding_ms=0))
    assert _play(endpointer, (1.0, 3), (0.0, 3), (1.0, 4)) == []
    assert _push(endpointer, 1.0, 1) == [SpeechStarted(6 * FRAME, 6 * FRAME)]


def test_one_weak_frame_in_a_word_costs_two_frames() -> None:
    endpointer = Endpointer(EndpointConfig(prefix_padding_ms=0))
    assert _play(endpointer, (1.0, 3), (0.0, 1), (1.0, 2)) == []
    assert _push(endpointer, 1.0, 1) == [SpeechStarted(0, 0)]


def test_an_onset_that_never_decides_is_given_up() -> None:
    endpointer = Endpointer(EndpointConfig(prefix_padding_ms=0, min_speech_ms=100))
    assert _play(endpointer, (1.0, 2), *[(0.0, 1), (1.0, 1)] * 9) == []
    # 20 frames are four times the minimum: what is voiced from now on is a new onset.
    assert _push(endpointer, 1.0, 5) == [SpeechStarted(20 * FRAME, 20 * FRAME)]


def test_speech_goes_on_below_the_threshold_but_does_not_begin_there() -> None:
    assert _play(Endpointer(EndpointConfig(threshold=0.5)), (0.4, 100)) == []
    events = _play(Endpointer(EndpointConfig(threshold=0.5)), (0.5, 5), (0.36, 100), (0.34, 25))
    assert events[1:] == [SpeechEnded(130 * FRAME, 105 * FRAME)]


def test_a_pause_shorter_than_the_silence_is_part_of_the_utterance() -> None:
    endpointer = Endpointer(EndpointConfig(silence_duration_ms=500))
    assert len(_play(endpointer, (1.0, 10), (0.0, 24), (1.0, 10), (0.0, 24))) == 1
    assert _push(endpointer, 0.0, 1) == [SpeechEnded(69 * FRAME, 44 * FRAME)]


def test_pre_roll_ends_where_the_last_utterance_did() -> None:
    endpointer = Endpointer(EndpointConfig(prefix_padding_ms=2_000))
    events = _play(endpointer, (1.0, 10), (0.0, 25), (0.0, 10), (1.0, 5))
    assert events[1:] == [
        SpeechEnded(35 * FRAME, 10 * FRAME),
        SpeechStarted(start_sample=35 * FRAME, onset_sample=45 * FRAME),
    ]


def test_an_utterance_without_end_is_ended_and_the_next_follows_without_a_gap() -> None:
    events = _play(Endpointer(EndpointConfig(max_utterance_ms=10_000)), (1.0, 505))
    assert events == [
        SpeechStarted(0, 0),
        SpeechEnded(160_000, 160_000, EndReason.TOO_LONG),
        SpeechStarted(160_000, 160_000),
    ]


def test_the_client_may_end_an_utterance() -> None:
    endpointer = Endpointer(EndpointConfig())
    _push(endpointer, 1.0, 10)
    endpointer.skip(100)
    assert endpointer.end() == SpeechEnded(10 * FRAME + 100, 10 * FRAME, EndReason.COMMITTED)
    assert not endpointer.is_speaking


def test_nobody_may_end_an_utterance_that_is_not() -> None:
    with pytest.raises(AssertionError):
        Endpointer(EndpointConfig()).end()


def test_reset_goes_back_to_silence_and_is_not_reached_across() -> None:
    endpointer = Endpointer(EndpointConfig())
    _push(endpointer, 1.0, 10)
    endpointer.reset()
    assert not endpointer.is_speaking
    assert _push(endpointer, 1.0, 5) == [SpeechStarted(10 * FRAME, 10 * FRAME)]


def test_a_clock_may_begin_anywhere() -> None:
    endpointer = Endpointer(EndpointConfig(), rate_hz=8_000, position=1_000)
    assert _play(endpointer, (1.0, 3)) == [SpeechStarted(1_000, 1_000)], "100 ms are 800 samples here"


def test_new_settings_hold_at_once_and_in_mid_speech() -> None:
    endpointer = Endpointer(EndpointConfig(silence_duration_ms=2_000))
    _play(endpointer, (1.0, 10), (0.0, 20))
    endpointer.reconfigure(EndpointConfig(silence_duration_ms=200))
    assert _push(endpointer, 0.0, 1) == [SpeechEnded(31 * FRAME, 10 * FRAME)]


def test_new_settings_reach_no_further_back_than_the_old_ones_did() -> None:
    endpointer = Endpointer(EndpointConfig(prefix_padding_ms=100))
    _push(endpointer, 0.0, 100)
    before = endpointer.reach_samples
    endpointer.reconfigure(EndpointConfig(prefix_padding_ms=2_000))
    assert _push(endpointer, 1.0, 5) == [SpeechStarted(100 * FRAME - before, 100 * FRAME)]


# --- soft ends ----------------------------------------------------------------------------------------------

SOFT = EndpointConfig(soft_end_ms=100)


def test_a_soft_end_comes_first_and_the_confirmed_one_where_it_always_did() -> None:
    assert _play(Endpointer(SOFT), (1.0, 10), (0.0, 25)) == [
        SpeechStarted(0, 0),
        SoftEnd(at_sample=15 * FRAME, last_voiced_sample=10 * FRAME),
        SpeechEnded(35 * FRAME, 10 * FRAME),
    ]


@pytest.mark.parametrize(("score", "frames"), [(0.1, 3), (0.19, 3), (0.2, 5), (0.3, 5), (0.0, 5)])
def test_half_of_the_silence_is_enough_for_a_soft_end_where_it_is_plain_that_there_is_no_voice(
    score: float, frames: int
) -> None:
    events = _play(Endpointer(SOFT), (1.0, 10), (score, 25))
    assert events[1:] == [
        SoftEnd(at_sample=(10 + frames) * FRAME, last_voiced_sample=10 * FRAME),
        SpeechEnded(35 * FRAME, 10 * FRAME),
    ]


def test_without_soft_ends_there_is_none_where_it_is_plain_that_there_is_no_voice() -> None:
    assert _play(Endpointer(EndpointConfig()), (1.0, 10), (0.1, 25))[1:] == [
        SpeechEnded(35 * FRAME, 10 * FRAME)
    ]


def test_a_voice_that_comes_back_revokes_it_and_says_how_long_the_pause_was() -> None:
    endpointer = Endpointer(SOFT)
    events = _play(endpointer, (1.0, 10), (0.0, 12), (1.0, 2))
    assert events[1:] == [SoftEnd(15 * FRAME, 10 * FRAME)]
    assert endpointer.is_speaking
    (resumed,) = _push(endpointer, 1.0, 1)
    assert resumed == SpeechResumed(onset_sample=22 * FRAME, last_voiced_sample=10 * FRAME)
    assert resumed.pause_samples == 12 * FRAME
    assert _push(endpointer, 0.0, 25) == [
        SoftEnd(30 * FRAME, 25 * FRAME),
        SpeechEnded(50 * FRAME, 25 * FRAME),
    ]


def test_a_click_or_a_breath_in_a_pause_revokes_nothing() -> None:
    events = _play(Endpointer(SOFT), (1.0, 10), (0.0, 6), (1.0, 2), (0.0, 4), (0.4, 5), (0.0, 8))
    assert events[1:] == [SoftEnd(15 * FRAME, 10 * FRAME), SpeechEnded(35 * FRAME, 10 * FRAME)]


def test_an_end_waits_until_it_is_known_whether_the_voice_is_back() -> None:
    endpointer = Endpointer(SOFT)
    _play(endpointer, (1.0, 10), (0.0, 23), (1.0, 2))
    assert _push(endpointer, 1.0, 1) == [SpeechResumed(33 * FRAME, 10 * FRAME)]
    _play(endpointer, (0.0, 23), (1.0, 2))
    assert _push(endpointer, 0.0, 2) == [SpeechEnded(63 * FRAME, 36 * FRAME)]


def test_a_voice_that_never_decides_does_not_hold_the_end_up_for_long() -> None:
    endpointer = Endpointer(SOFT)
    _play(endpointer, (1.0, 10), (0.0, 23))
    events = _play(endpointer, (1.0, 2), *[(0.0, 1), (1.0, 1)] * 10)
    # After 10 frames, four times what a resumption needs.
    assert events[0] == SpeechEnded(43 * FRAME, 10 * FRAME)


def test_an_end_is_put_off_while_sound_rises_out_of_the_pause_but_not_for_long() -> None:
    config = EndpointConfig(soft_end_ms=60, silence_duration_ms=400)
    calm, rising = Endpointer(config), Endpointer(config)
    for endpointer in (calm, rising):
        _play(endpointer, (1.0, 10), (0.0, 19))
    assert calm.push(0.0, FRAME) == SpeechEnded(30 * FRAME, 10 * FRAME)
    held = [rising.push(0.0, FRAME, is_rising=True) for _ in range(6)]
    assert held == [None] * 5 + [SpeechEnded(35 * FRAME, 10 * FRAME)]


def test_a_voice_that_rises_when_the_end_is_due_goes_on() -> None:
    endpointer = Endpointer(EndpointConfig(soft_end_ms=60, silence_duration_ms=400))
    _play(endpointer, (1.0, 10), (0.0, 19))
    assert endpointer.push(0.0, FRAME, is_rising=True) is None
    assert _push(endpointer, 1.0, 3) == [SpeechResumed(30 * FRAME, 10 * FRAME)]


def test_only_a_pause_is_asked_whether_sound_rises() -> None:
    endpointer = Endpointer(EndpointConfig(soft_end_ms=60))
    pausing = []
    for stretch in ((0.0, 5), (1.0, 10), (0.0, 3), (1.0, 3), (0.0, 30)):
        _play(endpointer, stretch)
        pausing.append(endpointer.is_pausing)
    assert pausing == [False, False, True, False, False]


def test_the_silence_that_confirms_may_be_shortened_in_the_pause() -> None:
    endpointer = Endpointer(SOFT)
    _play(endpointer, (1.0, 10), (0.0, 5))
    endpointer.confirm_after(200)
    assert _push(endpointer, 0.0, 5) == [SpeechEnded(20 * FRAME, 10 * FRAME)]


def test_less_silence_than_there_has_been_ends_it_at_the_next_push() -> None:
    endpointer = Endpointer(SOFT)
    _play(endpointer, (1.0, 10), (0.0, 15))
    endpointer.confirm_after(200)
    assert _push(endpointer, 0.0, 1) == [SpeechEnded(26 * FRAME, 10 * FRAME)]


def test_a_longer_silence_holds_for_one_pause() -> None:
    endpointer = Endpointer(SOFT)
    _play(endpointer, (1.0, 10), (0.0, 5))
    endpointer.confirm_after(1_000)
    assert _push(endpointer, 0.0, 40) == []
    assert _play(endpointer, (1.0, 3), (0.0, 25))[-1] == SpeechEnded(83 * FRAME, 58 * FRAME)
    _play(endpointer, (1.0, 10))
    endpointer.confirm_after(1_000)
    assert isinstance(_play(endpointer, (0.0, 50))[-1], SpeechEnded)
    assert _play(endpointer, (1.0, 10), (0.0, 25))[-1] == SpeechEnded(178 * FRAME, 153 * FRAME)


@pytest.mark.parametrize("ms", [0, 39, 10_001])
def test_a_silence_beyond_the_limits_is_refused(ms: int) -> None:
    with pytest.raises(SettingError, match=f"confirm_after is {ms}; allowed is 40 to 10000"):
        Endpointer(SOFT).confirm_after(ms)


def test_an_utterance_that_is_too_long_ends_in_a_pause_too() -> None:
    endpointer = Endpointer(EndpointConfig(soft_end_ms=100, max_utterance_ms=10_000))
    assert _play(endpointer, (1.0, 490), (0.0, 10))[1:] == [
        SoftEnd(495 * FRAME, 490 * FRAME),
        SpeechEnded(500 * FRAME, 490 * FRAME, EndReason.TOO_LONG),
    ]


# --- barge-in -----------------------------------------------------------------------------------------------


def test_while_the_agent_is_audible_speech_must_be_surer_and_longer() -> None:
    endpointer = Endpointer(
        EndpointConfig(prefix_padding_ms=0, barge_in_threshold=0.8, barge_in_min_speech_ms=200)
    )
    endpointer.agent_is_audible = True
    assert _play(endpointer, (0.79, 50), (1.0, 9), (0.0, 9)) == []
    assert _push(endpointer, 0.8, 10) == [SpeechStarted(68 * FRAME, 68 * FRAME)]
    endpointer.reset()
    endpointer.agent_is_audible = False
    assert _push(endpointer, 0.5, 5) == [SpeechStarted(78 * FRAME, 78 * FRAME)]


def test_what_is_no_voice_elsewhere_is_none_over_the_agent() -> None:
    endpointer = Endpointer(EndpointConfig(threshold=0.9))
    endpointer.agent_is_audible = True
    assert _play(endpointer, (0.89, 50), (0.9, 4)) == []
    assert len(_push(endpointer, 0.9, 1)) == 1


def test_a_barge_in_may_be_shorter_than_an_ordinary_beginning_and_is_reached_back_for_all_the_same() -> None:
    endpointer = Endpointer(EndpointConfig(min_speech_ms=200, barge_in_min_speech_ms=20))
    assert endpointer.reach_samples == 4_800 + 4 * 3_200
    endpointer.agent_is_audible = True
    assert _play(endpointer, (0.0, 20), (1.0, 1)) == [SpeechStarted(20 * FRAME - 4_800, 20 * FRAME)]


# --- configuration and properties ----------------------------------------------------------------------------


def test_all_faults_of_a_configuration_are_named_at_once() -> None:
    with pytest.raises(SettingError) as error:
        EndpointConfig(threshold=0, prefix_padding_ms=300, silence_duration_ms=-1)
    assert str(error.value) == (
        "threshold is 0; allowed is 0.01 to 1.0; silence_duration_ms is -1; allowed is 40 to 10000"
    )


def test_every_field_has_limits_and_its_default_keeps_them() -> None:
    assert list(LIMITS) == list(EndpointConfig.__dataclass_fields__)
    EndpointConfig()


configs = st.builds(
    EndpointConfig,
    threshold=st.floats(0.01, 1),
    prefix_padding_ms=st.integers(0, 2_000),
    silence_duration_ms=st.integers(40, 1_000),
    min_speech_ms=st.integers(0, 400),
    max_utterance_ms=st.just(10_000),
    soft_end_ms=st.just(0) | st.integers(1, 1_000),
    barge_in_min_speech_ms=st.integers(0, 400),
)
stretches = st.lists(
    st.tuples(st.floats(0, 1), st.integers(1, 5_000), st.integers(1, 30), st.booleans()),
    min_size=1,
    max_size=30,
)


@pytest.mark.no_cover
@given(config=configs, stretches=stretches)
def test_events_keep_their_order_and_their_numbers_grow(
    config: EndpointConfig, stretches: list[tuple[float, int, int, bool]]
) -> None:
    endpointer = Endpointer(config)
    started: SpeechStarted | None = None
    paused: SoftEnd | None = None
    ended_sample = 0
    for score, n_samples, times, agent_is_audible in stretches:
        endpointer.agent_is_audible = agent_is_audible
        for _ in range(times):
            before = endpointer.position
            event = endpointer.push(score, n_samples)
            match event:
                case SpeechStarted(start_sample=start, onset_sample=onset):
                    assert started is None
                    assert max(ended_sample, before - endpointer.reach_samples) <= start <= onset <= before
                    assert onset - start <= config.prefix_padding_ms * 16
                    started = event
                case SoftEnd(at_sample=at, last_voiced_sample=voiced):
                    assert started is not None
                    assert paused is None
                    assert started.onset_sample < voiced < at == endpointer.position
                    is_plain = 0 < score < config.threshold * 0.4
                    assert at - voiced >= config.soft_end_ms * (8 if is_plain else 16) > 0
                    paused = event
                case SpeechResumed(onset_sample=onset, last_voiced_sample=voiced):
                    assert paused is not None
                    assert voiced == paused.last_voiced_sample
                    assert paused.at_sample <= onset <= before
                    paused = None
                case SpeechEnded(end_sample=end, last_voiced_sample=voiced, reason=reason):
                    assert started is not None
                    assert paused is None or voiced == paused.last_voiced_sample
                    assert started.onset_sample < voiced <= end == endpointer.position
                    if reason is EndReason.SILENCE:
                        assert end - voiced >= config.silence_duration_ms * 16
                    else:
                        assert end - started.start_sample >= 160_000
                    started, paused, ended_sample = None, None, end
            assert endpointer.is_speaking == (started is not None)
            assert started is None or endpointer.position - started.start_sample < 160_000 + 5_000 + 96_000
