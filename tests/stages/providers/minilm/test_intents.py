"""The intent classifier on made-up vectors: it learns, it refuses, and it judges alike whatever the order; and intents
by real ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from stages.providers.minilm.embedder import Floats, SentenceEmbedder
from stages.providers.minilm.intents import STRANGER, IntentClassifier, Intents, kept_vectors
from stages.runtime.models import model_dir

RNG = np.random.default_rng(7)
CENTRES = {name: RNG.standard_normal(32) for name in ("time", "joke", STRANGER)}


def near(name: str, count: int, spread: float = 0.5, seed: int = 1) -> Floats:
    vectors = CENTRES[name] + spread * np.random.default_rng(seed).standard_normal((count, 32))
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def trained(count: int = 12) -> IntentClassifier:
    labels = [name for name in CENTRES for _ in range(count)]
    return IntentClassifier(labels, np.concatenate([near(name, count) for name in CENTRES]))


@pytest.mark.parametrize("name", ["time", "joke"])
def test_what_is_near_the_examples_is_understood(name: str) -> None:
    verdicts = [trained().judge(vector) for vector in near(name, 20, seed=2)]
    assert {intent for intent, _ in verdicts} == {name}
    assert min(score for _, score in verdicts) > 0.62


def test_what_is_near_strangers_is_not() -> None:
    assert {trained().judge(vector)[0] for vector in near(STRANGER, 20, seed=2)} == {None}


def test_what_is_near_nothing_is_not() -> None:
    far = np.random.default_rng(3).standard_normal((20, 32)).astype(np.float32)
    far /= np.linalg.norm(far, axis=1, keepdims=True)
    assert {trained().judge(vector)[0] for vector in far} == {None}


def test_the_order_and_the_number_of_examples_do_not_sway_it() -> None:
    labels = ["time"] * 40 + ["joke"] * 4
    vectors = np.concatenate([near("time", 40), near("joke", 4)])
    order = np.random.default_rng(5).permutation(44)
    one = IntentClassifier(labels, vectors)
    other = IntentClassifier([labels[index] for index in order], vectors[order])
    for vector in near("joke", 10, seed=2):
        assert one.judge(vector)[0] == "joke"
        assert one.judge(vector)[1] == pytest.approx(other.judge(vector)[1], abs=1e-4)


def test_what_was_judged_once_is_not_judged_again() -> None:
    asked: list[Sequence[str]] = []

    def embed(texts: Sequence[str]) -> Floats:
        asked.append(texts)
        return near("time" if texts == ["12 o'clock"] else "joke", 1, seed=2)

    labels = ["time"] * 12 + ["joke"] * 12
    intents = Intents(embed, labels, np.concatenate([near("time", 12), near("joke", 12)]))
    said = ["Twelve o'clock!", "Ha.", "12 o'clock"]
    assert [intents.of(text) for text in said] == ["time", "joke", "time"]
    assert asked == [["12 o'clock"], ["ha"]]


@pytest.mark.models
def test_intents_of_one_s_own_are_learnt_from_a_few_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.providers.minilm.intents.made_dir", lambda: tmp_path)
    intents = Intents.load(
        {
            "sales": ["what does this cost", "i want to buy shoes", "do you have them in red"],
            "support": ["it is broken", "the sole came off", "i want my money back"],
        },
        ["hello", "what is the weather like", "tell me a joke", "thank you"],
    )
    assert intents.of("How much are these boots?") == "sales"
    assert intents.of("The heel of my shoe has fallen off.") == "support"
    assert intents.of("Will it rain tomorrow?") is None


@pytest.mark.models
def test_the_examples_vectors_are_kept_and_refused_when_they_are_not_this_models(tmp_path: Path) -> None:
    embedder = SentenceEmbedder.load(model_dir("minilm-l6-v2"))
    good = kept_vectors(["hello", "goodbye"], embedder, tmp_path)
    (file,) = tmp_path.glob("minilm-l6-v2-*")  # as `models fetch` looks for it
    np.testing.assert_array_equal(np.load(file), good)
    for bad in (np.zeros_like(good), good[:1]):
        np.save(file, bad)
        np.testing.assert_array_equal(kept_vectors(["hello", "goodbye"], embedder, tmp_path), good)
        np.testing.assert_array_equal(np.load(file), good)
    for broken in (b"no numbers", b""):
        file.write_bytes(broken)
        np.testing.assert_array_equal(kept_vectors(["hello", "goodbye"], embedder, tmp_path), good)
    # The same two again: a sentence alone differs from one in a batch in its last bit.
    np.testing.assert_array_equal(kept_vectors(["hello", "goodbye"], embedder, tmp_path / "missing"), good)
