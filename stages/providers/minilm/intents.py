"""What an utterance is about, decided by the example utterances it lies near: for agents, routers and guards.

A linear classifier, fitted to the examples by least squares, says which intent it is: unlike the nearest example alone
it learns which differences matter ("start" against "stop the timer"). Whether it is any of them is said by how near the
nearest example of that intent lies, and how sure the classifier is. Some examples are of no intent: they draw the line.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from stages.providers.minilm.embedder import Floats, SentenceEmbedder
from stages.runtime.made_files import digest_of, keep, made_dir, use
from stages.runtime.models import model_dir
from stages.text.plain import plain

MODEL_NAME = "minilm-l6-v2"
"""In the lock file."""

STRANGER = ""
"""The label of examples that are of no intent."""

THRESHOLD = 0.62
"""Least score that counts as understood. On phrasings kept for choosing it, 0.58 to 0.64 do equally well."""

_RIDGE = 0.01
"""Keeps the weights small, as 23 x 385 of them are fitted to 500 examples. 0.003 to 0.03 do equally well."""

_SURENESS = 0.5
"""What the classifier's output, about -1 to 1, is worth beside the similarity, 0 to 1."""

_VERDICTS = 4096
"""How many are remembered."""


class Intents:
    """Says which intent an utterance has, of those it was given examples of. Threads may share it."""

    def __init__(
        self, embed: Callable[[Sequence[str]], Floats], labels: Sequence[str], vectors: Floats
    ) -> None:
        """A label and a unit vector, `float32[len(labels), n]`, for each example."""
        self._embed = embed
        self._classifier = IntentClassifier(labels, vectors)
        self._verdicts: dict[bytes, str | None] = {}
        """By a digest, as what people say is not for keeping."""

    @classmethod
    def load(
        cls,
        examples: Mapping[str, Sequence[str]],
        strangers: Sequence[str] = (),
        directory: Path | None = None,
    ) -> Self:
        """Learn `examples` of each intent, and `strangers`, which have none, with the sentence model in `directory`,
        or that of the store. The examples' vectors are kept with what is made of models.

        Blocks for 0.2 s, the first time for 10 ms more an example. Raises ModelFileError.
        """
        rows = [(name, text) for name, texts in {**examples, STRANGER: strangers}.items() for text in texts]
        embedder = SentenceEmbedder.load(directory or model_dir(MODEL_NAME))
        vectors = kept_vectors([plain(text) for _, text in rows], embedder, made_dir())
        return cls(embedder.embed, [name for name, _ in rows], vectors)

    def of(self, text: str) -> str | None:
        """The intent of `text`, None if it is understood as none. Blocks for some ms: never on a loop."""
        text = plain(text)
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        known = self._verdicts
        if key in known:
            return known[key]
        verdict, _ = self._classifier.judge(self._embed([text])[0])
        if len(known) >= _VERDICTS:
            self._verdicts = known = {}
        known[key] = verdict
        return verdict


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


def kept_vectors(texts: Sequence[str], embedder: SentenceEmbedder, cache: Path) -> Floats:
    """The vectors of `texts`, from the cache if it has them and they are this model's."""
    path = cache / f"{MODEL_NAME}-examples-{digest_of(text.encode() for text in texts)}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        kept: Floats = np.load(path, allow_pickle=False)
        if kept.shape[0] == len(texts) and np.allclose(kept[0], embedder.embed(texts[:1])[0], atol=1e-4):
            use(path)
            return kept
    vectors = embedder.embed(texts)
    keep(path, lambda made: np.save(made, vectors))
    return vectors
