"""Kokoro's network: phonemes in, sound out, and where in the sound each phoneme lies.

The network decides how long each phoneme lasts before it makes the sound, and is opened with that decision as one more
output. The lock file pins it, and with it the name of the tensor.
"""

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stages.errors import ModelFileError
from stages.providers.kokoro.phonemes import in_pieces, phonemizer
from stages.providers.phonetic import Clip, Floats
from stages.runtime.onnx import RunOptions, StoppableSession, open_session, run_options

MODEL_NAME = "kokoro"

MOST_PHONEMES = 500
"""Of one call; the network has been made for 510."""

_DURATIONS = "/encoder/Clip_output_0"
_DURATION_SAMPLES = 600
"""What the network counts durations in."""

_STYLE = 256


class Engine(Protocol):
    """What speaks phonemes in many voices. One thread at a time."""

    def phonemize(self, text: str, voice: str) -> list[str]:
        """A text's phonemes as a voice says them, a string for each call; words that are spoken apart stand apart."""

    def speak(self, phonemes: str, *, voice: str, speed: float, stop: RunOptions) -> Clip:
        """The sound of one such string. Fails soon after `stop` says so."""

    def new_stop(self) -> RunOptions:
        """By which any thread can end one or more calls."""


class KokoroEngine:
    """`Engine` by onnxruntime."""

    def __init__(self, directory: Path, threads: int) -> None:
        """Raises ModelFileError."""
        self._directory = directory
        self._session: StoppableSession = open_session(
            MODEL_NAME, directory / "kokoro.onnx", threads=threads, tensor=_DURATIONS
        )
        try:
            vocabulary: Any = json.loads((directory / "vocab.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{MODEL_NAME}: cannot read {directory / 'vocab.json'}: {error}") from error
        self._ids: dict[str, int] = vocabulary.get("vocab", vocabulary)
        self._styles = dict[str, Floats]()

    def phonemize(self, text: str, voice: str) -> list[str]:
        """As `Engine` has it."""
        known = "".join(one for one in phonemizer(voice)(text) if one in self._ids)
        return [piece for piece in in_pieces(known, MOST_PHONEMES) if any(map(str.isalpha, piece))]

    def speak(self, phonemes: str, *, voice: str, speed: float, stop: RunOptions) -> Clip:
        """As `Engine` has it. `phonemes` are those of `phonemize`."""
        ids = [self._ids[one] for one in phonemes]
        style = self._style(voice)[len(ids)]
        inputs = {
            "tokens": np.asarray([[0, *ids, 0]], np.int64),
            "style": style.reshape(1, _STYLE),
            "speed": np.asarray([speed], np.float32),
        }
        sound, durations = self._session.run(None, inputs, stop)
        ends = np.cumsum(durations.reshape(-1)[:-1].astype(np.int64)) * _DURATION_SAMPLES
        return Clip(sound.reshape(-1), tuple(ends.tolist()))

    def new_stop(self) -> RunOptions:
        """As `Engine` has it."""
        return run_options()

    def _style(self, voice: str) -> Floats:
        """By the number of phonemes, what makes the network speak as this voice."""
        if voice not in self._styles:
            path = self._directory / f"{voice}.bin"
            self._styles[voice] = np.fromfile(path, np.float32).reshape(-1, _STYLE)
        return self._styles[voice]
