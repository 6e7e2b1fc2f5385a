"""Sentence embeddings by all-MiniLM-L6-v2 in plain numpy: sentences that mean the same lie close together.

The model is a six-layer BERT (Devlin et al. 2018, arXiv:1810.04805) distilled by Wang et al. (2020, arXiv:2002.10957)
and trained for sentence similarity (Reimers & Gurevych 2019, arXiv:1908.10084): WordPiece tokens in, the mean of the
last layer's tokens out. Needs `model.safetensors` and `vocab.txt`, nothing else.
"""

import ctypes
import json
import re
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from stages.errors import ModelFileError

Floats: TypeAlias = npt.NDArray[np.float32]

MAX_TOKENS = 256
"""Longest input the model was trained for, with the two marks around it; the rest of a text is not seen."""

_LAYERS, _HEADS = 6, 12
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
_ONE_THREAD = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads",
)


class SentenceEmbedder:
    """Texts to unit vectors whose dot product says how alike their meanings are. Threads may share it.

    Activations are `float32[features, tokens]`: `weight @ x` is the fastest order for the product of a few tokens with
    a large weight, and weights are used as they lie in the file.
    """

    def __init__(self, weights: Mapping[str, Floats], vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._weights = dict(weights)
        self._words = weights["embeddings.word_embeddings.weight"]
        types = weights["embeddings.token_type_embeddings.weight"]
        self._places: Floats = weights["embeddings.position_embeddings.weight"] + types[0]
        for layer in range(_LAYERS):  # query, key and value as one, so that they cost one matrix product
            attention = f"encoder.layer.{layer}.attention."
            for part in (".weight", ".bias"):
                three = [weights[f"{attention}self.{name}{part}"] for name in ("query", "key", "value")]
                self._weights[f"{attention}three{part}"] = np.concatenate(three)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read `model.safetensors` and `vocab.txt` in `directory`. Raises ModelFileError.

        From then on the process computes matrix products on one thread; see `use_one_blas_thread`.
        """
        use_one_blas_thread()
        try:
            weights = read_safetensors(directory / "model.safetensors")
            vocabulary = (directory / "vocab.txt").read_text(encoding="utf-8").splitlines()
            return cls(weights, {token: number for number, token in enumerate(vocabulary)})
        except (OSError, ValueError, KeyError) as error:
            raise ModelFileError(f"minilm-l6-v2: {directory} does not hold the model: {error}") from error

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, `float32[len(texts), 384]`. Blocks for some ms each: never on a loop."""
        return np.array([self._embed(text) for text in texts], np.float32).reshape(-1, self._words.shape[1])

    def _embed(self, text: str) -> Floats:
        tokens = tokens_of(text, self._vocabulary)
        x = self._norm((self._words[tokens] + self._places[: len(tokens)]).T, "embeddings.LayerNorm")
        for layer in range(_LAYERS):
            name = f"encoder.layer.{layer}."
            attended = self._linear(self._attend(x, name), name + "attention.output.dense")
            x = self._norm(x + attended, name + "attention.output.LayerNorm")
            inner = _gelu(self._linear(x, name + "intermediate.dense"))
            x = self._norm(x + self._linear(inner, name + "output.dense"), name + "output.LayerNorm")
        summed: Floats = x.sum(axis=1)  # points where the mean does
        summed /= np.linalg.norm(summed)
        return summed

    def _linear(self, x: Floats, name: str) -> Floats:
        y: Floats = self._weights[name + ".weight"] @ x
        return y + self._weights[name + ".bias"][:, None]

    def _norm(self, x: Floats, name: str) -> Floats:
        """Layer normalisation over the features."""
        centred = x - x.mean(axis=0)
        centred /= np.sqrt((centred * centred).mean(axis=0) + np.float32(1e-12))
        normed: Floats = centred * self._weights[name + ".weight"][:, None]
        return normed + self._weights[name + ".bias"][:, None]

    def _attend(self, x: Floats, name: str) -> Floats:
        """Every token's look at the others."""
        width, tokens = x.shape
        heads = self._linear(x, name + "attention.three").reshape(3, _HEADS, width // _HEADS, tokens)
        query, key, value = heads
        scores: Floats = key.swapaxes(1, 2) @ query * np.float32((width // _HEADS) ** -0.5)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        attended: Floats = (value @ scores).reshape(width, tokens)
        return attended


def _gelu(x: Floats) -> Floats:
    """Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016), within 5e-4 of the exact one."""
    inner = np.tanh(np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x * x * x))
    gelu: Floats = np.float32(0.5) * x * (1 + inner)
    return gelu


def tokens_of(text: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Numbers of a text's tokens between the marks for its start and end, at most `MAX_TOKENS`.

    Words are lower-case and without accents, and split greedily into the longest pieces there are (Wu et al. 2016).
    """
    bare = "".join(
        char for char in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(char)
    )
    tokens = [vocabulary["[CLS]"]]
    for word in _WORD.findall(bare):
        tokens += _pieces(word, vocabulary)
    return [*tokens[: MAX_TOKENS - 1], vocabulary["[SEP]"]]


def _pieces(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    pieces: list[int] = []
    start, mark = 0, ""
    while start < len(word):
        ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary)
        if (end := next(ends, None)) is None:
            return [vocabulary["[UNK]"]]
        pieces.append(vocabulary[mark + word[start:end]])
        start, mark = end, "##"
    return pieces


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
    tensors = [(name, tensor) for name, tensor in header.items() if tensor.get("dtype") == "F32"]
    return {
        name: np.asarray(data[slice(*tensor["data_offsets"])]).view(np.float32).reshape(tensor["shape"])
        for name, tensor in tensors
    }


def use_one_blas_thread() -> bool:
    """Keep the process's matrix products on the thread that asks for them; False if numpy has no OpenBLAS of its own.

    OpenBLAS spreads each over all cores and lets its threads spin while they wait for each other, which turns a tenth
    of a second into several on a busy server. numpy has no call for this.
    """
    numpy = Path(
        np.__file__
    ).parent  # wheels for Linux and Windows, and those for macOS, put the library there
    for path in (*numpy.parent.glob("numpy.libs/*openblas*"), *numpy.glob(".dylibs/*openblas*")):
        library = ctypes.CDLL(str(path))  # loaded already, so this only finds it
        for setter in filter(None, (getattr(library, name, None) for name in _ONE_THREAD)):
            setter(ctypes.c_int(1))
            return True
    return False
