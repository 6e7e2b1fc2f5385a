"""Opens a model file in onnxruntime: one thread, no noise on stderr, and errors that name the way out.

onnxruntime is imported here and nowhere else, when the first model is opened.
"""

from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from stages.errors import ModelFileError

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float32]

_ERRORS_ONLY = 3
"""onnxruntime's log level; its warnings are about the makers' graphs, which nobody here can mend."""


class OnnxSession(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used. May run on several threads at once."""

    def run(self, outputs: None, inputs: dict[str, Array]) -> list[Array]:
        """All outputs of the graph, in its order."""


def open_session(name: str, path: Path, *, threads: int = 1) -> OnnxSession:
    """The model `name` of the lock file, loaded from `path`. Raises ModelFileError."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFileError(f"{name}: {error}; it needs `pip install 'stageflow-voice[turns]'`") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        session: OnnxSession = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's have no root of their own
        raise ModelFileError(f"{name}: cannot load {path}: {error}") from error
    return session
