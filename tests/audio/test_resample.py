"""Resampling as a stream: the same for every cut, in tune, in time, and silent in silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.formats import RATES_HZ, SPEECH_HZ
from audio.levels import dbfs
from audio.resample import Resampler
from tests.support.audio_maker import cuts, join, silence, tone, voice, white_noise

PAIRS = [(a, b) for a in RATES_HZ for b in RATES_HZ if a != b]


@given(data=st.data(), pair=st.sampled_from(PAIRS), ms=st.integers(0, 120), seed=st.integers(0, 9))
@settings(max_examples=60)
def test_any_cut_gives_the_same_samples(
    data: st.DataObject, pair: tuple[int, int], ms: int, seed: int
) -> None:
    samples = white_noise(ms, dbfs=-6, seed=seed, rate_hz=pair[0])
    whole = Resampler(*pair).process(samples, last=True)
    resampler = Resampler(*pair)
    cut = [resampler.process(samples[piece]) for piece in data.draw(cuts(len(samples)))]
    rest = resampler.process(samples[:0], last=True)
    assert np.array_equal(np.concatenate([*cut, rest]), whole)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_every_stream_is_as_long_as_its_input(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    for n in (0, 1, 2, 441, 479, 480, 5001):
        out = resampler.process(np.zeros(n, np.int16), last=True)
        assert abs(len(out) - n * to_hz / from_hz) <= 0.5, "and each flush begins a new stream"


@pytest.mark.parametrize("from_hz", [hz for hz in RATES_HZ if hz != SPEECH_HZ])
def test_a_tone_keeps_its_pitch_level_and_moment(from_hz: int) -> None:
    heard = Resampler(from_hz, SPEECH_HZ).process(tone(1000, 300, rate_hz=from_hz), last=True)
    middle = slice(1600, 3200)
    error = heard[middle].astype(float) - tone(1000, 300)[middle]
    assert np.abs(error).max() <= 0.005 * 32768 * 10 ** (-20 / 20), (
        "a delay of a sample would be an error of 0.5"
    )


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    assert (
        dbfs(Resampler(48_000, 16_000).process(tone(12_000, 300, rate_hz=48_000), last=True)[800:-800]) < -80
    )


def test_loud_audio_is_clipped_and_does_not_wrap() -> None:
    square = np.where(tone(100, 200, rate_hz=24_000) >= 0, 32767, -32768).astype(np.int16)
    heard = Resampler(24_000, 16_000).process(square, last=True).astype(int)
    assert np.abs(np.diff(np.sign(heard))).sum() <= 2 * 2 * 100 * 0.2 + 2
    assert heard.max() == 32767


def test_silence_stays_silent() -> None:
    assert not Resampler(24_000, 16_000).process(silence(100, 24_000), last=True).any()


def test_equal_rates_hand_the_input_through() -> None:
    samples = voice(20)
    resampler = Resampler(16_000, 16_000)
    assert resampler.process(samples) is samples
    assert resampler.process(samples[:0], last=True).tolist() == []


def test_speech_survives_the_way_up_and_down() -> None:
    spoken = join([voice(300)])
    up = Resampler(16_000, 24_000).process(spoken, last=True)
    back = Resampler(24_000, 16_000).process(up, last=True)
    assert dbfs((back.astype(int) - spoken).astype(np.int16)) < dbfs(spoken) - 40
