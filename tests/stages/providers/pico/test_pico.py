"""Pico's voices, and Whisper base that hears them: each language there and back."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest
import soxr

from audio.formats import SPEECH_HZ, Samples
from audio.levels import loud_dbfs
from server.config.languages import parts_of
from stages.errors import ModelFileError
from stages.providers.pico.voice import VOICES, PicoSettings, PicoVoice
from stages.providers.whisper.multilingual import MODEL_NAME, MultilingualRecogniser
from stages.runtime.models import FileState, ModelStore, model_dir
from stages.testing.contracts import check_synthesiser
from stages.testing.wer import word_errors
from stages.text.languages import CODES
from stages.text.speakable import speakable

pytest.importorskip("py_nanotts", reason="THE VOICES OF OTHER LANGUAGES WERE NOT TESTED: scripts/setup dev")

SENTENCES = {
    "en": "I would like to book a table for four people tomorrow evening.",
    "es": "Quisiera reservar una mesa para cuatro personas mañana por la noche.",
    "fr": "Je voudrais réserver une table pour quatre personnes demain soir.",
    "de": "Ich möchte morgen Abend einen Tisch für vier Personen bestellen.",
    "it": "Vorrei prenotare un tavolo per quattro persone domani sera.",
}


def plain(text: str, language: str) -> str:
    return " ".join(re.findall(r"\w+", speakable(text, language).casefold()))


async def say(voice: PicoVoice, text: str) -> Samples:
    return np.concatenate([np.zeros(0, np.int16), *[speech.samples async for speech in voice.stream(text)]])


@pytest.fixture
def voice(request: pytest.FixtureRequest) -> Iterator[PicoVoice]:
    voice = PicoVoice.from_settings(PicoSettings(language=(getattr(request, "param", "de"),)))
    yield voice
    voice.close()


@pytest.fixture(scope="module")
def whisper_base() -> Path:
    store = ModelStore.from_environment()
    if store.inspect(store.model(MODEL_NAME)).state is FileState.ABSENT:
        pytest.skip(f"{MODEL_NAME} WAS NOT TESTED: `stageflow-voice models fetch {MODEL_NAME}`")
    return model_dir(MODEL_NAME)


def test_every_language_of_the_texts_has_a_voice_and_is_recognised() -> None:
    assert MultilingualRecogniser.capabilities.languages == CODES
    assert tuple(VOICES) == tuple(code for code in CODES if code == "en" or parts_of([code])["tts"] == "pico")


async def test_it_keeps_the_contract_of_a_voice(voice: PicoVoice) -> None:
    await check_synthesiser(voice)


SPEAK_ODD_WORDS = """
from stages.providers.pico.voice import PicoSettings, PicoVoice
voice = PicoVoice.from_settings(PicoSettings(language=["de"]))
for letter in "xé1ß.ж漢-":
    voice._speak(letter * 300, "de-DE", 1.0)
    voice._speak("Hallo " + letter * 99 + " Welt", "de-DE", 1.0)
voice.close()
"""


@pytest.mark.parametrize("fill", [1, 85, 127, 255])
def test_no_word_is_too_long_whatever_lies_behind_its_end(fill: int) -> None:
    """The engine reads what it has not written; this fills it. In a process that can be killed: it may hold the GIL."""
    spoken = subprocess.run(
        [sys.executable, "-c", SPEAK_ODD_WORDS],
        env={**os.environ, "MALLOC_PERTURB_": str(fill)},
        timeout=250,
        check=False,
    )
    assert spoken.returncode == 0


async def test_it_is_as_loud_as_speech_and_begins_at_once(voice: PicoVoice) -> None:
    samples = await say(voice, SENTENCES["de"])
    assert -28 < loud_dbfs(samples) < -8
    assert np.abs(samples.astype(np.int32)).max() < 32_767
    assert loud_dbfs(samples[: voice.rate_hz // 5]) > -45


async def test_its_numbers_are_in_its_language(voice: PicoVoice) -> None:
    digits, words = await say(voice, "Es kostet 4,50 €."), await say(voice, "Es kostet vier Euro fünfzig.")
    assert abs(len(digits) - len(words)) < voice.rate_hz // 10
    assert len(await say(voice, "🎉 \0<>")) == 0


@pytest.mark.models
@pytest.mark.parametrize("voice", list(VOICES), indirect=True)
async def test_what_it_says_is_heard(voice: PicoVoice, whisper_base: Path) -> None:
    language = next(code for code, (name, _) in VOICES.items() if name == voice.voices[0].name)
    recogniser = await anyio.to_thread.run_sync(
        lambda: MultilingualRecogniser.of_languages(whisper_base, [language])
    )
    try:
        recognition = recogniser.open()
        spoken = await say(voice, SENTENCES[language])
        recognition.push(soxr.resample(spoken, voice.rate_hz, SPEECH_HZ))
        heard = await recognition.final()
        recognition.close()
    finally:
        await anyio.to_thread.run_sync(recogniser.close)
    assert heard.language == language
    errors = word_errors([plain(SENTENCES[language], language)], [plain(heard.text, language)])
    assert errors.errors <= 1, heard.text


def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "py_nanotts", None)
    with pytest.raises(ModelFileError, match=r"stageflow-voice\[languages\]"):
        PicoVoice.from_settings(PicoSettings())
