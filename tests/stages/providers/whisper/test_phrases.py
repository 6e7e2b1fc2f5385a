"""Phrases that are due against what Whisper read: which texts are weighed, and which of them count."""

from collections.abc import Callable, Iterator, Mapping

import anyio.to_thread
import pytest

from stages.errors import ModelFileError
from stages.ports import SpeechHints
from stages.providers.whisper.model import MultilingualModel, WhisperModel
from stages.providers.whisper.multilingual import MODEL_NAME, MultilingualRecogniser
from stages.providers.whisper.phrases import as_given, likely, respelled
from stages.providers.whisper.recogniser import EmbeddedRecogniser
from stages.runtime.logmel import Floats
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.testing.phrase_checks import check_phrases_are_heard
from tests.support.audio_maker import clip, voice


def by(weights: Mapping[str, float]) -> Callable[[str], float]:
    """What weighs texts by a table; all others are improbable."""
    return lambda text: weights.get(text, -50.0)


@pytest.mark.parametrize(
    ("text", "weights", "phrases", "shown"),
    [
        ("Ten of cloves.", {"Ten of clubs.": -6.5}, ("clubs",), "Ten of clubs."),
        ("Ten of cloves.", {"Ten of clubs.": -7.5}, ("clubs",), "Ten of cloves."),
        ("Ten of cloves.", {"Ten of clubs.": -6.5}, ("spades",), "Ten of cloves."),
        ("Guess?", {"gas?": -3.5}, ("gas",), "gas?"),
        ("Guess?", {"gas?": -4.5}, ("gas",), "Guess?"),
        ("an old-sposed man", {"an ill-disposed man": -2.0}, ("ill-disposed",), "an ill-disposed man"),
        ("to plan it.", {"to planet.": -2.0}, ("planet",), "to planet."),
        ("my co valsky", {"my Kowalski": -2.0}, ("Kowalski",), "my Kowalski"),
        ("Zab, Zab.", {"Zap, Zab.": -2.0, "Zap, Zap.": -2.5}, ("Zap",), "Zap, Zap."),
        ("It was zap.", {}, ("Zap",), "It was Zap."),
        ("Hat, hat.", {"hut, hat.": -1.0}, ("hut", "hat"), "Hat, hat."),
    ],
)
def test_a_text_with_a_phrase_counts_if_it_is_hardly_less_probable(
    text: str, weights: Mapping[str, float], phrases: tuple[str, ...], shown: str
) -> None:
    assert respelled(text, phrases, by({text: -1.0, **weights})) == shown


def test_only_words_that_are_written_like_a_phrase_are_weighed() -> None:
    assert likely("the end of it", ("Kowalski", "Siobhan")) == []
    assert likely("the queen of cloves", ("clubs",))[0] == "the queen of clubs"
    assert len(likely(" ".join(["clothes"] * 20), ("clubs", "cloth"))) == 12


def test_nothing_is_weighed_after_it_was_told_to_stop() -> None:
    asked = list[str]()

    def weigh(text: str) -> float:
        asked.append(text)
        return -1.0

    assert respelled("Ten of cloves.", ("clubs",), weigh, lambda: not asked) is None
    assert asked == ["Ten of cloves."]


def test_phrases_are_shown_as_they_were_given() -> None:
    assert as_given("o'brien has sip, and gossip", ["O'Brien", "SIP", "C++"]) == "O'Brien has SIP, and gossip"
    assert as_given("He speaks c++.", ["C++"]) == "He speaks C++."


class Cloves:
    """Hears "cloves", which may as well be any other word."""

    def encode(self, features: Floats) -> None: ...

    def generate(self, encoded: None, max_tokens: int) -> tuple[list[str], float, float]:
        return ["\u0120cloves"], -0.1, 0.1

    def weigh(self, encoded: None, text: str, frames: int) -> float:
        return -1.0

    def languages_of(self, encoded: None) -> Mapping[str, float]:
        return {"en": 0.9}


@pytest.mark.parametrize("language", [None, "en", "de"])
async def test_recognisers_take_phrases_from_the_hints(language: str | None) -> None:
    several = {code: MultilingualModel(Cloves()) for code in ("en", "de")}
    for recogniser in (
        EmbeddedRecogniser(WhisperModel(Cloves()), Worker("recogniser")),
        MultilingualRecogniser(several, Worker("recogniser")),
    ):
        try:
            assert recogniser.capabilities.phrases
            for phrases, text in (((), "cloves"), (("clubs",), "clubs")):
                recognition = recogniser.open(hints=SpeechHints(language=language, phrases=phrases))
                recognition.push(voice(1500))
                assert (await recognition.final()).text == text
                recognition.close()
        finally:
            await anyio.to_thread.run_sync(recogniser.close)


@pytest.fixture(scope="module")
def english() -> Iterator[EmbeddedRecogniser]:
    recogniser = EmbeddedRecogniser.load(model_dir("whisper-tiny.en"))
    yield recogniser
    recogniser.close()


@pytest.fixture(scope="module")
def several() -> Iterator[MultilingualRecogniser]:
    try:
        directory = model_dir(MODEL_NAME)
    except ModelFileError as error:  # it is fetched only when asked for
        pytest.skip(str(error))
    recogniser = MultilingualRecogniser.of_languages(directory, ("en", "de"))
    yield recogniser
    recogniser.close()


@pytest.mark.models
async def test_the_english_recogniser_listens_for_phrases(english: EmbeddedRecogniser) -> None:
    await check_phrases_are_heard(english, clip("cards_002").read(), "clubs")


@pytest.mark.models
@pytest.mark.parametrize("language", [None, "en"])
async def test_the_one_of_several_languages_listens_for_phrases(
    several: MultilingualRecogniser, language: str | None
) -> None:
    said = clip("librivox_0880").read()
    await check_phrases_are_heard(several, said, "ill-disposed", hints=SpeechHints(language=language))
