"""Silero's detector: what reaches the model, what it remembers, and what it makes of recorded speech."""

from pathlib import Path

import numpy as np
import pytest

from audio.endpoint import SpeechEnded, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.formats import SPEECH_HZ, AudioFormat, Samples
from audio.framing import Framer
from audio.levels import quantise
from audio.listener import Heard, Listener, SpeechAudio
from stages.errors import ModelFileError, ProviderError
from stages.providers.silero import FILE_NAME, FRAME_SAMPLES, SileroModel, SileroVad, arrays
from stages.runtime.models import model_dir
from stages.runtime.onnx import Array, open_session
from tests.support.audio_maker import (
    brown_noise,
    clicks,
    clip,
    clips,
    join,
    pieces,
    pink_noise,
    silence,
    tone,
    white_noise,
)


class CountingRun:
    """Answers with the number of its calls in hundredths, and keeps what it was given."""

    def __init__(self) -> None:
        self.inputs, self.outputs = arrays()
        self.windows: list[Array] = []
        self.states: list[float] = []

    def run(self) -> None:
        self.windows.append(self.inputs["input"].copy())
        self.states.append(float(self.inputs["state"][0, 0, 0]))
        self.outputs["output"][:] = len(self.windows) / 100
        self.outputs["stateN"][:] = len(self.windows)


class BrokenRun(CountingRun):
    def run(self) -> None:
        raise RuntimeError("no such input")


def frame(value: int) -> Samples:
    return np.full(FRAME_SAMPLES, value, np.int16)


def scores(vad: SileroVad, samples: Samples) -> Array:
    return np.array([vad.score(frame) for frame in Framer(vad.frame_samples).push(samples)])


# --- what reaches the model -----------------------------------------------------------------------------


def test_a_window_is_the_frame_at_full_scale_one_after_the_last_4_ms() -> None:
    run = CountingRun()
    vad = SileroModel(run).open()
    for value in (8192, -16384):
        vad.score(frame(value))
    first, second = run.windows
    assert first.shape == (1, 64 + FRAME_SAMPLES)
    assert set(first[0, :64]) == {0.0}
    assert set(first[0, 64:]) == {0.25}
    assert set(second[0, :64]) == {0.25}
    assert set(second[0, 64:]) == {-0.5}


def test_silence_costs_no_run_but_is_the_past_of_what_follows() -> None:
    run = CountingRun()
    vad = SileroModel(run).open()
    vad.score(frame(8192))
    assert vad.score(frame(0)) == 0
    vad.score(frame(8192))
    assert len(run.windows) == 2
    assert set(run.windows[1][0, :64]) == {0.0}


def test_a_stream_carries_its_own_state_on_whoever_else_is_scored_in_between() -> None:
    run = CountingRun()
    model = SileroModel(run)
    one, other = model.open(), model.open()
    one.score(frame(8192))
    other.score(frame(8192))
    one.score(frame(8192))
    assert run.states == [0, 0, 1]


def test_two_seconds_without_anything_like_speech_are_forgotten() -> None:
    run = CountingRun()  # scores below 0.1 for nine calls
    vad = SileroModel(run).open()
    vad.score(frame(8192))
    for _ in range(60):
        vad.score(frame(0))
    vad.score(frame(8192))  # the 62nd window in a row: 1.98 s
    vad.score(frame(8192))
    assert run.states == [0, 1, 0]


def test_a_failing_model_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="no such input"):
        SileroModel(BrokenRun()).open().score(frame(8192))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelFileError, match="silero-vad: cannot load"):
        SileroModel.load(tmp_path)


# --- with the real one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel.load(model_dir("silero-vad"))


@pytest.mark.models
def test_arrays_that_stay_the_same_bring_the_scores_of_those_that_are_handed_over(model: SileroModel) -> None:
    session, (inputs, _) = open_session("silero-vad", model_dir("silero-vad") / FILE_NAME), arrays()
    state = inputs["state"].copy()
    for frame in Framer(FRAME_SAMPLES).push(clip("cards_001").read()):
        model.past[:] = inputs["input"][0, :64] = inputs["input"][0, -64:]
        model.window[:] = inputs["input"][0, 64:] = frame / 32768
        expected, inputs["state"] = session.run(None, {**inputs})
        assert model.run(state) == expected[0, 0]
        np.testing.assert_array_equal(state, inputs["state"])


