"""What the server says by itself is spoken at the start, and its apology is there where the voice does not speak."""

import wave

import numpy as np
import pytest

from audio.formats import samples_to_ms
from server.config.languages import PHRASES
from server.config.providers import Providers
from server.config.speaking_ahead import SPOKEN, spoken_ahead
from stages.errors import ProviderError
from stages.testing.fakes import Conduct, EchoModel, ScriptedRecogniser, ScriptedVoice
from stages.text.words import spoken_size


def providers(conduct: Conduct) -> Providers:
    voice = ScriptedVoice(conduct)
    return Providers(ScriptedRecogniser(), EchoModel(), voice, ("scripted", "echo", "scripted"))


async def test_a_voice_that_speaks_says_it_itself() -> None:
    texts = (PHRASES["en"].apology, PHRASES["en"].filler)
    prepared = await spoken_ahead(providers(Conduct()), texts)
    assert list(prepared) == list(texts)
    assert all(one.words for one in prepared.values())


@pytest.mark.parametrize("code", PHRASES)
async def test_where_it_does_not_speak_the_apology_is_a_clip(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = (PHRASES[code].apology, PHRASES[code].filler)
    prepared = await spoken_ahead(providers(Conduct(fails=ProviderError)), texts)
    (clip,) = prepared.values()
    assert clip.text == PHRASES[code].apology
    samples = np.frombuffer(clip.data, "<i2")
    assert clip.duration_ms == samples_to_ms(len(samples), 8000)
    assert 40 <= clip.duration_ms / spoken_size(clip.text) <= 100  # as fast as people speak
    assert 1000 < np.abs(samples).max() < 32_767
    assert "could not speak ahead" in caplog.text


def test_there_is_a_clip_for_each_language_and_no_other() -> None:
    assert {path.stem for path in SPOKEN.glob("*.wav")} == set(PHRASES)
    for path in SPOKEN.glob("*.wav"):
        with wave.open(str(path)) as clip:
            assert (clip.getnchannels(), clip.getsampwidth(), clip.getframerate()) == (1, 2, 8000)
