"""What an utterance is about, decided by the example utterances it lies near. Pure.

Two looks at the same sentence vector. A linear classifier, fitted to the examples by least squares, says
which intent it is: unlike the nearest example alone it learns which differences matter ("start" against
"stop the timer"). Whether it is any of them is said by how near the nearest example of that intent lies,
and how sure the classifier is. Some examples are of no intent: they draw the line to what is none of the
agent's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

STRANGER = "stranger"
"""The label of examples that are of no intent."""

THRESHOLD = 0.62
"""Least score that counts as understood. On phrasings kept for choosing it, 0.58 to 0.64 do equally well."""

_RIDGE = 0.01
"""Keeps the weights small, as 23 x 385 of them are fitted to 500 examples. 0.003 to 0.03 do equally well."""

_SURENESS = 0.5
"""What the classifier's output, about -1 to 1, is worth beside the similarity, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The intent, or None if the utterance is of none, and the score that decided it."""

    intent: str | None
    score: float


class IntentClassifier:
    """Immutable; judging costs two small matrix products."""

    def __init__(self, labels: Sequence[str], vectors: Floats, *, threshold: float = THRESHOLD) -> None:
        """Learn from examples: a label and a unit vector, `float32[len(labels), n]`, for each."""
        self._intents = sorted(set(labels))
        self._vectors = vectors
        self._threshold = threshold
        self._classes = np.array([self._intents.index(label) for label in labels])
        self._weights = _fitted(vectors, self._classes)

    def judge(self, vector: Floats) -> Verdict:
        """What the utterance with this unit vector, `float32[n]`, is about."""
        sureness = vector @ self._weights[:-1] + self._weights[-1]
        best = int(sureness.argmax())
        nearest = float((self._vectors[self._classes == best] @ vector).max())
        score = nearest + _SURENESS * float(sureness[best])
        intent = self._intents[best]
        understood = score >= self._threshold and intent != STRANGER
        return Verdict(intent if understood else None, score)


def _fitted(vectors: Floats, classes: npt.NDArray[np.int_]) -> Floats:
    """Weights `float32[n + 1, intents]` that bring each example near 1 for its own intent and -1 for the
    others.

    Ridge regression in closed form; every intent counts the same however many examples it has.
    """
    inputs = np.column_stack([vectors, np.ones(len(vectors), np.float32)]).astype(np.float64)
    targets = 2.0 * np.eye(classes.max() + 1)[classes] - 1.0
    weighted = inputs.T / np.bincount(classes)[classes]
    solved = np.linalg.solve(weighted @ inputs + _RIDGE * np.eye(inputs.shape[1]), weighted @ targets)
    weights: Floats = solved.astype(np.float32)
    return weights
