"""Sentence embeddings by all-MiniLM-L6-v2 in plain numpy: sentences that mean the same lie close together.

The model is a six-layer BERT (Devlin et al. 2018, arXiv:1810.04805) distilled by Wang et al. (2020,
arXiv:2002.10957) and trained for sentence similarity (Reimers & Gurevych 2019, arXiv:1908.10084): WordPiece
tokens in, the mean of the last layer's tokens out. Needs `model.safetensors` and `vocab.txt`, nothing else.
"""

import json
import struct
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from stages.demo.blas import use_one_blas_thread
from stages.errors import ModelFileError

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

DIMENSIONS = 384
MAX_TOKENS = 256
"""Longest input the model was trained for, with the two marks around it; the rest of a text is not seen."""

_HEADS = 12
_NORM_EPSILON = np.float32(1e-12)
_MASKED = np.float32(-1e9)
_MAX_WORD_CHARS = 100
"""A longer word is one unknown token, as in the tokeniser the model was trained with."""

_BATCH = 32
"""Texts per forward pass: enough to keep the matrix products busy, small enough to stay in the cache."""


# --- text to tokens -------------------------------------------------------------------------------------


def words_of(text: str) -> Iterator[str]:
    """The words and punctuation marks of `text`, lower-case and without accents, as BERT splits them."""
    word = ""
    for char in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(char)
        if category == "Mn" or (category[0] == "C" and not char.isspace()):
            continue
        alone = _stands_alone(char, category)
        if char.isspace() or alone:
            if word:
                yield word
            word = ""
        if alone:
            yield char
        elif not char.isspace():
            word += char
    if word:
        yield word


def _stands_alone(char: str, category: str) -> bool:
    if char.isascii():
        return not (char.isalnum() or char.isspace())
    return category[0] == "P" or "\u4e00" <= char <= "\u9fff"


class WordPiece:
    """Greedy longest-match-first splitting of words into the pieces of a vocabulary (Wu et al. 2016)."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._unknown = vocabulary["[UNK]"]
        self._first, self._last = vocabulary["[CLS]"], vocabulary["[SEP]"]

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text` between the marks for its start and end, at most `MAX_TOKENS`."""
        tokens = [self._first]
        for word in words_of(text):
            tokens += self._pieces(word)
            if len(tokens) >= MAX_TOKENS:
                break
        return [*tokens[: MAX_TOKENS - 1], self._last]

    def _pieces(self, word: str) -> list[int]:
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                token = self._vocabulary.get(prefix + word[start:end])
                if token is not None:
                    break
            else:
                return [self._unknown]
            pieces.append(token)
            start = end
        return pieces if len(word) <= _MAX_WORD_CHARS else [self._unknown]


# --- tokens to vectors ----------------------------------------------------------------------------------
#
# Activations are `float32[tokens, features]` with the features outermost in memory. `weight @ x.T` is then
# the fastest order for the product of a few tokens with a large weight (`x @ weight` took half as long again,
# with 12 tokens), and weights are used as they lie in the file.


@dataclass(frozen=True, slots=True)
class _Linear:
    """`weight` is `float32[outputs, inputs]`."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        y: Floats = (self.weight @ x.T).T
        y += self.bias
        return y


@dataclass(frozen=True, slots=True)
class _Norm:
    """Layer normalisation over the features."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        centred: Floats = x - x.mean(axis=1, keepdims=True)
        variance = np.einsum("ti,ti->t", centred, centred)[:, None] / np.float32(x.shape[1])
        centred /= np.sqrt(variance + _NORM_EPSILON)
        centred *= self.weight
        centred += self.bias
        return centred