@pytest.mark.models
def test_recorded_speech_scores_where_it_is_loud(model: SileroModel) -> None:
    hits = frames = 0
    for recording in clips():
        samples = recording.read()
        found = scores(model.open(), samples)
        power = (samples[: len(found) * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES).astype(float) ** 2).mean(1)
        loud = power > np.percentile(power, 95) / 100
        hits += int((found[loud] >= 0.35).sum())
        frames += int(loud.sum())
    assert hits >= 0.97 * frames, "measured 0.99 of the windows within 20 dB of the loudest"


@pytest.mark.models
@pytest.mark.parametrize("name", ["librivox_0870", "librivox_0880", "librivox_0930"])
def test_the_first_word_of_a_voice_by_telephone_is_heard_like_a_loud_one(
    model: SileroModel, name: str
) -> None:
    loud = np.concatenate([silence(500), clip(name).read()]).astype(float)
    found, quiet = (scores(model.open(), quantise(loud * factor)) for factor in (1, 10 ** (-25 / 20)))
    assert (quiet >= 0.5).sum() >= 0.85 * (found >= 0.5).sum() > 10
    assert abs(int(np.argmax(quiet >= 0.5)) - int(np.argmax(found >= 0.5))) <= 3


@pytest.mark.models
@pytest.mark.parametrize(
    "noise",
    [
        white_noise(20_000, -30),
        pink_noise(20_000, -20),
        brown_noise(20_000, -30),
        clicks(20_000),
        tone(440, 20_000),
    ],
    ids=["white", "pink", "brown", "clicks", "tone"],
)
def test_noise_never_scores(model: SileroModel, noise: Samples) -> None:
    assert scores(model.open(), noise).max() < 0.35


@pytest.mark.models
def test_a_minute_of_music_does_not_make_it_deaf(model: SileroModel) -> None:
    tones = [tone(hz, 60_000, -25) for hz in (261.6, 329.6, 392.0)]
    chord = quantise(np.sum(tones, axis=0, dtype=np.float64))
    heard = expected = 0
    for name in ("cards_001", "cards_004", "librivox_0880", "librivox_0930", "ps_goforward"):
        fresh = scores(model.open(), clip(name).read()) >= 0.5
        vad = model.open()
        scores(vad, chord)
        heard += int((fresh & (scores(vad, clip(name).read()) >= 0.5)).sum())
        expected += int(fresh.sum())
    assert heard >= 0.98 * expected


@pytest.mark.models
def test_reset_makes_it_hear_as_if_anew(model: SileroModel) -> None:
    vad = model.open()
    first = scores(vad, clip("cards_001").read())
    vad.reset()
    np.testing.assert_array_equal(scores(vad, clip("cards_001").read()), first)


@pytest.mark.models
@pytest.mark.parametrize("size", [2, 640, 999, 1 << 20])
def test_the_ear_hears_the_same_whatever_the_cut(model: SileroModel, size: int) -> None:
    samples = join([silence(700), clip("ps_goforward").read(), silence(900), clip("cards_004").read()])
    wire = samples.astype("<i2").tobytes() + bytes(2 * SPEECH_HZ)

    def hear(size: int) -> tuple[list[Heard], Samples]:
        ear = Listener(AudioFormat(rate_hz=SPEECH_HZ), model.open(), EndpointConfig())
        heard = [h for piece in pieces(wire, size) for h in ear.push(piece)]
        audio = np.concatenate([h.samples for h in heard if isinstance(h, SpeechAudio)])
        return [h for h in heard if not isinstance(h, SpeechAudio)], audio

    events, audio = hear(size)
    expected_events, expected_audio = hear(960)
    assert events == expected_events
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded] * 2
    np.testing.assert_array_equal(audio, expected_audio)
