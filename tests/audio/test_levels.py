"""Loudness measured and changed."""

import numpy as np
import pytest

from audio.formats import Samples
from audio.levels import (
    SILENCE_DBFS,
    dbfs,
    fade_in,
    fade_out,
    from_float,
    gain,
    quantise,
    rms,
    trim_silence,
)
from tests.support.audio_maker import join, silence, tone, white_noise

SQUARE = np.array([16384, -16384] * 100, np.int16)
NOTHING = silence(0)


def test_level_of_a_half_scale_square_wave() -> None:
    assert rms(SQUARE) == 16384
    assert dbfs(SQUARE) == pytest.approx(-6.02, abs=0.01)
    assert dbfs(np.array([-32768], np.int16)) == 0


@pytest.mark.parametrize("samples", [silence(20), NOTHING])
def test_silence_has_a_level(samples: Samples) -> None:
    assert rms(samples) == 0
    assert dbfs(samples) == SILENCE_DBFS


def test_gain_amplifies_attenuates_and_clips() -> None:
    assert gain(SQUARE, -6.0206)[:2].tolist() == [8192, -8192]
    assert gain(SQUARE, 40)[:2].tolist() == [32767, -32768]
    assert dbfs(gain(tone(440, 100, -20), 6)) == pytest.approx(-14, abs=0.01)


def test_quantise_rounds_and_clips() -> None:
    assert quantise(np.array([0.4, 0.6, -0.6, 40_000, -40_000])).tolist() == [0, 1, -1, 32767, -32768]


def test_floats_of_models_become_samples() -> None:
    values = np.array([0.5, -1.0, 1.0, np.nan, np.inf, -np.inf], np.float32)
    assert from_float(values).tolist() == [16384, -32768, 32767, 0, 32767, -32768]
    assert values[0] == 0.5, "the caller's array is left alone"


def test_fades_are_linear_and_leave_the_rest_alone() -> None:
    flat = np.full(8, 1000, np.int16)
    assert fade_in(flat, 4).tolist() == [0, 250, 500, 750, 1000, 1000, 1000, 1000]
    assert fade_out(flat, 4).tolist() == [1000, 1000, 1000, 1000, 750, 500, 250, 0]
    assert flat.tolist() == [1000] * 8


def test_fades_of_less_than_their_length_go_all_the_way() -> None:
    assert fade_in(np.full(2, 1000, np.int16), 4).tolist() == [0, 500]
    assert fade_out(np.full(2, 1000, np.int16), 4).tolist() == [500, 0]
    assert fade_out(NOTHING, 4).tolist() == fade_in(NOTHING, 0).tolist() == []


def test_trimming_keeps_a_little_of_head_and_tail() -> None:
    clip = join([silence(300), tone(440, 500), silence(490)])
    trimmed = trim_silence(clip, 16_000, head_ms=20, tail_ms=100)
    assert len(trimmed) / 16 == pytest.approx(20 + 500 + 100, abs=10)
    assert np.shares_memory(trimmed, clip)


def test_trimming_is_exact_to_its_5_ms_at_any_rate() -> None:
    clip = np.concatenate((silence(100, 48_000), np.full(4_800, 1_000, np.int16), silence(100, 48_000)))
    trimmed = trim_silence(clip, 48_000, head_ms=20, tail_ms=40)
    assert trimmed.tolist() == clip[4_800 - 960 : 9_600 + 1_920].tolist()


def test_trimming_hears_a_last_bit_shorter_than_5_ms() -> None:
    clip = np.array([0] * 80 + [200] * 3, np.int16)
    assert trim_silence(clip, 16_000, head_ms=0).tolist() == [200] * 3


def test_trimming_leaves_silence_within_and_hiss_below_the_floor_alone() -> None:
    spoken = join([tone(440, 100), tone(440, 100)], pause_ms=400)
    clip = np.concatenate((white_noise(500, -60), spoken, white_noise(500, -60, seed=1)))
    assert len(trim_silence(clip, 16_000, head_ms=0, tail_ms=0)) / 16 == pytest.approx(600, abs=10)


def test_there_is_nothing_to_keep_of_silence() -> None:
    assert len(trim_silence(white_noise(300, -60), 16_000)) == 0
    assert len(trim_silence(NOTHING, 16_000)) == 0


def test_what_is_loud_to_its_edges_is_not_trimmed() -> None:
    loud = tone(440, 103)
    assert len(trim_silence(loud, 16_000)) == len(loud)
