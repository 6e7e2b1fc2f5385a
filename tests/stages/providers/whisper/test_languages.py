"""Several languages: which one an utterance is read in, by a scripted model."""

from collections.abc import Mapping
from typing import Any

import anyio.to_thread
import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from stages.ports import SpeechHints
from stages.providers.whisper.languages import LanguageReader
from stages.providers.whisper.model import MultilingualModel
from stages.providers.whisper.multilingual import MultilingualRecogniser
from stages.providers.whisper.segments import is_whole
from stages.runtime.worker import Worker


class Engine:
    """Names the languages as it is told; what it reads and how surely depends on the language."""

    def __init__(self, read: tuple[str, float], odds: Mapping[str, float], asked: list[str]) -> None:
        self._read, self._odds, self._asked = read, odds, asked

    def encode(self, features: Any) -> Any:
        return features

    def generate(self, encoded: Any, max_tokens: int) -> tuple[list[str], float, float]:
        text, log_probability = self._read
        self._asked.append(text)
        words = [f"\u0120{word}" for word in text.split()]
        return ["<|0.00|>", *words, "<|1.00|>"], log_probability, 0.0

    def weigh(self, encoded: Any, text: str, frames: int) -> float:
        self._asked.append(text)
        return 0.0

    def languages_of(self, encoded: Any) -> Mapping[str, float]:
        return self._odds


def models(
    odds: Mapping[str, float], sure: Mapping[str, float], asked: list[str]
) -> dict[str, MultilingualModel]:
    texts = {"en": "I would like a table", "es": "quiero una mesa para dos", "de": "ich habe das nicht"}
    return {code: MultilingualModel(Engine((texts[code], sure[code]), odds, asked)) for code in sure}


def sound(seconds: float) -> Samples:
    tone: Samples = (np.sin(np.arange(int(seconds * SPEECH_HZ)) * 0.1) * 8_000).astype(np.int16)
    return tone


LONG, SHORT = sound(2.5), sound(0.8)
EVEN = {"en": -0.2, "es": -0.2}


def test_what_is_certain_is_read_once_in_its_language() -> None:
    asked = list[str]()
    reader = LanguageReader(models({"es": 0.9, "en": 0.05, "fr": 0.05}, EVEN, asked))
    reader.transcribe(LONG)
    assert reader.language == "es"
    assert {*asked} == {"quiero una mesa para dos"}


@pytest.mark.parametrize(
    ("sure", "language"), [({"en": -0.9, "es": -0.2}, "es"), ({"en": -0.2, "es": -1.5}, "en")]
)
def test_what_is_uncertain_is_read_in_both_and_the_surer_reading_counts(
    sure: Mapping[str, float], language: str
) -> None:
    asked = list[str]()
    reader = LanguageReader(models({"es": 0.5, "en": 0.5}, sure, asked))
    reader.transcribe(LONG)
    assert reader.language == language
    assert len({*asked}) == 2


def test_what_says_nothing_in_either_language_is_read_to_its_end() -> None:
    asked = list[str]()
    silent = {
        code: MultilingualModel(Engine(("", -0.2), {"es": 0.5, "en": 0.5}, asked)) for code in ("en", "es")
    }
    read = LanguageReader(silent).transcribe(SHORT)
    assert read is not None
    assert is_whole(read, SHORT), "or it is asked for again and again"
    assert [segment.reading.text for segment in read] == [""]


def test_a_language_that_is_not_spoken_here_does_not_count() -> None:
    reader = LanguageReader(models({"de": 0.9, "es": 0.09, "en": 0.01}, EVEN, []))
    reader.transcribe(LONG)
    assert reader.language == "es"


def test_a_word_or_two_are_in_the_language_that_was_spoken_before() -> None:
    odds = {"en": 0.99, "es": 0.01}
    reader = LanguageReader(models(odds, EVEN, []), last="es")
    reader.transcribe(SHORT)
    assert reader.language == "es"
    other = {"en": 0.97, "es": 0.03}
    reader = LanguageReader(models(other, EVEN, []), last="es")
    reader.transcribe(LONG)
    assert reader.language == "en", "a sentence is in what it sounds like"


def test_the_language_of_a_long_utterance_does_not_change_any_more() -> None:
    odds = {"en": 0.1, "es": 0.9}
    reader = LanguageReader(models(odds, EVEN, []))
    reader.transcribe(LONG)
    odds["en"], odds["es"] = 0.9, 0.1
    reader.transcribe(sound(4.0))
    assert reader.language == "es"


@pytest.mark.parametrize(("wanted", "heard"), [("es-MX", "es"), ("en", "en"), ("fr", "es"), (None, "es")])
async def test_a_language_that_is_known_is_not_looked_for(wanted: str | None, heard: str) -> None:
    recogniser = MultilingualRecogniser(models({"es": 0.99, "en": 0.01}, EVEN, []), Worker("recogniser"))
    assert recogniser.capabilities.languages == ("en", "es")
    recognition = recogniser.open(hints=SpeechHints(language=wanted))
    recognition.push(LONG)
    assert (await recognition.final()).language == heard
    recognition.close()
    await anyio.to_thread.run_sync(recogniser.close)
