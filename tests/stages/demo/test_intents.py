"""The intent classifier on made-up vectors: it learns, it refuses, and it judges alike whatever the order."""

import numpy as np
import pytest

from stages.demo.intents import IntentClassifier
from stages.demo.minilm import Floats
from stages.demo.script import STRANGER

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
