"""A client of a session in a room: it plays what it gets by a loudspeaker, and sends what its microphone hears.

That is the echo of it, noise, and whoever speaks over it. In virtual time, with the embedded models.
"""

import base64
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import numpy as np
from numpy.typing import NDArray

from audio.echo import load_canceller
from audio.formats import Samples
from server.domain.values import SessionConfig, TurnDetection
from server.turntaking.echo_path import EchoCancellation
from stages.providers.hibari.engine import HibariEngine
from stages.providers.hibari.voice import EmbeddedVoice
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.moonshine.recogniser import MoonshineRecogniser
from stages.providers.silero import SileroModel, SileroVad
from stages.providers.smart_turn import SmartTurn, SmartTurnModel
from stages.runtime.models import model_dir
from tests.support.audio_maker import pink_noise
from tests.support.prompt_worker import PromptWorker
from tests.support.stage import AUDIO, Stage, realtime, voice_v1

SEMANTIC = SessionConfig(turn_detection=TurnDetection(kind="semantic_vad"), transcription=True)

HZ = 24_000
STEP = HZ // 50
PAUSE_STEPS = 25

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Acoustics:
    """What the room does to the agent's voice."""

    db: float = 20.0
    """How much softer it comes back; infinity without echo."""
    delay_ms: int = 160
    """How much later: the network's buffer, the sound card and the air."""
    decay_ms: int = 0
    """Until what the walls send back is 60 dB softer; 0 for a bare copy."""
    noise_dbfs: float | None = None
    """Pink noise in the microphone; None for the hiss of a sound card."""

    def response(self) -> Floats:
        """What comes back of a click: the way from the loudspeaker, and as much again from the walls."""
        tail = np.random.default_rng(7).standard_normal(HZ * self.decay_ms // 1000)
        tail *= np.exp(-6.9 * np.arange(len(tail)) / max(len(tail), 1))
        if len(tail):
            tail /= np.linalg.norm(tail)
        heard = np.concatenate([[1.0], tail])
        found: Floats = heard / np.linalg.norm(heard) * 10 ** (-self.db / 20)
        return found


class Room:
    """A loudspeaker and a microphone. Plain calls."""

    def __init__(self, acoustics: Acoustics) -> None:
        response = acoustics.response()
        self._size = 1 << (len(response) + STEP - 1).bit_length()
        self._response = np.fft.rfft(response, self._size)
        self._ringing = np.zeros(self._size)
        self._air = deque([np.zeros(STEP)] * (acoustics.delay_ms // 20))
        self._noise = (
            np.random.default_rng(1).normal(0, 3, HZ * 10)
            if acoustics.noise_dbfs is None
            else pink_noise(10_000, acoustics.noise_dbfs, rate_hz=HZ).astype(np.float64)
        )
        self._steps = 0
        self._ahead = np.zeros(0, np.int16)
        self._said = np.zeros(0)
        self.is_held = False
        self.level = 1.0
        self._silent_steps = PAUSE_STEPS
        self.audible_steps = 0
        """For how many steps the agent has been heard to speak, with no more than the pauses of speech."""

    def queue(self, samples: Samples) -> None:
        """Audio that is to be played."""
        self._ahead = np.concatenate([self._ahead, samples])

    def flush(self) -> None:
        """Throw away what is not played yet."""
        self._ahead = self._ahead[:0]

    def say(self, samples: Samples) -> None:
        """Somebody speaks, from now on."""
        self._said = samples.astype(np.float64)

    @property
    def is_said(self) -> bool:
        """Whether they have ended."""
        return not len(self._said)

    def step(self) -> Samples:
        """20 ms later: what the microphone hears."""
        played = np.zeros(STEP)
        if not self.is_held:
            played[: len(self._ahead[:STEP])] = self._ahead[:STEP] * self.level
            self._ahead = self._ahead[STEP:]
        self._silent_steps = 0 if np.abs(played).max() > 100 else self._silent_steps + 1
        self.audible_steps = self.audible_steps + 1 if self._silent_steps < PAUSE_STEPS else 0
        self._ringing += np.fft.irfft(np.fft.rfft(played, self._size) * self._response, self._size)
        self._air.append(self._ringing[:STEP].copy())
        self._ringing = np.concatenate([self._ringing[STEP:], np.zeros(STEP)])
        at = self._steps * STEP % (len(self._noise) - STEP)
        self._steps += 1
        heard = self._air.popleft() + self._noise[at : at + STEP]
        heard[: len(self._said[:STEP])] += self._said[:STEP]
        self._said = self._said[STEP:]
        return heard.clip(-32768, 32767).astype(np.int16)

    def obey(self, kind: str) -> None:
        """Do what the server says about the voice."""
        match kind:
            case "x_pause":
                self.is_held = True
            case "x_duck":
                self.level = 0.3
            case "x_resume":
                self.is_held, self.level = False, 1.0
            case "x_flush" | "input_audio_buffer.speech_started":
                self.is_held, self.level = False, 1.0
                self.flush()


class Models:
    """The embedded ones, loaded once, each call of which takes so long, or the CPU time that it takes."""

    def __init__(self, took_s: float | None = None, cancels: Literal["off", "auto", "on"] = "off") -> None:
        """With `cancels` as the setting `echo_cancellation`."""
        self._took_s = took_s
        self._cancellation = (
            None if cancels == "off" else EchoCancellation(load_canceller(), is_always=cancels == "on")
        )
        self._ears = MoonshineModel.load(model_dir("moonshine-base-en"), threads=1)
        self._ends = SmartTurnModel.load(model_dir("smart-turn"))
        self._mouth = HibariEngine(model_dir("hibari-heart") / "hibari.onnx", 1)
        self._detector = SileroModel.load(model_dir("silero-vad"))

    def stage(self, talk: str, *, voice: bool) -> Stage:
        """A session whose agent says `talk`, with a client of `voice.v1` or a stock one. Its workers are its own: a
        call that its end finds under way is never handed back."""
        return Stage(
            talk,
            recogniser=MoonshineRecogniser(self._ears, PromptWorker("recogniser", self._took_s)),
            speaker=EmbeddedVoice(self._mouth, PromptWorker("voice", self._took_s)),
            end_of_turn=SmartTurn(self._ends, PromptWorker("end of turn", self._took_s)),
            new_vad=lambda: SileroVad(self._detector),
            config=SEMANTIC,
            dialect=voice_v1 if voice else realtime,
            echo_cancellation=self._cancellation,
        )


class Caller:
    """One client. `seen` has all that it was told, as the wire has it."""

    def __init__(self, stage: Stage, room: Room) -> None:
        self.room = room
        self._wire = stage.wire
        self._read = 0
        self._due_s = 0.0
        self.news: list[dict[str, Any]] = []
        """What came in the last step."""

    async def step(self) -> None:
        """20 ms go by."""
        seen = self._wire.seen[self._read :]
        self._read += len(seen)
        self.news = [event for _, event in seen]
        for event in self.news:
            if event["type"] == AUDIO:
                self.room.queue(np.frombuffer(event["data"], dtype="<i2"))
            elif event["type"] == "response.output_audio.delta":
                self.room.queue(np.frombuffer(base64.b64decode(event["delta"]), dtype="<i2"))
            self.room.obey(event["type"])
        heard = base64.b64encode(self.room.step().tobytes()).decode()
        self._wire.say("input_audio_buffer.append", audio=heard)
        self._due_s += 0.02
        await anyio.sleep_until(self._due_s)
