"""Loudness measured and changed."""

import numpy as np
import pytest

from audio.formats import Samples
from audio.levels import fade_out, from_float, quantise, rms, sounding
from tests.support.audio_maker import join, silence, tone, white_noise

SQUARE = np.array([16384, -16384] * 100, np.int16)
NOTHING = silence(0)


def test_level_of_a_half_scale_square_wave() -> None:
    assert rms(SQUARE) == 16384
    assert rms(np.array([-32768], np.int16)) == 32768


@pytest.mark.parametrize("samples", [silence(20), NOTHING])
def test_silence_has_a_level(samples: Samples) -> None:
    assert rms(samples) == 0


def test_quantise_rounds_and_clips() -> None:
    assert quantise(np.array([0.4, 0.6, -0.6, 40_000, -40_000])).tolist() == [0, 1, -1, 32767, -32768]


def test_floats_of_models_become_samples() -> None:
    values = np.array([0.5, -1.0, 1.0, np.nan, np.inf, -np.inf], np.float32)
    assert from_float(values).tolist() == [16384, -32768, 32767, 0, 32767, -32768]
    assert values[0] == 0.5, "the caller's array is left alone"


def test_a_fade_is_linear_and_leaves_the_rest_alone() -> None:
    flat = np.full(8, 1000, np.int16)
    assert fade_out(flat, 4).tolist() == [1000, 1000, 1000, 1000, 750, 500, 250, 0]
    assert flat.tolist() == [1000] * 8


def test_a_fade_of_less_than_its_length_goes_all_the_way() -> None:
    assert fade_out(np.full(2, 1000, np.int16), 4).tolist() == [500, 0]
    assert fade_out(NOTHING, 4).tolist() == []


def test_trimming_keeps_a_little_of_head_and_tail() -> None:
    clip = join([silence(300), tone(440, 500), silence(490)])
    trimmed = _trimmed(clip, 16_000, head_ms=20, tail_ms=100)
    assert len(trimmed) / 16 == pytest.approx(20 + 500 + 100, abs=10)


def test_trimming_is_exact_to_its_5_ms_at_any_rate() -> None:
    clip = np.concatenate((silence(100, 48_000), np.full(4_800, 1_000, np.int16), silence(100, 48_000)))
    trimmed = _trimmed(clip, 48_000, head_ms=20, tail_ms=40)
    assert trimmed.tolist() == clip[4_800 - 960 : 9_600 + 1_920].tolist()


def test_trimming_hears_a_last_bit_shorter_than_5_ms() -> None:
    clip = np.array([0] * 80 + [200] * 3, np.int16)
    assert _trimmed(clip, 16_000, head_ms=0).tolist() == [200] * 3


def test_trimming_leaves_silence_within_and_hiss_below_the_floor_alone() -> None:
    spoken = join([tone(440, 100), tone(440, 100)], pause_ms=400)
    clip = np.concatenate((white_noise(500, -60), spoken, white_noise(500, -60, seed=1)))
    assert len(_trimmed(clip, 16_000, head_ms=0, tail_ms=0)) / 16 == pytest.approx(600, abs=10)


def test_there_is_nothing_to_keep_of_silence() -> None:
    assert len(_trimmed(white_noise(300, -60), 16_000)) == 0
    assert len(_trimmed(NOTHING, 16_000)) == 0


def test_what_is_loud_to_its_edges_is_not_trimmed() -> None:
    loud = tone(440, 103)
    assert len(_trimmed(loud, 16_000)) == len(loud)


def _trimmed(samples: Samples, rate_hz: int, *, head_ms: int = 20, tail_ms: int = 80) -> Samples:
    return samples[sounding(samples, rate_hz, head_ms=head_ms, tail_ms=tail_ms)]
