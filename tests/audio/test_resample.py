"""Resampling as a stream: the same for every cut, in tune, in time, without delay, and silent in silence."""

import math
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.formats import RATES_HZ, SPEECH_HZ, Samples
from audio.resample import Resampler
from tests.support.audio_maker import clip, cuts, dbfs, join, silence, tone, voice, white_noise

PAIRS = [(a, b) for a in RATES_HZ for b in RATES_HZ if a != b]
_Curve = npt.NDArray[np.floating[Any]]
every_pair = pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    return Resampler(from_hz, to_hz).process(samples, last=True)


def _response(from_hz: int, to_hz: int) -> tuple[_Curve, _Curve]:
    """`(hz, gain_db)` of the filter, from what impulses leave behind at every place in its cycle.

    Impulses of four heights, because what is rounded to int16 has noise of its own near -60 dB.
    """
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    heights = (30_000, 31_003, 32_009, 32_767)
    taps = np.zeros(80 * max(up, down))
    for shift in range(down):
        for height in heights:
            impulse = np.zeros(600 + shift, np.int16)
            impulse[300 + shift] = height
            heard = _resampled(np.append(impulse, silence(100, from_hz)[:300]), from_hz, to_hz)
            (found,) = np.nonzero(heard)
            taps[found * down - (300 + shift) * up + len(taps) // 2] += heard[found]
    size = 1 << 18
    gain = np.abs(np.fft.rfft(taps / (sum(heights) * up), size))
    return np.arange(len(gain)) * (from_hz * up / size), 20 * np.log10(gain + 1e-9)


@given(data=st.data(), pair=st.sampled_from(PAIRS), ms=st.integers(0, 120), seed=st.integers(0, 9))
@settings(max_examples=60)
def test_any_cut_gives_the_same_samples(
    data: st.DataObject, pair: tuple[int, int], ms: int, seed: int
) -> None:
    samples = white_noise(ms, dbfs=-6, seed=seed, rate_hz=pair[0])
    resampler = Resampler(*pair)
    cut = [resampler.process(samples[piece]) for piece in data.draw(cuts(len(samples)))]
    rest = resampler.process(samples[:0], last=True)
    assert np.array_equal(np.concatenate([*cut, rest]), _resampled(samples, *pair))


@given(
    pair=st.sampled_from(PAIRS),
    pieces=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 400)), max_size=12),
)
@settings(max_examples=60)
def test_what_waits_because_there_is_more_than_is_wanted_comes_later_and_is_the_same(
    pair: tuple[int, int], pieces: list[tuple[int, int]]
) -> None:
    samples = white_noise(400, dbfs=-6, rate_hz=pair[0])
    resampler, heard, begin = Resampler(*pair), [], 0
    for size, most in pieces:
        piece = samples[begin : begin + size]
        due = min(most, resampler.ready(len(piece)))
        heard.append(resampler.process_bytes(piece.tobytes(), most))
        assert len(heard[-1]) == due
        begin += len(piece)
    heard.append(resampler.process(samples[begin:], last=True))
    assert np.array_equal(np.concatenate(heard), _resampled(samples, *pair))


@pytest.mark.no_cover
@every_pair
def test_sample_by_sample_gives_the_same_samples(from_hz: int, to_hz: int) -> None:
    samples = white_noise(25, dbfs=-6, rate_hz=from_hz)
    resampler = Resampler(from_hz, to_hz)
    single = [resampler.process(samples[i : i + 1]) for i in range(len(samples))]
    single.append(resampler.process(samples[:0], last=True))
    assert np.array_equal(np.concatenate(single), _resampled(samples, from_hz, to_hz))


@every_pair
def test_silence_around_a_sound_comes_out_as_if_it_had_been_worked_out(from_hz: int, to_hz: int) -> None:
    """In pieces the silence goes a shorter way; in one go, with a sound in it, it does not."""
    around = silence(73, from_hz)
    samples = np.concatenate([around, white_noise(5, dbfs=-6, rate_hz=from_hz), around])
    resampler, size = Resampler(from_hz, to_hz), from_hz // 50
    pieces = [resampler.process(samples[start : start + size]) for start in range(0, len(samples), size)]
    pieces.append(resampler.process(samples[:0], last=True))
    assert not pieces[0].any()
    assert np.array_equal(np.concatenate(pieces), _resampled(samples, from_hz, to_hz))