@dataclass(frozen=True, slots=True)
class _Layer:
    """One transformer block: attention and a two-layer network, each added to its input and normalised."""

    query_key_value: _Linear
    attended: _Linear
    attended_norm: _Norm
    inner: _Linear
    outer: _Linear
    outer_norm: _Norm

    def __call__(self, x: Floats, mask: Floats) -> Floats:
        x = self.attended_norm(x + self.attended(self._attend(x, mask)))
        return self.outer_norm(x + self.outer(_gelu(self.inner(x))))

    def _attend(self, x: Floats, mask: Floats) -> Floats:
        """Every token's look at the others of its text; `mask` is `float32[texts, 1, 1, tokens a text]`."""
        texts, tokens, width = mask.shape[0], mask.shape[-1], x.shape[1]
        heads = self.query_key_value(x).T.reshape(3, _HEADS, width // _HEADS, texts, tokens)
        query, key, value = heads.transpose(0, 3, 1, 4, 2)
        scores: Floats = query @ key.swapaxes(-1, -2)
        scores *= np.float32((width // _HEADS) ** -0.5)
        scores += mask
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        attended: Floats = (scores @ value).transpose(1, 3, 0, 2).reshape(width, texts * tokens).T
        return attended


def _gelu(x: Floats) -> Floats:
    """Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016), within 5e-4 of the exact one."""
    inner = x * x
    inner *= np.float32(0.044715)
    inner += np.float32(1.0)
    inner *= x
    inner *= np.float32((2.0 / np.pi) ** 0.5)
    np.tanh(inner, out=inner)
    inner += np.float32(1.0)
    inner *= x
    inner *= np.float32(0.5)
    return inner


class SentenceEmbedder:
    """Texts to unit vectors whose dot product says how alike their meanings are. Threads may share it."""

    def __init__(self, weights: Mapping[str, Floats], vocabulary: Mapping[str, int]) -> None:
        self._pieces = WordPiece(vocabulary)
        self._words = weights["embeddings.word_embeddings.weight"]
        self._places: Floats = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(weights, "embeddings.LayerNorm")
        self._layers = [_layer(weights, f"encoder.layer.{number}.") for number in range(6)]

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read `model.safetensors` and `vocab.txt` in `directory`. Raises ModelFileError.

        From then on the process computes matrix products on one thread; see `stages.demo.blas`.
        """
        use_one_blas_thread()
        try:
            weights = read_safetensors(directory / "model.safetensors")
            vocabulary = (directory / "vocab.txt").read_text(encoding="utf-8").splitlines()
            return cls(weights, {token: number for number, token in enumerate(vocabulary)})
        except (OSError, ValueError, KeyError) as error:
            raise ModelFileError(f"minilm-l6-v2: {directory} does not hold the model: {error}") from error

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, `float32[len(texts), 384]`. Blocks for tens of ms: never on a loop."""
        tokens = [self._pieces.encode(text) for text in texts]
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        by_length = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        for start in range(0, len(texts), _BATCH):
            batch = by_length[start : start + _BATCH]
            vectors[batch] = self._embed_tokens([tokens[index] for index in batch])
        return vectors

    def _embed_tokens(self, texts: Sequence[Sequence[int]]) -> Floats:
        lengths = np.array([len(text) for text in texts])
        tokens = np.zeros((len(texts), lengths.max()), np.int64)
        for row, text in zip(tokens, texts, strict=True):
            row[: len(text)] = text
        real = np.arange(tokens.shape[1]) < lengths[:, None]
        mask = np.where(real, np.float32(0), _MASKED)[:, None, None, :]
        embedded = self._words[tokens] + self._places[: tokens.shape[1]]
        x = self._norm(np.asfortranarray(embedded.reshape(-1, DIMENSIONS)))
        for layer in self._layers:
            x = layer(x, mask)
        by_text = x.T.reshape(DIMENSIONS, *tokens.shape)
        summed: Floats = np.einsum("int,nt->ni", by_text, real.astype(np.float32))
        summed /= np.linalg.norm(summed, axis=1, keepdims=True)  # the sum points where the mean does
        return summed


def _norm(weights: Mapping[str, Floats], name: str) -> _Norm:
    return _Norm(weights[name + ".weight"], weights[name + ".bias"])


def _linear(weights: Mapping[str, Floats], *names: str) -> _Linear:
    """The named layers side by side as one, so that they cost one matrix product."""
    weight, bias = ([weights[name + part] for name in names] for part in (".weight", ".bias"))
    return _Linear(np.concatenate(weight), np.concatenate(bias))


def _layer(weights: Mapping[str, Floats], prefix: str) -> _Layer:
    attention = prefix + "attention."
    return _Layer(
        _linear(weights, *(f"{attention}self.{part}" for part in ("query", "key", "value"))),
        _linear(weights, attention + "output.dense"),
        _norm(weights, attention + "output.LayerNorm"),
        _linear(weights, prefix + "intermediate.dense"),
        _linear(weights, prefix + "output.dense"),
        _norm(weights, prefix + "output.LayerNorm"),
    )


# --- files ----------------------------------------------------------------------------------------------


def read_safetensors(path: Path) -> dict[str, Floats]:
    """The float32 tensors of a safetensors file, mapped into memory: what is not touched is not read.

    Layout: eight bytes of header length, a JSON header, the tensors' bytes. Raises OSError, ValueError.
    """
    with path.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if not 0 < header_bytes < path.stat().st_size:
            raise ValueError(f"{path.name} is not a safetensors file")
        header = json.loads(file.read(header_bytes))
    data = np.memmap(path, np.uint8, "r", offset=8 + header_bytes)
    tensors: dict[str, Floats] = {}
    for name, tensor in header.items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            begin, end = tensor["data_offsets"]
            tensors[name] = np.asarray(data[begin:end]).view(np.float32).reshape(tensor["shape"])
    return tensors
