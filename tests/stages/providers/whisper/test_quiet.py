"""Speech and quiet by level: on sounds whose edges are known to the sample, and on recordings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.formats import SPEECH_HZ, Samples
from audio.levels import quantise
from stages.providers.whisper.quiet import (
    FRAME_SAMPLES,
    frame_levels,
    loud_frames,
    quietest_sample,
    speech_span,
)
from tests.support.audio_maker import clips, join, mix, silence, tone, voice, white_noise


def span_ms(samples: Samples) -> tuple[int, int] | None:
    span = speech_span(frame_levels(samples))
    return span and (span[0] * 20, span[1] * 20)


def click(ms: int, at_ms: int) -> Samples:
    samples = silence(ms)
    samples[at_ms * 16 : at_ms * 16 + 32] = 30_000
    return samples


def test_levels_are_dbfs_of_frames_of_20_ms() -> None:
    levels = frame_levels(join([tone(1000, 40, -20), silence(30)]))
    assert levels.dtype == np.float32
    np.testing.assert_allclose(levels[:2], -20, atol=0.5)
    np.testing.assert_allclose(levels[2:], [-120], atol=1e-3)  # and the last 10 ms are not measured


@pytest.mark.parametrize("samples", [silence(0), silence(10), silence(1000), white_noise(1000, -75)])
def test_where_nothing_is_loud_there_is_no_speech(samples: Samples) -> None:
    assert span_ms(samples) is None
    assert not loud_frames(frame_levels(samples)).any()


@pytest.mark.parametrize("speech_dbfs", [-15, -30, -45])
@pytest.mark.parametrize("below_db", [200, 40, 32])
def test_speech_is_found_in_quiet_however_loud_it_is(speech_dbfs: int, below_db: int) -> None:
    samples = np.concatenate([silence(500), voice(1000, speech_dbfs), silence(700)])
    if below_db < 100:
        samples = mix(samples, white_noise(2200, speech_dbfs - below_db))
    span = span_ms(samples)
    assert span is not None
    assert span == pytest.approx((500, 1500), abs=40)


def test_where_there_is_no_silence_to_measure_all_is_speech() -> None:
    assert span_ms(voice(1000)) == (0, 1000)
    assert span_ms(mix(np.concatenate([voice(600), silence(600)]), white_noise(1200, -35))) == (0, 1200)


def test_a_click_does_not_hide_the_words_after_it() -> None:
    assert span_ms(np.concatenate([click(300, 100), voice(1000, -35), silence(400)])) == (100, 1300)


def test_a_soft_end_belongs_to_the_speech() -> None:
    fading = np.concatenate([voice(1000, -20), voice(200, -45), silence(500)])
    assert span_ms(fading) == (0, 1200)


def test_what_is_far_below_the_speech_is_quiet_though_above_the_noise() -> None:
    breath = np.concatenate([voice(1000, -15), silence(100), white_noise(200, -60), silence(500)])
    assert span_ms(breath) == (0, 1000)


def test_the_pause_is_where_the_cut_is() -> None:
    samples = np.concatenate([voice(2000), silence(300), voice(2000)])
    assert quietest_sample(samples, 0, len(samples)) in range(2000 * 16, 2300 * 16)


def test_of_equal_pauses_the_last_is_cut() -> None:
    samples = np.concatenate([voice(1000), silence(300), voice(1000), silence(300), voice(1000)])
    assert quietest_sample(samples, 0, len(samples)) in range(2300 * 16, 2600 * 16)


def test_the_longest_quiet_counts_and_not_one_frame() -> None:
    samples = np.concatenate([voice(1000), silence(20), voice(1000), white_noise(300, -50), voice(1000)])
    assert quietest_sample(samples, 0, len(samples)) in range(2020 * 16, 2320 * 16)


def test_there_is_always_a_cut() -> None:
    assert quietest_sample(silence(1000), 800, 1600) == 1600  # too short for a pause
    everywhere = quietest_sample(silence(1000), 0, SPEECH_HZ)
    assert 0 < everywhere <= SPEECH_HZ


@given(st.integers(0, 2**32 - 1), st.integers(0, 3000), st.floats(-80, -5))
@settings(max_examples=50, derandomize=True)
def test_a_span_lies_in_the_audio_and_begins_and_ends_loud(seed: int, ms: int, dbfs: float) -> None:
    samples = white_noise(ms, dbfs, seed)
    levels = frame_levels(samples)
    span = speech_span(levels)
    assert len(levels) == len(samples) // FRAME_SAMPLES
    if span is not None:
        first, end = span
        assert 0 <= first < end <= len(levels)
        assert loud_frames(levels)[[first, end - 1]].all()


@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_what_is_left_out_of_recordings_is_30_db_below_their_speech_or_inaudible(gain: float) -> None:
    left_out = 0
    for recording in clips():
        levels = frame_levels(quantise(recording.read() * gain))
        span = speech_span(levels)
        assert span is not None, recording.file
        outside = np.concatenate([levels[: span[0]], levels[span[1] :]])
        left_out += len(outside)
        assert outside.max(initial=-120) <= max(-70, np.percentile(levels, 90) - 30), recording.file
    assert left_out > 50
