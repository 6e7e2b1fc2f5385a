"""What sounds like speech to the detector, and what does not, frame by frame."""

from collections.abc import Callable

import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from audio.framing import Framer
from audio.vad import Vad, WebRtcVad
from tests.support.audio_maker import brown_noise, clips, silence, tone, voice, white_noise

Noise = Callable[[int, float, int], Samples]


def _scores(samples: Samples, vad: Vad | None = None) -> list[float]:
    vad = vad or WebRtcVad()
    return [vad.score(frame) for frame in Framer(vad.frame_samples).push(samples)]


def test_it_takes_20_ms_at_16_khz() -> None:
    assert (WebRtcVad().rate_hz, WebRtcVad().frame_samples) == (SPEECH_HZ, 320)


def test_the_louder_a_voice_the_higher_it_scores() -> None:
    assert min(_scores(voice(400))) > 0.9
    assert 0.5 < min(_scores(voice(60, dbfs=-48))) < 0.9
    assert max(_scores(voice(400, dbfs=-75))) == 0


@pytest.mark.parametrize("samples", [silence(1000), white_noise(1000, -70)], ids=["silence", "faint hiss"])
def test_what_is_too_quiet_scores_nothing(samples: Samples) -> None:
    assert set(_scores(samples)) == {0.0}


@pytest.mark.parametrize("hz", [50, 100, 120])
def test_hum_does_not_score(hz: float) -> None:
    assert max(_scores(tone(hz, 1000))) < 0.2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("noise", "dbfs"), [(white_noise, -40), (white_noise, -30), (brown_noise, -30)])
def test_noise_seldom_scores(noise: Noise, dbfs: float, seed: int) -> None:
    scores = _scores(noise(20_000, dbfs, seed))
    assert sum(score >= 0.5 for score in scores) <= 0.02 * len(scores)


def test_recorded_speech_scores_where_it_is_loud() -> None:
    hits = frames = 0
    for clip in clips():
        samples = clip.read()
        scores = np.array(_scores(samples))
        loud = _speech_band_db(samples[: len(scores) * 320].reshape(-1, 320))
        loud_frames = loud > np.percentile(loud, 95) - 20
        hits += int((scores[loud_frames] >= 0.35).sum())
        frames += int(loud_frames.sum())
    assert hits >= 0.95 * frames


def test_reset_makes_it_hear_as_if_anew() -> None:
    vad = WebRtcVad()
    noisy = white_noise(400, -35, seed=3)
    first = _scores(noisy, vad)
    _scores(white_noise(4000, -35, seed=4), vad)
    assert _scores(noisy, vad) != first, "it has learnt the noise"
    vad.reset()
    assert _scores(noisy, vad) == first


def _speech_band_db(frames: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Power from 300 to 3400 Hz of each row, in dB."""
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1]), axis=1)) ** 2
    hz = np.fft.rfftfreq(frames.shape[1], 1 / SPEECH_HZ)
    power: np.ndarray[tuple[int], np.dtype[np.float64]] = spectrum[:, (hz >= 300) & (hz <= 3400)].sum(axis=1)
    return 10 * np.log10(power + 1)
