"""Graphs that onnxruntime has rearranged once: they compute the same, and are used only where they are right."""

from pathlib import Path

import numpy as np
import pytest

from stages.errors import ModelFileError
from stages.providers import silero
from stages.runtime import onnx
from stages.runtime.models import CACHE_VARIABLE, model_dir
from stages.runtime.onnx import BoundRun, StoppableSession, open_rearranged, open_session

pytestmark = pytest.mark.models

SILENCE_AND_A_STEP = np.concatenate([np.zeros(300), np.full(276, 0.25)]).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Path:
    return model_dir(silero.MODEL_NAME) / silero.FILE_NAME


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path / "made"


def outputs(session: StoppableSession) -> list[bytes]:
    run = BoundRun(session, *silero.arrays())
    np.copyto(run.inputs["input"], SILENCE_AND_A_STEP)
    run.run()
    return [array.tobytes() for array in run.outputs.values()]


def opened(model: bytes) -> list[bytes | str]:
    """What is given to be opened."""
    given: list[bytes | str] = []
    open_rearranged("tiny", model, given.append)
    return given


def test_a_rearranged_graph_computes_the_same_to_the_bit(model: Path, made: Path) -> None:
    plain = outputs(open_session("vad", model))
    assert not made.exists()
    assert outputs(open_session("vad", model, rearranged=True)) == plain
    (kept,) = made.iterdir()
    inode = kept.stat().st_ino
    assert outputs(open_session("vad", model, rearranged=True)) == plain
    assert kept.stat().st_ino == inode


def test_what_is_kept_is_for_one_file_one_runtime_and_one_processor(
    model: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = model.read_bytes()
    (first,) = opened(content)
    assert opened(content) == [first]
    (with_output,) = opened(onnx.with_output(content, "stateN"))
    monkeypatch.setattr(onnx, "_processor", lambda: b"another")
    (elsewhere,) = opened(content)
    monkeypatch.setattr("onnxruntime.__version__", "0.0.0")
    (later,) = opened(content)
    assert len({first, with_output, elsewhere, later}) == len(list(made.iterdir())) == 4


def test_a_broken_graph_is_made_again(model: Path, made: Path) -> None:
    plain = outputs(open_session("vad", model, rearranged=True))
    (kept,) = made.iterdir()
    kept.write_bytes(b"half")
    assert outputs(open_session("vad", model, rearranged=True)) == plain
    assert kept.stat().st_size > 4


def test_a_graph_that_cannot_be_opened_once_it_is_kept_is_opened_as_it_came(model: Path, made: Path) -> None:
    content = model.read_bytes()

    def open_it(given: bytes | str) -> bytes:
        if isinstance(given, str):
            raise RuntimeError("another process took it away")
        return given

    assert open_rearranged("tiny", content, open_it) == content
    assert list(made.iterdir()) == []


def test_where_nothing_can_be_kept_the_file_itself_is_opened(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    content = model.read_bytes()
    assert opened(content) == [content]
    open_session("vad", model, rearranged=True)


def test_what_is_no_model_is_named_and_not_kept(made: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelFileError, match=r"vad: cannot load .*text\.onnx"):
        open_session("vad", tmp_path / "text.onnx", rearranged=True)
    assert list(made.iterdir()) == []
