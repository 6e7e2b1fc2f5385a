"""all-MiniLM-L6-v2 in numpy: the tokeniser, the file reader, and that nearness means likeness."""

import ctypes
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import ModelFileError
from stages.providers.minilm.embedder import (
    MAX_TOKENS,
    SentenceEmbedder,
    read_safetensors,
    tokens_of,
    use_one_blas_thread,
)
from stages.runtime.models import model_dir

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##s", "a", ",", "caf", "##e"]
VOCABULARY = {token: number for number, token in enumerate(TOKENS)}


# --- pure parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Playing, plays café xyz", ["play", "##ing", ",", "play", "##s", "caf", "##e", "[UNK]"]),
        ("a_a 'PLAY'", ["a", "[UNK]", "a", "[UNK]", "play", "[UNK]"]),
        ("", []),
    ],
)
def test_a_word_becomes_its_longest_pieces(text: str, tokens: list[str]) -> None:
    assert [TOKENS[token] for token in tokens_of(text, VOCABULARY)] == ["[CLS]", *tokens, "[SEP]"]


@given(st.text(max_size=400))
@settings(max_examples=100)
def test_any_text_becomes_a_bounded_row_of_known_tokens(text: str) -> None:
    tokens = tokens_of(text, VOCABULARY)
    assert 2 <= len(tokens) <= MAX_TOKENS
    assert set(tokens) <= set(VOCABULARY.values())


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    data = np.arange(6, dtype=np.float32)
    header = {
        "__metadata__": {"format": "pt"},
        "ids": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
        "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
    }
    text = json.dumps(header).encode().ljust(256)
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8) + data.tobytes())
    tensors = read_safetensors(path)
    assert list(tensors) == ["w"]
    np.testing.assert_array_equal(tensors["w"], data.reshape(2, 3))


@pytest.mark.parametrize("content", [b"", b"\xff" * 16, struct.pack("<Q", 4) + b"nope" + bytes(8)])
def test_a_broken_model_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "vocab.txt").write_text("[UNK]")
    with pytest.raises(ModelFileError, match="minilm-l6-v2"):
        SentenceEmbedder.load(tmp_path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="minilm-l6-v2"):
        SentenceEmbedder.load(tmp_path)


# --- the model ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedder() -> SentenceEmbedder:
    return SentenceEmbedder.load(model_dir("minilm-l6-v2"))


@pytest.mark.models
def test_similarities_are_those_that_the_models_makers_publish(embedder: SentenceEmbedder) -> None:
    """Sentences and figures are those of the Sentence Transformers quickstart, which uses this model."""
    vectors = embedder.embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(vectors @ vectors.T, published, atol=5e-4)  # the tanh form of GELU: 1e-4


@pytest.mark.models
def test_vectors_have_length_one(embedder: SentenceEmbedder) -> None:
    vectors = embedder.embed(["", "?", "what time is it", "word " * 500])
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.models
def test_no_texts_give_no_vectors(embedder: SentenceEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "paraphrase", "stranger"),
    [
        ("what time is it", "could you tell me the time", "book a table for two"),
        ("cancel my reservation", "i need to call off my booking", "what is twelve times seven"),
        ("goodbye", "see you later", "set a timer for five minutes"),
        ("play some jazz", "put on some music", "how much is the soup"),
    ],
)
def test_a_paraphrase_is_nearer_than_a_stranger(
    embedder: SentenceEmbedder, text: str, paraphrase: str, stranger: str
) -> None:
    own, near, far = embedder.embed([text, paraphrase, stranger])
    assert own @ near > own @ far + 0.2


def test_openblas_uses_one_thread_afterwards() -> None:
    if not use_one_blas_thread():
        pytest.skip("this numpy has no OpenBLAS of its own")
    (path, *_) = (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*")
    assert ctypes.CDLL(str(path)).scipy_openblas_get_num_threads64_() == 1