@every_pair
def test_every_stream_is_as_long_as_its_input(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    for n in (0, 1, 2, 441, 479, 480, 5001):
        out = resampler.process(np.zeros(n, np.int16), last=True)
        assert abs(len(out) - n * to_hz / from_hz) <= 0.5


def test_a_flush_begins_a_new_stream() -> None:
    resampler = Resampler(44_100, 16_000)
    samples = white_noise(33, dbfs=-6, rate_hz=44_100)
    resampler.process(samples)
    resampler.process(samples, last=True)
    assert np.array_equal(resampler.process(samples, last=True), _resampled(samples, 44_100, 16_000))


@every_pair
def test_output_lags_by_less_than_3_ms(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    pushes = from_hz // 20
    emitted = accumulate(len(resampler.process(np.zeros(1, np.int16))) for _ in range(pushes))
    lags_s = [n / from_hz - out / to_hz for n, out in enumerate(emitted, start=1)]
    assert max(lags_s) < 0.003
    assert min(lags_s) > -1 / to_hz, "no sample before its moment"


@pytest.mark.no_cover
@every_pair
def test_the_filter_is_flat_in_its_band_and_lets_no_alias_through(from_hz: int, to_hz: int) -> None:
    hz, gain_db = _response(from_hz, to_hz)
    relative = hz / (min(from_hz, to_hz) / 2)
    assert np.abs(gain_db[relative <= 0.84]).max() <= 0.1
    assert np.abs(gain_db[relative <= 0.87]).max() <= 1
    assert gain_db[relative >= 1].max() <= -60


@every_pair
def test_an_impulse_comes_out_at_its_moment(from_hz: int, to_hz: int) -> None:
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    impulse = np.zeros(3 * 50 * down, np.int16)
    impulse[50 * down] = 30_000
    heard = _resampled(impulse, from_hz, to_hz).astype(int)
    peak = 50 * up
    assert heard.argmax() == peak
    side = min(peak, len(heard) - peak - 1, 100)
    after, before = heard[peak : peak + side], heard[peak : peak - side : -1]
    assert np.abs(after - before).max() <= 1, "the same before and after it"


@pytest.mark.parametrize("from_hz", [hz for hz in RATES_HZ if hz != SPEECH_HZ])
def test_a_tone_keeps_its_pitch_level_and_moment(from_hz: int) -> None:
    heard = _resampled(tone(1000, 300, rate_hz=from_hz), from_hz, SPEECH_HZ)
    error = heard[1600:3200].astype(float) - tone(1000, 300)[1600:3200]
    amplitude = 32768 * 10 ** (-20 / 20)
    assert np.abs(error).max() <= 0.005 * amplitude, "a delay of a sample would be an error of 0.5"


@pytest.mark.parametrize(("from_hz", "hz"), [(48_000, 12_000), (44_100, 8_100), (24_000, 8_050)])
def test_a_tone_that_the_new_rate_cannot_hold_is_gone(from_hz: int, hz: int) -> None:
    assert dbfs(_resampled(tone(hz, 300, rate_hz=from_hz), from_hz, SPEECH_HZ)[800:-800]) < -80


@pytest.mark.no_cover
@every_pair
@pytest.mark.parametrize("level", [-32768, -1, 1, 12_345, 32767])
def test_a_constant_stays_exactly_what_it_is(from_hz: int, to_hz: int, level: int) -> None:
    heard = _resampled(np.full(from_hz // 20, level, np.int16), from_hz, to_hz)
    inside = heard[to_hz // 200 : -to_hz // 200]
    assert (inside == level).all()


def test_loud_audio_is_clipped_and_does_not_wrap() -> None:
    square = np.where(tone(100, 200, rate_hz=24_000) >= 0, 32767, -32768).astype(np.int16)
    heard = _resampled(square, 24_000, 16_000).astype(int)
    assert np.abs(np.diff(np.sign(heard))).sum() <= 2 * 2 * 100 * 0.2 + 2
    assert (heard.min(), heard.max()) == (-32768, 32767)


@every_pair
def test_silence_stays_silent(from_hz: int, to_hz: int) -> None:
    assert not _resampled(silence(100, from_hz), from_hz, to_hz).any()


def test_equal_rates_hand_the_input_through() -> None:
    samples = voice(20)
    resampler = Resampler(16_000, 16_000)
    assert resampler.process(samples) is samples
    assert resampler.process(samples[:0], last=True).tolist() == []


def test_speech_survives_the_way_up_and_down() -> None:
    spoken = join([voice(300)])
    back = _resampled(_resampled(spoken, 16_000, 24_000), 24_000, 16_000)
    assert dbfs((back.astype(int) - spoken).astype(np.int16)) < dbfs(spoken) - 40


@every_pair
def test_recorded_speech_comes_out_as_from_a_reference(from_hz: int, to_hz: int) -> None:
    """Of what the band holds at every rate, below 3.3 kHz: at the edge every filter has its own mind."""
    recording = clip("librivox_0870").read()[:48_000]
    spectrum = np.fft.rfft(recording)
    spectrum[np.fft.rfftfreq(len(recording), 1 / SPEECH_HZ) > 3_300] = 0
    spoken = soxr.resample(np.fft.irfft(spectrum), SPEECH_HZ, from_hz, quality="VHQ").astype(np.int16)
    reference = soxr.resample(spoken.astype(np.float64), from_hz, to_hz, quality="VHQ")
    heard = _resampled(spoken, from_hz, to_hz)
    error = heard[: len(reference)] - reference[: len(heard)]
    assert 10 * np.log10(np.mean(reference**2) / np.mean(error**2)) > 50
