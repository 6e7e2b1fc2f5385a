"""Silero's speech detector: one model a process, and for each stream a detector that remembers its own past.

Theory of operation
===================

The model is recurrent: it takes 32 ms of sound, the 4 ms before them, and a state of 256 numbers, and returns
a probability of speech and the next state. The weights are loaded once (`SileroModel`); what a stream needs of
its own is only the state and those 4 ms (`SileroVad`), so another session costs about a kilobyte.

*On the loop.* `score` computes then and there, although the rule is that models run off the loop. Measured
with 25 sessions that all talk (two cores of a Zen 5 machine, one thread, 2026-11-23), over the loop's own work:

- here, one window a call: 91 µs a window, 7 % of a core, the loop late by 1.03 ms at p99;
- on a thread, what is due in one batch: 171 µs a window, 13 % of a core, late by 1.09 ms at p99.

A batch of 16 costs 32 µs a window, but windows of different sessions are due at different times; waiting for
company would add delay, and waking a thread and the loop costs more than the model. And a score that came
back later would make turns depend on how busy the machine was, where now the same samples give the same turns.
On a core that is slower (120 µs a window on a Zen 1, in whose cache the weights do not stay) it is still less than
half a percent of a core for each person.

*Gate.* A window below -65 dBFS, the level at which `WebRtcVad` scores nothing either, never reaches the model:
a muted microphone, or a client that suppresses noise, costs 2 µs a window instead of 70.

*Level.* The model scores a voice by telephone, or far from the microphone, as hardly any: below -35 dBFS it misses
whole sentences. What it hears is raised slowly towards the level that it knows (`audio/gain.py`); what the recogniser
hears is not.

*Forgetting.* After long noise or music the state drifts, and what follows scores too low: after a minute of a
held chord the recorded clips lost 5 % of their windows and began 3.4 windows late on average, at worst 8. So
after two seconds without anything like speech the state begins anew, and again every two seconds; that brings
it to 0.5 % and none (`tests/stages/providers/test_silero.py` holds it).
"""

import math
import threading
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel

from audio.formats import SPEECH_HZ, Samples
from audio.gain import SlowGain
from audio.levels import FULL_SCALE
from stages.errors import ProviderError
from stages.runtime.models import model_dir
from stages.runtime.onnx import BoundRun, FixedRun, Floats, open_session

MODEL_NAME = "silero-vad"
"""In the lock file."""

FILE_NAME = "silero_vad_openvino_16k.onnx"
"""The maker's graph for 16 kHz and one stream: the same weights and scores to the bit as `silero_vad.onnx`, whose
branches for other rates and shapes take a third of its time."""

FRAME_SAMPLES = 512
"""32 ms, the one length that the model takes at 16 kHz."""

_CONTEXT_SAMPLES = 64
_STEP = np.float32(1 / FULL_SCALE)
"""Of an int16, at full scale 1."""

QUIETEST_DBFS = -65.0
_QUIETEST_ENERGY = FRAME_SAMPLES * 10 ** (QUIETEST_DBFS / 10)

_VOICE = 0.5
_NOTHING_LIKE_SPEECH = 0.1
_FORGET_FRAMES = 2 * SPEECH_HZ // FRAME_SAMPLES
"""Two seconds."""


class SileroModel:
    """Silero's speech detector on this machine's CPU: its weights, shared by all streams of the process."""

    interface = 1

    def __init__(self, model: FixedRun) -> None:
        """`model` has the inputs and outputs of `arrays`."""
        self._run = model.run
        self._state: Floats = model.inputs["state"]
        self._next_state: Floats = model.outputs["stateN"]
        self._probability: Floats = model.outputs["output"]
        self.past: Floats = model.inputs["input"][0, :_CONTEXT_SAMPLES]
        """Where the sound before a window goes, and after it the window, at full scale."""
        self.window: Floats = model.inputs["input"][0, _CONTEXT_SAMPLES:]
        self.lock = threading.Lock()
        """Held from the first sample of a window to its score: all streams share one set of arrays."""

    @classmethod
    def from_settings(cls, settings: BaseModel) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        return cls.load(model_dir(MODEL_NAME))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load `FILE_NAME` in `directory` and warm it up; some 50 ms. Raises ModelFileError."""
        model = cls(BoundRun(open_session(MODEL_NAME, directory / FILE_NAME), *arrays()))
        model.open().score(np.full(FRAME_SAMPLES, 1000, np.int16))
        return model

    def open(self) -> "SileroVad":
        """A detector for one stream."""
        return SileroVad(self)

    def run(self, state: Floats) -> float:
        """Probability of speech in the window; `state` becomes the next one. Raises ProviderError."""
        np.copyto(self._state, state)
        try:
            self._run()
        except Exception as error:  # onnxruntime's have no root of their own
            raise ProviderError(f"the speech detector failed: {error}") from error
        np.copyto(state, self._next_state)
        return self._probability.item()


def arrays() -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Inputs and outputs of the model: 4 ms of past and a window of 32 ms, and a state, make a probability and the next
    state."""
    inputs = {"input": np.zeros((1, _CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32), "state": _fresh_state()}
    return inputs, {"output": np.zeros((1, 1), np.float32), "stateN": _fresh_state()}


def _fresh_state() -> Floats:
    return np.zeros((2, 1, 128), np.float32)


class SileroVad:
    """`audio.vad.Vad` for one stream."""

    __slots__ = ("_gain", "_model", "_past", "_quiet_frames", "_state")

    rate_hz = SPEECH_HZ
    frame_samples = FRAME_SAMPLES

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._past: Floats = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._state = _fresh_state()
        self._quiet_frames = 0
        self._gain = SlowGain(FRAME_SAMPLES / SPEECH_HZ)

    def score(self, frame: Samples) -> float:
        """The model's probability of speech for `int16[512]`. Raises ProviderError."""
        model, score = self._model, 0.0
        with model.lock:
            window = model.window
            np.multiply(frame, _STEP, out=window)
            energy = window.dot(window).item()
            if energy > _QUIETEST_ENERGY:
                dbfs = 10 * math.log10(energy / FRAME_SAMPLES)
                if (gain := self._gain.at(dbfs)) != 1.0:
                    np.multiply(window, gain, out=window)
                np.copyto(model.past, self._past)
                score = model.run(self._state)
                self._gain.heard(dbfs, is_voice=score >= _VOICE)
            np.copyto(self._past, window[-_CONTEXT_SAMPLES:])
        self._quiet_frames = 0 if score >= _NOTHING_LIKE_SPEECH else self._quiet_frames + 1
        if self._quiet_frames == _FORGET_FRAMES:
            self._forget()
        return score

    def reset(self) -> None:
        """Forget the sound so far; what comes next is another stream."""
        self._past.fill(0)
        self._gain = SlowGain(FRAME_SAMPLES / SPEECH_HZ)
        self._forget()

    def _forget(self) -> None:
        self._state.fill(0)
        self._quiet_frames = 0
