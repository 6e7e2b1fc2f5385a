"""The log-mel features: by the paper's formula worked out slowly, and by what they must look like."""

import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from stages.runtime.logmel import BANDS, FRAMES_PER_S, Floats, log_mel
from tests.support.audio_maker import clip, join, silence, tone, white_noise


def mel(hz: float) -> float:
    """Slaney's scale."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def hz_of_mel(value: float) -> float:
    return value * 200 / 3 if value < 15 else 1000 * float(np.exp(np.log(6.4) / 27 * (value - 15)))


def slow_log_mel(samples: Samples, frames: int) -> Floats:
    """The definition, one frame and one band at a time."""
    wave = np.pad(samples / 32768.0, 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    edges = [hz_of_mel(mel(8000) * step / (BANDS + 1)) for step in range(BANDS + 2)]
    bins_hz = np.arange(201) * SPEECH_HZ / 400
    levels = np.empty((BANDS, frames))
    for frame in range(frames):
        power = np.abs(np.fft.rfft(wave[160 * frame : 160 * frame + 400] * hann)) ** 2
        for band in range(BANDS):
            low, middle, high = edges[band : band + 3]
            rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
            weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
            levels[band, frame] = np.log10(max(float(weights @ power), 1e-10))
    features: Floats = ((np.maximum(levels, levels.max() - 8) + 4) / 4).astype(np.float32)
    return features


@pytest.mark.parametrize(
    "samples",
    [
        clip("cards_001").read(),
        white_noise(500, -30),
        tone(440, 500),
        join([tone(100, 200), tone(7000, 200)]),
    ],
    ids=["speech", "noise", "tone", "two-tones"],
)
def test_it_is_what_the_definition_says(samples: Samples) -> None:
    frames = len(samples) // 160
    np.testing.assert_allclose(log_mel(samples, frames), slow_log_mel(samples, frames), atol=2e-4)


@pytest.mark.parametrize("length", [0, 1, 159, 200, 201, 400, 16_000, 16_001])
@pytest.mark.parametrize("frames", [2, 100, 320])
def test_any_length_gives_as_many_frames_as_asked_for(length: int, frames: int) -> None:
    features = log_mel(white_noise(1100, -20)[:length], frames)
    assert features.shape == (BANDS, frames)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_what_is_missing_is_filled_with_the_floor_80_db_down() -> None:
    features = log_mel(tone(1000, 500), FRAMES_PER_S)
    assert features.max() - features.min() == pytest.approx(2.0)  # 8 units of log10, divided by 4
    assert (features[:, 60:] == features.min()).all()


def test_what_is_too_long_is_cut_and_changes_nothing_before() -> None:
    speech = clip("cards_001").read()
    np.testing.assert_array_equal(log_mel(speech, 50), log_mel(speech[: 50 * 160 + 400], 50))


def test_digital_silence_is_flat() -> None:
    features = log_mel(silence(1000), 100)
    np.testing.assert_allclose(features, -1.5, atol=1e-6)  # (log10(1e-10) + 4) / 4


@pytest.mark.parametrize("hz", [200, 1000, 3000, 7000])
def test_a_tone_is_in_its_band(hz: int) -> None:
    loudest = int(log_mel(tone(hz, 500), 40)[:, 20].argmax())
    assert loudest == pytest.approx(mel(hz) / mel(8000) * (BANDS + 1) - 1, abs=1.0)


def test_ten_times_the_power_is_a_quarter_more() -> None:
    soft, loud = log_mel(tone(1000, 500, -30), 40), log_mel(tone(1000, 500, -20), 40)
    assert loud.max() - soft.max() == pytest.approx(0.25, abs=0.001)
