"""What Moonshine makes of a word by itself, with answers by script: its other beginnings, and what was asked for."""

from collections.abc import Callable

import anyio
import numpy as np
import pytest

from audio.formats import Samples
from stages.ports import Expects, SpeechHints
from stages.providers.moonshine.decode import Hypothesis
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.moonshine.recogniser import MoonshineRecogniser
from stages.runtime.onnx import Floats
from stages.runtime.worker import Worker
from tests.support.audio_maker import silence, voice
from tests.support.moonshine import ScriptedEngine, text_of


def spoken_word() -> Samples:
    return np.concatenate([voice(600), silence(200)])


@pytest.mark.parametrize(
    ("first", "others", "believed"),
    [
        (("lemur", -0.6, True), [("lima", -0.5, True)], "lima"),
        (("lima", -0.4, True), [("lemur", -0.6, True), ("llama", -0.7, True)], "lima"),
        (("A. D.", -0.4, True), [("Ad", -0.8, True), ("Eighty.", -2.7, True)], "Eighty."),
        (("Eggs", -0.4, True), [("Egg", -0.9, True), ("Eight", -3.5, True)], "Eggs"),
        (("A word", -0.4, True), [("award", -1.5, True)], "award"),
        (("Boy,", -0.4, True), [("80.", -3.1, True), ("Eighty", -3.05, True)], "Eighty"),
        (("lemur", -0.6, True), [("no no no", -0.1, False), ("", -0.1, True)], "lemur"),
        (("", -0.5, True), [("Five", -0.6, True)], "Five"),
        (("", -0.1, True), [("Bye", -2.5, True)], ""),
    ],
    ids=[
        "more probable",
        "less probable",
        "common answer",
        "improbable answer",
        "one word for two",
        "spellings of one number",
        "loop and nothing",
        "lost",
        "no word",
    ],
)
def test_of_a_word_that_is_a_little_improbable_other_beginnings_are_weighed(
    first: tuple[str, float, bool], others: list[tuple[str, float, bool]], believed: str
) -> None:
    engine = ScriptedEngine(first, *others)
    assert text_of(MoonshineModel(engine).transcribe(spoken_word())) == believed
    assert len(set(engine.lengths_ms)) == 2


def test_a_short_word_in_much_noise_is_nothing_where_that_is_likelier() -> None:
    engine = ScriptedEngine(("", -0.3, True), ("You", -1.0, True))
    for voice_ms, text in ((1_500, ""), (600, "You")):
        noisy = np.concatenate([voice(voice_ms), silence(200)])
        assert text_of(MoonshineModel(engine).transcribe(noisy)) == text
        engine = ScriptedEngine(("", -0.3, True), ("You", -1.0, True))


def test_what_was_heard_is_forgotten_when_it_has_been_read() -> None:
    engine = ScriptedEngine(("Hat", -1.5, True), ("hut", -1.6, True))
    MoonshineModel(engine).transcribe(spoken_word())
    assert engine.forgot_after == len(engine.lengths_ms) > 1


def test_readings_of_hardly_any_probability_are_weighed_like_others() -> None:
    engine = ScriptedEngine(("Hat", -900.0, True), ("hut", -600.0, True))
    assert text_of(MoonshineModel(engine).transcribe(spoken_word())) == "hut"


class NothingAsAWord(ScriptedEngine):
    """Whatever a word may begin with, it is none."""

    def read_openings(
        self, wave: Floats, most_tokens: int, count: int, within: float, keep_going: Callable[[], bool]
    ) -> list[Hypothesis] | None:
        return []


def test_letters_one_by_one_that_are_nothing_as_a_word_are_read_in_other_ways() -> None:
    answers = (("", -0.4, True), ("A n n a", -0.3, True))
    spelled = np.concatenate([np.concatenate([voice(300), silence(400)]) for _ in "anna"])
    assert text_of(MoonshineModel(NothingAsAWord(*answers)).transcribe(spelled)) == "A n n a"
    assert text_of(MoonshineModel(NothingAsAWord(*answers)).transcribe(spoken_word())) == "", "no pauses"


