"""hibari as the embedded voice needs it: phonemes in, sound out, and where in the sound each phoneme lies.

hibari tells no times, but its network decides how long each phoneme lasts before it makes the sound. So the
network is opened with that decision as one more output; phonemes and the making of the sound are hibari's own.
The lock file pins the network, and with it the name of the tensor.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stages.errors import ModelFileError
from stages.providers.phonetic import Clip, Floats
from stages.runtime.made_files import made_dir
from stages.runtime.onnx import open_rearranged, with_output

_DURATIONS = "/Cast_32_output_0"
_DURATION_SAMPLES = 600
"""What the network counts durations in: two of its frames."""


class Engine(Protocol):
    """What speaks phonemes."""

    def phonemize(self, text: str) -> list[str]:
        """A text's phonemes, a string a sentence; words that are spoken apart stand apart."""

    def speak(self, phonemes: str, speed: float, seed: int) -> Clip:
        """The sound of one such string; the same seed makes the same sound."""


class HibariEngine:
    """`Engine` by hibari-tts. One thread at a time."""

    def __init__(self, model: Path, threads: int) -> None:
        """Raises ModelFileError when hibari-tts or its model cannot be loaded."""
        try:
            from hibari import Hibari, dsp

            from stages.providers.hibari.dictionary import pronunciation

            words = Words(pronunciation(made_dir()))
            # What hibari calls a path it hands to onnxruntime as it is, and that takes bytes as well.
            self._hibari: Any = open_rearranged(
                "hibari-heart",
                with_output(model.read_bytes(), _DURATIONS),
                lambda network: Hibari(model=network, threads=threads, g2p=words),
            )
            self._synth: Any = dsp.synth
        except ImportError as error:
            raise ModelFileError(
                f"hibari-heart: {error}; the voice needs `pip install 'stageflow-voice[embedded]'`"
            ) from error
        except Exception as error:  # onnxruntime's have no root of their own
            raise ModelFileError(f"hibari-heart: cannot load {model}: {error}") from error

    def phonemize(self, text: str) -> list[str]:
        """As `Engine` has it."""
        phonemes: list[str] = self._hibari.phonemize(text)
        return phonemes

    def speak(self, phonemes: str, speed: float, seed: int) -> Clip:
        """As `Engine` has it. `phonemes` must hold at least one that hibari knows."""
        ids = np.asarray([self._hibari.ids(phonemes)], np.int64)
        inputs = {"ids": ids, "speed": np.asarray([speed], np.float32)}
        *parts, durations = self._hibari.sess.run(None, inputs)
        samples: Floats = self._synth(*(part[0] for part in parts), np.random.default_rng(seed))
        return Clip(samples, self._bounds(phonemes, durations.reshape(-1)))

    def _bounds(self, phonemes: str, durations: npt.NDArray[np.int64]) -> tuple[int, ...]:
        """The network is not given what is not in its alphabet; the silence around it has durations too."""
        at, known = int(durations[0]), iter(durations[1:].tolist())
        bounds = [at]
        for phoneme in phonemes:
            at += next(known) if phoneme in self._hibari.vocab else 0
            bounds.append(at)
        return tuple(bound * _DURATION_SAMPLES for bound in bounds)


class Words:
    """hibari's pronunciation of words, without its reading of numbers and abbreviations: it is given words, and would
    make "number" of a "no" at the end of a sentence."""

    def __init__(self, g2p: Any) -> None:
        self._g2p = g2p

    def __call__(self, text: str) -> str:
        phonemes: str = self._g2p(" ".join(text.replace("’", "'").split()), normalize_text=False)
        return phonemes
