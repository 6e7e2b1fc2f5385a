"""What an utterance is about, decided by the example utterances it lies near. Pure.

A linear classifier, fitted to the examples by least squares, says which intent it is: unlike the nearest example alone
it learns which differences matter ("start" against "stop the timer"). Whether it is any of them is said by how near the
nearest example of that intent lies, and how sure the classifier is. Some examples are of no intent: they draw the line.
"""

from collections.abc import Sequence

import numpy as np

from stages.demo.minilm import Floats
from stages.demo.script import STRANGER

THRESHOLD = 0.62
"""Least score that counts as understood. On phrasings kept for choosing it, 0.58 to 0.64 do equally well."""

_RIDGE = 0.01
"""Keeps the weights small, as 23 x 385 of them are fitted to 500 examples. 0.003 to 0.03 do equally well."""

_SURENESS = 0.5
"""What the classifier's output, about -1 to 1, is worth beside the similarity, 0 to 1."""


class IntentClassifier:
    """Immutable; judging costs two small matrix products."""

    def __init__(self, labels: Sequence[str], vectors: Floats) -> None:
        """Learn from examples: a label and a unit vector, `float32[len(labels), n]`, for each.

        Ridge regression in closed form brings each example near 1 for its own intent and -1 for the others; every
        intent counts the same however many examples it has.
        """
        self._intents = sorted(set(labels))
        self._vectors = vectors
        self._classes = np.array([self._intents.index(label) for label in labels])
        inputs = np.column_stack([vectors, np.ones(len(vectors), np.float32)]).astype(np.float64)
        targets = 2.0 * np.eye(len(self._intents))[self._classes] - 1.0
        weighted = inputs.T / np.bincount(self._classes)[self._classes]
        solved = np.linalg.solve(weighted @ inputs + _RIDGE * np.eye(inputs.shape[1]), weighted @ targets)
        self._weights = solved.astype(np.float32)

    def judge(self, vector: Floats) -> tuple[str | None, float]:
        """The intent of the utterance with this unit vector, `float32[n]`, or None, and the score that decided it."""
        sureness = vector @ self._weights[:-1] + self._weights[-1]
        best = int(sureness.argmax())
        nearest = float((self._vectors[self._classes == best] @ vector).max())
        score = nearest + _SURENESS * float(sureness[best])
        understood = score >= THRESHOLD and self._intents[best] != STRANGER
        return self._intents[best] if understood else None, score