@pytest.mark.parametrize(
    ("expects", "first", "others", "believed"),
    [
        (Expects.EMAIL, ("Age.", -0.1, True), [("H.", -2.4, True)], "H."),
        (Expects.EMAIL, ("Why?", -0.1, True), [("Y", -2.4, True)], "Why?"),
        (Expects.EMAIL, ("Karma", -0.1, True), [("comma", -2.4, True)], "comma"),
        (Expects.EMAIL, ("Parker", -0.1, True), [("P.", -3.6, True)], "Parker"),
        (Expects.PHONE, ("Ate", -0.1, True), [("Eight", -1.4, True)], "Eight"),
        (Expects.NUMBER, ("For,", -0.1, True), [("Four", -1.4, True)], "Four"),
        (Expects.YES_NO, ("Know", -0.1, True), [("No", -1.4, True)], "No"),
        (Expects.YES_NO, ("", -0.1, True), [("Yes", -2.7, True)], "Yes"),
        (Expects.FREE, ("Why?", -0.1, True), [("Y", -0.2, True)], "Why?"),
    ],
)
def test_a_word_is_likelier_what_the_agent_has_asked_for(
    expects: Expects, first: tuple[str, float, bool], others: list[tuple[str, float, bool]], believed: str
) -> None:
    model = MoonshineModel(ScriptedEngine(first, *others)).expecting(expects)
    assert text_of(model.transcribe(spoken_word())) == believed


def test_what_sounds_like_a_letter_is_one_for_an_address_and_is_read_once() -> None:
    engine = ScriptedEngine(("You.", -0.1, True))
    assert text_of(MoonshineModel(engine, Expects.EMAIL).transcribe(spoken_word())) == "U"
    assert len(engine.lengths_ms) == 1
    assert text_of(MoonshineModel(engine, Expects.EMAIL).transcribe(voice(600))) == "You.", "it goes on"


async def test_the_recogniser_takes_what_is_expected_from_the_hints() -> None:
    model = MoonshineModel(ScriptedEngine(("You.", -0.1, True)))
    recogniser = MoonshineRecogniser(model, Worker("recogniser"))
    try:
        for expects, text in ((Expects.EMAIL, "U"), (Expects.FREE, "You.")):
            recognition = recogniser.open(hints=SpeechHints(expects=expects))
            recognition.push(spoken_word())
            assert (await recognition.final()).text == text
            recognition.close()
    finally:
        await anyio.to_thread.run_sync(recogniser.close)


@pytest.mark.parametrize(
    ("read", "weights", "believed"),
    [
        ("Thousand.", {"Thousand": -0.5, "Thousandth": -5.0}, "Thousandth."),
        ("Thousand.", {"Thousand": -0.5, "Thousandth": -9.0}, "Thousand."),
        ("Billions.", {"Billions": -0.5, "Billionth": -3.0}, "Billionth."),
    ],
    ids=["ordinal", "number", "several to ordinal"],
)
def test_a_word_whose_end_is_hard_to_hear_is_weighed_against_the_longer_one(
    read: str, weights: dict[str, float], believed: str
) -> None:
    engine = ScriptedEngine((read, -0.1, True))
    engine.weights = weights
    model = MoonshineModel(engine)
    assert text_of(model.transcribe(spoken_word())) == believed
    assert len(engine.lengths_ms) == 2
    assert text_of(model.transcribe(voice(600))) == read, "it goes on"


@pytest.mark.parametrize("read", ["Hundred.", "Hour.", "Thousand people"])
def test_what_is_said_far_more_often_than_the_longer_word_is_read_once(read: str) -> None:
    engine = ScriptedEngine((read, -0.1, True))
    assert text_of(MoonshineModel(engine).transcribe(spoken_word())) == read
    assert len(engine.lengths_ms) == 1


def test_a_letter_that_is_sure_is_read_once() -> None:
    engine = ScriptedEngine(("B.", -0.1, True))
    assert text_of(MoonshineModel(engine).transcribe(spoken_word())) == "B."
    assert len(engine.lengths_ms) == 1


@pytest.mark.parametrize(
    "spoken", [voice(600), np.concatenate([voice(2500), silence(200)])], ids=["cut", "long"]
)
def test_what_goes_on_or_is_a_sentence_is_read_once(spoken: Samples) -> None:
    engine = ScriptedEngine(("thirty of", -0.4, True))
    MoonshineModel(engine).transcribe(spoken)
    assert len(engine.lengths_ms) == 1
