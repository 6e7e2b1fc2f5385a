"""Phrases that are due against what was read, with a decoder by script that knows how probable each text is."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from stages.ports import Expects
from stages.providers.moonshine.decode import END, START
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.moonshine.phrases import Respeller, tokens_of
from stages.runtime.onnx import Floats
from tests.support.audio_maker import silence, voice
from tests.support.moonshine import ScriptedEngine, text_of

LETTERS = "\u2581abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,-"
VOCABULARY = (b"<unk>", b"<s>", b"</s>", *(letter.encode() for letter in LETTERS), b"he", b"ell", b"hell")
PIECES = {piece: token for token, piece in enumerate(VOCABULARY)}


class Hearing:
    """A decoder that has heard one of some texts: `texts` has the log probability of each."""

    def __init__(self, texts: Mapping[str, float]) -> None:
        self._texts = {(*tokens_of(text, PIECES), END): weight for text, weight in texts.items()}
        self._given: list[int] = []
        self.looks = 0

    def begin(self, tokens: Sequence[int]) -> Floats:
        self.looks += 1
        return np.stack([self.step(token) for token in tokens])

    def step(self, token: int) -> Floats:
        self._given.append(token)
        said = tuple(self._given[1:])
        chances = np.full(len(VOCABULARY), 1e-9)
        for text, weight in self._texts.items():
            if text[: len(said)] == said and len(text) > len(said):
                chances[text[len(said)]] += np.exp(weight)
        logits: Floats = np.log(chances).astype(np.float32)
        return logits

    def keep(self, count: int) -> None:
        del self._given[count:]


@pytest.mark.parametrize(
    ("text", "heard", "phrases", "shown"),
    [
        ("Ten of cloves.", {"Ten of clubs.": -5.0}, ("clubs",), "Ten of clubs."),
        ("Ten of cloves.", {"Ten of clubs.": -7.0}, ("clubs",), "Ten of cloves."),
        ("Ten of cloves.", {"Ten of clubs.": -5.0}, ("spades",), "Ten of cloves."),
        ("Cloves, of ten", {"Clubs, of ten": -5.0}, ("clubs",), "Clubs, of ten"),
        ("To leave, become friends.", {"To leave, the end.": -2.0}, ("the end",), "To leave, the end."),
        ("And should be", {"Anchovy": -2.0}, ("anchovy",), "Anchovy"),
        ("Daddy", {"Dahdi": -4.0}, ("DAHDI",), "DAHDI"),
        ("Daddy", {"Dahdi": -5.0}, ("DAHDI",), "Daddy"),
        ("", {"Hot": -2.0}, ("hot",), "Hot"),
        ("", {"Hot": -3.0}, ("hot",), ""),
        ("Hat.", {"Hut.": -2.0}, ("hut", "hat"), "Hat."),
        ("Call dahdi or sip", {}, ("DAHDI", "SIP"), "Call DAHDI or SIP"),
        ("old men old", {"odd men old": -3.0, "odd men odd": -3.0}, ("odd",), "odd men odd"),
        ("Caf\u00e9", {"Cafe": -1.0}, ("cafe",), "Caf\u00e9"),
    ],
)
def test_a_phrase_counts_where_it_is_hardly_less_probable_than_what_was_read(
    text: str, heard: dict[str, float], phrases: tuple[str, ...], shown: str
) -> None:
    decoder = Hearing({text: 0.0} | heard)
    assert Respeller(VOCABULARY, PIECES).respelled(decoder, text, phrases) == shown


def test_however_many_phrases_there_are_few_are_weighed() -> None:
    phrases = [f"{first}{second}" for first in "abcdefghij" for second in "abcdefghij"]
    decoder = Hearing({"A zz": 0.0} | {f"A {phrase}": -5.0 for phrase in phrases})
    assert Respeller(VOCABULARY, PIECES).respelled(decoder, "A zz", phrases)
    assert decoder.looks < 150


def test_who_is_not_to_keep_going_weighs_nothing_more() -> None:
    decoder = Hearing({"A zz": 0.0, "A clubs": -5.0})
    went_on = iter([True, False, False])
    phrases = ("clubs", "zap", "zip")
    assert (
        Respeller(VOCABULARY, PIECES).respelled(decoder, "A zz", phrases, lambda: next(went_on, False))
        is None
    )
    assert decoder.looks <= 4


def test_pieces_that_were_made_first_are_joined_first() -> None:
    assert [VOCABULARY[token] for token in tokens_of("hello", PIECES)] == [
        b"\xe2\x96\x81",
        b"he",
        b"l",
        b"l",
        b"o",
    ]
    assert tokens_of("", PIECES) == tokens_of("\u0142", PIECES) == ()
    assert START not in tokens_of("<s>", PIECES)


@pytest.mark.parametrize(("phrases", "text"), [((), "cloves"), (("clubs",), "clubs")])
def test_the_model_has_them_weighed_only_if_there_are_any(phrases: tuple[str, ...], text: str) -> None:
    engine = ScriptedEngine(("cloves", -0.1, True), respelled={"cloves": "clubs"})
    model = MoonshineModel(engine).expecting(Expects.FREE, phrases)
    assert text_of(model.transcribe(np.concatenate([voice(600), silence(200)]))) == text


def test_of_nothing_that_goes_on_nothing_is_made() -> None:
    engine = ScriptedEngine(("", -0.1, True), respelled={"": "hot"})
    model = MoonshineModel(engine, Expects.FREE, ("hot",))
    assert text_of(model.transcribe(voice(600))) == ""
