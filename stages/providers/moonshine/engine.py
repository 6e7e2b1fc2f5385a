"""Moonshine's two networks on onnxruntime: the encoder hears the speech once, the decoder remembers what it wrote.

The encoder gives each layer of the decoder its view of the speech. The decoder has one input for each view, one for
each layer's memory of the tokens so far, and one for the embeddings of all tokens, which are mapped into memory.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio.formats import SPEECH_HZ
from stages.errors import ModelFileError
from stages.providers.moonshine.decode import Hypothesis, decode, openings, spelled
from stages.providers.moonshine.phrases import Respeller, tokens_of
from stages.providers.moonshine.vocabulary import bytes_of, pieces_of, read_vocabulary, text_of
from stages.runtime.onnx import Floats

MODEL_NAME = "moonshine-base-en"
"""In the lock file."""

_ERRORS_ONLY = 3

_KEPT_SAMPLES = 3 * SPEECH_HZ
"""What was heard of so much is kept, some MB, until something else is heard."""


class MoonshineEngine:
    """`Engine` by onnxruntime. One thread at a time."""

    def __init__(self, directory: Path, threads: int) -> None:
        """Blocks for a tenth of a second. Raises ModelFileError."""
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelFileError(
                f"{MODEL_NAME}: {error}; the recogniser needs `pip install 'stageflow-voice[embedded]'`"
            ) from error
        try:
            self._vocabulary = read_vocabulary((directory / "tokenizer.bin").read_bytes())
            self._pieces = pieces_of(self._vocabulary)
            self._respeller = Respeller(self._vocabulary, self._pieces)
            options = _options(onnxruntime, threads)
            self._encoder, self._decoder = (
                onnxruntime.InferenceSession(str(directory / name), options, ["CPUExecutionProvider"])
                for name in ("encoder.onnx", "decoder.onnx")
            )
            self._value = onnxruntime.OrtValue.ortvalue_from_numpy
            # Copied when written, as onnxruntime wants what it could write; nobody does.
            embeddings = np.load(directory / "embeddings.npy", mmap_mode="c")
        except Exception as error:  # onnxruntime's have no root of their own
            raise ModelFileError(f"{MODEL_NAME}: cannot load {directory}: {error}") from error
        self._last: tuple[Floats, _Steps] | None = None
        self._views = [output.name for output in self._encoder.get_outputs()]
        memories = [entry for entry in self._decoder.get_inputs() if ".decoder." in entry.name]
        self._at_first = {
            entry.name: self._value(np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32))
            for entry in memories
        } | {"embeddings": self._value(embeddings)}

    def read(
        self,
        wave: Floats,
        most_tokens: int,
        guess: Sequence[int] = (),
        keep_going: Callable[[], bool] = lambda: True,
    ) -> Hypothesis | None:
        """What is said in `float32[n]` at 16 kHz; `guess` are the tokens that are to be expected. None if `keep_going`,
        asked before each step, says no."""
        decoder = self._hear(wave)
        if not keep_going():
            return None
        return decode(decoder, most_tokens, guess[: most_tokens - 1], keep_going)

    def read_openings(
        self,
        wave: Floats,
        most_tokens: int,
        count: int,
        within: float,
        keep_going: Callable[[], bool] = lambda: True,
    ) -> list[Hypothesis] | None:
        """The readings of `float32[n]` at 16 kHz that begin with its `count` most probable tokens, as `openings` has
        it; None as `read`."""
        decoder = self._hear(wave)
        if not keep_going():
            return None
        return openings(decoder, most_tokens, count, within, keep_going)

    def weigh(
        self, wave: Floats, words: Sequence[str], keep_going: Callable[[], bool] = lambda: True
    ) -> list[float] | None:
        """The log probability as a whole of each of these words alone in `float32[n]` at 16 kHz; None as `read`."""
        decoder = self._hear(wave)
        found = []
        for word in words:
            if not keep_going():
                return None
            found.append(spelled(decoder, bytes_of(word), self._pieces, self._pieces[b"."]))
        return found

    def respell(
        self, wave: Floats, text: str, phrases: Sequence[str], keep_going: Callable[[], bool]
    ) -> str | None:
        """What was read of `float32[n]` at 16 kHz, with those of the phrases in it that were probably said; None if it
        was not to keep going."""
        return self._respeller.respelled(self._hear(wave), text, phrases, keep_going)

    def _hear(self, wave: Floats) -> "_Steps":
        """A decoder that has heard this. What was heard last is not heard again: a word is read in several ways."""
        if self._last is not None and np.array_equal(wave, self._last[0]):
            steps = self._last[1]
            steps.keep(0)
            return steps
        speech = {"input_values": self._value(np.ascontiguousarray(wave[None]))}
        views = self._encoder.run_with_ort_values(self._views, speech)
        seen = dict(zip(map(_as_input, self._views), views, strict=True))
        steps = _Steps(self._decoder, self._value, self._at_first | seen)
        if len(wave) <= _KEPT_SAMPLES:
            self._last = wave, steps
        return steps

    def forget(self) -> None:
        """Keep nothing of what was heard last: somebody's speech stays no longer than its reading takes."""
        self._last = None

    def text(self, hypothesis: Hypothesis) -> str:
        """The text of its tokens."""
        return text_of(self._vocabulary, hypothesis.tokens)

    def pieces(self, text: str) -> int:
        """Of how many pieces of the vocabulary the letters of a text are made up, in small letters or with a capital:
        frequent words are one."""
        word = "".join(filter(str.isalpha, text.lower()))
        made = [tokens_of(spelling, self._pieces) for spelling in (word, word.capitalize())]
        return min((len(tokens) for tokens in made if tokens), default=len(word))


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

    def __init__(self, decoder: Any, value: Any, inputs: Mapping[str, Any]) -> None:
        """`inputs` are all but the tokens."""
        self._decoder = decoder
        self._value = value
        self._inputs = dict(inputs)
        self._logits, *self._remembered = (output.name for output in decoder.get_outputs())

    def begin(self, tokens: Sequence[int]) -> Floats:
        """As `Decoder.begin`."""
        return self._run(tokens)

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
