"""Opens a model file in onnxruntime: one thread, no noise on stderr, and errors that name the way out.

onnxruntime is imported when the first model is opened. Before it runs a graph it rearranges it for the processor, which
takes longer than to read it; what comes of that can be kept, so that it is done once.
"""

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from stages.errors import ModelFileError
from stages.runtime.made_files import digest_of, forget, keep, made_dir, use

T = TypeVar("T")

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float32]

_ERRORS_ONLY = 3
"""onnxruntime's log level; its warnings are about the makers' graphs, which nobody here can mend."""


_NOTHING = 4


class OnnxSession(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used. May run on several threads at once."""

    def run(self, outputs: None, inputs: dict[str, Array]) -> list[Array]:
        """All outputs of the graph, in its order."""


class StoppableSession(OnnxSession, Protocol):
    """A session of onnxruntime whose runs can be ended."""

    def run(self, outputs: None, inputs: dict[str, Array], options: object = None) -> list[Array]:
        """Compute the outputs; `options` are of `run_options`."""


class RunOptions(Protocol):
    """The part of `onnxruntime.RunOptions` that is used."""

    log_severity_level: int
    terminate: bool
    """Set to True by any thread, it has the run fail within some milliseconds."""


def open_session(
    name: str, path: Path, *, threads: int = 1, tensor: str = "", rearranged: bool = False
) -> StoppableSession:
    """The model `name` of the lock file, loaded from `path`. `tensor` within it is one more output; `rearranged` is
    whether it is worth it to keep its graph as onnxruntime runs it.

    Raises ModelFileError.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFileError(f"{name}: {error}; it needs `pip install 'stageflow-voice[turns]'`") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY

    def open_it(model: bytes | str) -> StoppableSession:
        session: StoppableSession = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        return session

    try:
        if rearranged:
            return open_rearranged(name, with_output(path.read_bytes(), tensor), open_it)
        session = open_it(with_output(path.read_bytes(), tensor) if tensor else str(path))
    except Exception as error:  # onnxruntime's have no root of their own
        raise ModelFileError(f"{name}: cannot load {path}: {error}") from error
    return session


def open_rearranged(name: str, model: bytes, open_it: Callable[[bytes | str], T]) -> T:
    """What `open_it` makes of the ONNX file `model`. It is given a file with the graph as onnxruntime runs it on this
    machine, which is made once, and again where it is broken; or `model` itself where none can be kept and opened."""
    import onnxruntime

    kept = made_dir() / f"{name}-{digest_of([onnxruntime.__version__.encode(), _processor(), model])}.onnx"
    for _ in range(2):
        if not kept.is_file() and not keep(kept, partial(_rearrange, model)):
            break
        try:
            opened = open_it(str(kept))
        except Exception:  # noqa: BLE001  # onnxruntime's have no root of their own
            forget(kept)  # perhaps before it was opened, as another process found it broken
        else:
            use(kept)
            return opened
    return open_it(model)


def _rearrange(model: bytes, path: Path) -> None:
    """Write the graph as onnxruntime runs it here. Raises OSError, also for what is no model: who opens it will see."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _NOTHING
    options.optimized_model_filepath = str(path)
    try:
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no root of their own
        raise OSError(f"cannot write {path}: {error}") from error


def _processor() -> bytes:
    """What a graph is rearranged for: another processor may want it otherwise."""
    known = [platform.machine(), platform.processor()]
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if not line.strip():  # the next core
                break
            if line.startswith(("model name", "flags", "Features", "CPU part")):
                known.append(line)
    return "\n".join(known).encode()


class FixedRun(Protocol):
    """A model that reads and writes the same arrays in every run: to hand them over takes a third of a small model's
    time. What a run has left in `outputs` is there until the next one."""

    @property
    def inputs(self) -> Mapping[str, Array]:
        """What the next run reads, by the graph's names."""

    @property
    def outputs(self) -> Mapping[str, Array]:
        """What the last run has written."""

    def run(self) -> None:
        """Compute `outputs` from `inputs`."""


class BoundRun:
    """`FixedRun` of a session of onnxruntime whose inputs and outputs all have fixed shapes."""

    def __init__(self, session: Any, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """The arrays must be contiguous; they are shared, not copied."""
        from onnxruntime import OrtValue

        self.inputs = inputs
        self.outputs = outputs
        self._session = session
        self._binding = session.io_binding()
        for name, array in inputs.items():
            self._binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(array))
        for name, array in outputs.items():
            self._binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(array))

    def run(self) -> None:
        """As `FixedRun`."""
        self._session.run_with_iobinding(self._binding)


def run_options() -> RunOptions:
    """For one run, by which it can be ended."""
    import onnxruntime

    options: RunOptions = onnxruntime.RunOptions()
    options.log_severity_level = _NOTHING  # that it was ended is no error
    return options


def with_output(model: bytes, tensor: str) -> bytes:
    """An ONNX file with one more output, `tensor`.

    Protobuf messages that are joined are one message, whose lists are joined: here that of `graph.output`. Without a
    name, the file as it is.
    """
    if not tensor:
        return model
    return model + _field(7, _field(12, _field(1, tensor.encode())))


def _field(number: int, data: bytes) -> bytes:
    """One field of a protobuf message that is a message, or text, of fewer than 128 bytes."""
    return bytes((number << 3 | 2, len(data))) + data
