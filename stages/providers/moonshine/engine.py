"""Moonshine's two networks on onnxruntime: the encoder hears the speech once, the decoder remembers what it wrote.

The decoder has one input for each layer's memory of the tokens so far, and one for its view of the speech. The view
is made in the first step, and given again in all others.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import ModelFileError
from stages.providers.moonshine.decode import Hypothesis, decode
from stages.providers.moonshine.vocabulary import read_vocabulary, text_of
from stages.runtime.onnx import Floats

MODEL_NAME = "moonshine-base-en"
"""In the lock file."""

_ERRORS_ONLY = 3


class MoonshineEngine:
    """`Engine` by onnxruntime. One thread at a time."""

    def __init__(self, directory: Path, threads: int) -> None:
        """Blocks for half a second. Raises ModelFileError."""
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelFileError(
                f"{MODEL_NAME}: {error}; the recogniser needs `pip install 'stageflow-voice[embedded]'`"
            ) from error
        try:
            self._vocabulary = read_vocabulary((directory / "tokenizer.bin").read_bytes())
            options = _options(onnxruntime, threads)
            self._encoder, self._decoder = (
                onnxruntime.InferenceSession(str(directory / name), options, ["CPUExecutionProvider"])
                for name in ("encoder.onnx", "decoder.onnx")
            )
        except Exception as error:  # onnxruntime's have no root of their own
            raise ModelFileError(f"{MODEL_NAME}: cannot load {directory}: {error}") from error
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy
        self._memories = [entry for entry in self._decoder.get_inputs() if "past" in entry.name]

    def read(
        self,
        wave: Floats,
        most_tokens: int,
        guess: Sequence[int] = (),
        keep_going: Callable[[], bool] = lambda: True,
    ) -> Hypothesis | None:
        """What is said in `float32[n]` at 16 kHz; `guess` are the tokens that are to be expected. None if `keep_going`,
        asked before each step, says no."""
        heard = self._encoder.run(None, {"input_values": wave[None]})[0]
        if not keep_going():
            return None
        decoder = _Steps(self._decoder, self._value, self._memories, heard)
        return decode(decoder, most_tokens, guess[: most_tokens - 1], keep_going)

    def text(self, hypothesis: Hypothesis) -> str:
        """The text of its tokens."""
        return text_of(self._vocabulary, hypothesis.tokens)


def _options(onnxruntime: Any, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_DISABLE_ALL  # it was done when the model was fetched
    options.enable_cpu_mem_arena = False  # the arena keeps what the longest reading took: 230 MB
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class _Steps:
    """One reading: the decoder with its memories; a `Decoder`."""

    def __init__(self, decoder: Any, value: Any, memories: Any, heard: Floats) -> None:
        self._decoder = decoder
        self._value = value
        outputs = [output.name for output in decoder.get_outputs()]
        self._logits, *self._remembered = outputs
        empty = {
            entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32) for entry in memories
        }
        self._inputs = {name: value(array) for name, array in empty.items()}
        self._inputs["encoder_hidden_states"] = value(np.ascontiguousarray(heard))
        self._inputs["use_cache_branch"] = value(np.array([False]))

    def begin(self, tokens: Sequence[int]) -> Floats:
        """As `Decoder.begin`; the view of the speech stays as it is from now on."""
        scores = self._run(tokens)
        self._remembered = [name for name in self._remembered if ".encoder." not in name]
        self._inputs["use_cache_branch"] = self._value(np.array([True]))
        return scores

    def step(self, token: int) -> Floats:
        """As `Decoder.step`."""
        scores: Floats = self._run([token])[-1]
        return scores

    def keep(self, count: int) -> None:
        """As `Decoder.keep`."""
        for name in map(_as_input, self._remembered):
            memory = self._inputs[name].numpy()
            if memory.shape[2] > count:
                self._inputs[name] = self._value(np.ascontiguousarray(memory[:, :, :count]))

    def _run(self, tokens: Sequence[int]) -> Floats:
        self._inputs["input_ids"] = self._value(np.array([tokens], np.int64))
        logits, *memories = self._decoder.run_with_ort_values([self._logits, *self._remembered], self._inputs)
        for name, memory in zip(self._remembered, memories, strict=True):
            self._inputs[_as_input(name)] = memory
        scores: Floats = logits.numpy()[0]
        return scores


def _as_input(output: str) -> str:
    return output.replace("present", "past_key_values")
