"""Smart Turn v3: how probable it is, by the sound of the last 8 seconds, that somebody has finished speaking.

Theory of operation. The model hears what words do not say: whether the melody has come to rest. It takes the
last 8 s, silence in front if there is less, brought to zero mean and unit variance, as Whisper's log-mel, and
returns a probability. One copy serves all sessions, on one thread: a call takes 30 ms on a recent core and
0.3 s on one without fast int8, too long for the loop either way. It is worth asking once a pause, at its
soft end.

An answer is worth something only while the person is silent. So a session that asks again drops its earlier
question (newest wins), and a question is dropped when it is older than `DEADLINE_S`. Whoever asks must
do without an answer if none comes; the transcript and the silence remain.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ProviderBusy, ProviderError
from stages.patience import within
from stages.runtime.logmel import FRAMES_PER_S, log_mel_of_wave
from stages.runtime.models import model_dir
from stages.runtime.onnx import Floats, OnnxSession, open_session
from stages.runtime.worker import Job, Worker

MODEL_NAME = "smart-turn"
"""In the lock file."""

WINDOW_S = 8
_WINDOW_SAMPLES = WINDOW_S * SPEECH_HZ

DEADLINE_S = 0.5
"""Later than this, silence alone has nearly decided."""


_LEAST_VARIANCE = 1e-7
"""Added, as in the model's training, so that silence does not divide by zero."""


class SmartTurnModel:
    """The loaded model; its one method blocks."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load `smart-turn-v3.2-cpu.onnx` in `directory`. Its first answer takes hardly longer than
        others. Raises ModelFileError."""
        path = directory / "smart-turn-v3.2-cpu.onnx"
        model = cls(open_session(MODEL_NAME, path, threads=threads, rearranged=True))
        log_mel_of_wave(np.zeros(SPEECH_HZ, np.float32), FRAMES_PER_S)  # makes its windows and bands
        return model

    def probability(self, samples: Samples) -> float:
        """0 (will go on) to 1 (has finished) after `int16[n]` at 16 kHz. Raises ProviderError."""
        features = log_mel_of_wave(_window(samples), WINDOW_S * FRAMES_PER_S)
        try:
            (probability,) = self._session.run(None, {"input_features": features[None]})
        except Exception as error:  # onnxruntime's have no root of their own
            raise ProviderError(f"the end-of-turn model failed: {error}") from error
        return float(probability[0, 0])


class SmartTurn:
    """Smart Turn v3 on this machine's CPU, on a thread that all sessions share."""

    interface = 1

    def __init__(self, model: SmartTurnModel, worker: Worker) -> None:
        self.model = model
        self.worker = worker

    @classmethod
    def from_settings(cls, settings: BaseModel) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        return cls.load(model_dir("smart-turn"))

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load the model in `directory`; blocks. Raises ModelFileError."""
        model = SmartTurnModel.load(directory, threads=threads)
        return cls(model, Worker("end of turn"))

    async def probability(self, samples: Samples) -> float:
        """`SmartTurnModel.probability`, on the thread. Cancel-safe.

        Raises ProviderBusy when too many wait, ProviderTimeout after `DEADLINE_S`, ProviderError otherwise.
        """
        answer = self.worker.run(lambda: self.model.probability(samples))
        return await within(DEADLINE_S, f"the end-of-turn model took over {DEADLINE_S} s", answer)

    def open(self, on_probability: Callable[[float], None]) -> "SmartTurnQuestions":
        """The questions of one session; answers come on the event loop, and only until `close`."""
        return SmartTurnQuestions(self, on_probability)

    def close(self) -> None:
        """End the thread. Blocks until the call it is in is done, so call it off the loop."""
        self.worker.close()


class SmartTurnQuestions:
    """What one session asks: at most one question at a time, the newest."""

    def __init__(self, smart_turn: SmartTurn, on_probability: Callable[[float], None]) -> None:
        self._smart_turn = smart_turn
        self._on_probability = on_probability
        self._job: Job[float] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def ask(self, samples: Samples) -> None:
        """Ask about `int16[n]` at 16 kHz; never waits. Nothing is answered if the model is busy or fails."""
        self.drop()
        model, worker = self._smart_turn.model, self._smart_turn.worker
        samples = samples[-_WINDOW_SAMPLES:]
        try:
            self._job = worker.submit(lambda: model.probability(samples), self._answer)
        except ProviderBusy:
            return
        self._deadline = self._job.loop.call_later(DEADLINE_S, self.drop)

    def drop(self) -> None:
        """Withdraw the question, because the person speaks again; its answer is not reported."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._job is not None:
            self._job.cancel()
            self._job = None

    close = drop

    def _answer(self, job: Job[float]) -> None:
        self.drop()
        try:
            probability = job.result()
        except ProviderError:
            return  # evidence that is missing
        self._on_probability(probability)


def _window(samples: Samples) -> Floats:
    """`float32[128000]`: the last 8 s at the end of it, at zero mean and unit variance."""
    recent = samples[-_WINDOW_SAMPLES:]
    wave: Floats = np.zeros(_WINDOW_SAMPLES, np.float32)
    wave[_WINDOW_SAMPLES - len(recent) :] = recent
    wave /= 32768
    wave -= wave.mean()
    wave /= np.sqrt(wave.var() + _LEAST_VARIANCE)
    return wave
