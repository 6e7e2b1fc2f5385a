"""The agent's voice comes back through the microphone, and is taken out of it; the person is still understood."""

import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler
from server.client.echo import EchoCanceller
from stages.providers.moonshine.engine import MODEL_NAME
from stages.providers.moonshine.model import MoonshineModel
from stages.runtime.models import FileState, ModelStore, model_dir
from stages.testing.wer import word_error_rate
from tests.support.audio_maker import clip, dbfs, join, white_noise

AGENT = ("librivox_0890.wav", "librivox_0920.wav")
PERSON = "ps_goforward.wav"
ECHO_DB, DELAY_MS = -10.0, 40
PERSON_AT_S = 4
SPEAKER_HZ = 48_000


def at_level(samples: Samples, level_dbfs: float) -> Samples:
    return (samples * 10 ** ((level_dbfs - dbfs(samples)) / 20)).astype(np.int16)


def agent() -> Samples:
    return at_level(join([clip(name).read() for name in AGENT]), -22)


def echo_of(voice: Samples) -> Samples:
    """As a microphone has it."""
    late = np.concatenate([np.zeros(SPEECH_HZ * DELAY_MS // 1000, np.int16), voice])[: len(voice)]
    noise = white_noise(len(voice) * 1000 // SPEECH_HZ + 1, -75)[: len(voice)]
    return np.asarray(late * 10 ** (ECHO_DB / 20) + noise, np.int16)


def cleaned(heard: Samples, voice: Samples, canceller: EchoCanceller) -> Samples:
    """What a call makes of both sides, 20 ms at a time; the loudspeaker has another rate."""
    played = Resampler(SPEECH_HZ, SPEAKER_HZ).process(voice, last=True)
    out = []
    for tick in range(len(heard) // 320):
        canceller.played(played[tick * 960 : (tick + 1) * 960])
        out.append(canceller.cleaned(heard[tick * 320 : (tick + 1) * 320]))
    return np.concatenate(out)


@pytest.fixture
def canceller() -> EchoCanceller:
    found = EchoCanceller.installed(SPEECH_HZ, SPEAKER_HZ)
    assert found is not None, "pywebrtc-audio is among what `scripts/setup dev` installs"
    return found


def test_an_echo_is_lowered_by_more_than_fifteen_decibels_from_the_first_second_on(
    canceller: EchoCanceller,
) -> None:
    voice = agent()[: 6 * SPEECH_HZ]
    heard = echo_of(voice)
    left = cleaned(heard, voice, canceller)
    for second in range(1, 6):
        piece = slice(second * SPEECH_HZ, (second + 1) * SPEECH_HZ)
        assert dbfs(heard[piece]) - dbfs(left[piece]) >= 15, second


def test_without_a_voice_of_the_agent_the_person_stays_as_loud(canceller: EchoCanceller) -> None:
    said = clip(PERSON).read()
    left = cleaned(said, np.zeros_like(said), canceller)
    assert abs(dbfs(said[: len(left)]) - dbfs(left)) < 1


def test_what_was_played_while_the_microphone_was_lost_does_not_stay_in_the_way(
    canceller: EchoCanceller,
) -> None:
    voice = agent()[: 4 * SPEECH_HZ]
    canceller.played(np.zeros(SPEAKER_HZ // 2, np.int16))  # which nobody has heard
    heard = echo_of(voice)
    left = cleaned(heard, voice, canceller)
    assert dbfs(heard[2 * SPEECH_HZ :]) - dbfs(left[2 * SPEECH_HZ :]) >= 15


@pytest.mark.models
def test_who_talks_over_the_agent_is_understood(canceller: EchoCanceller) -> None:
    store = ModelStore.from_environment()
    if store.inspect(store.model(MODEL_NAME)).state is FileState.ABSENT:
        pytest.skip(f"{MODEL_NAME} IS MISSING: speech over an echo was not recognised")
    said, voice = at_level(clip(PERSON).read(), -22), agent()
    heard = echo_of(voice)
    person = slice(PERSON_AT_S * SPEECH_HZ, PERSON_AT_S * SPEECH_HZ + len(said))
    heard[person] += said
    left = cleaned(heard, voice, canceller)[person]
    assert len(left) == len(said)
    model = MoonshineModel.load(model_dir(MODEL_NAME), threads=1)

    def wer(samples: Samples) -> float:
        text = " ".join(segment.reading.text for segment in model.transcribe(samples) or ())
        return word_error_rate(clip(PERSON).transcript, text)

    assert wer(left) <= 0.1 < wer(heard[person])
