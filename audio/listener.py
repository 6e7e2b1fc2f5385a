"""The whole ear of a session: wire bytes in, utterances and their audio out; one plain call per push.

    bytes ─▶ Intake (decode, resample to 16 kHz) ─▶ Framer ─▶ Vad ─▶ Endpointer ─▶ Started, Audio…, Ended

Every sample number is at 16 kHz since the session began, whatever the wire's format, and stays so through
`clear`, `reconfigure` and changes of format.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audio.echo import EchoFreeIntake, NewCanceller, PlayedBeside
from audio.endpoint import Endpointer, EndpointEvent, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.errors import FormatError
from audio.formats import SPEECH_HZ, AudioFormat, Samples
from audio.framing import Framer
from audio.intake import Intake
from audio.pause import Pause, Rise
from audio.vad import Vad, WebRtcVad


@dataclass(frozen=True, slots=True, eq=False)
class SpeechAudio:
    """The next stretch of the utterance, `int16[n]` at 16 kHz; the stretches joined are the utterance."""

    samples: Samples


Heard = SpeechAudio | EndpointEvent


class Listener:
    """Listens to one client.

    With an `EndpointConfig` it finds the utterances by itself: SpeechStarted, then SpeechAudio from its
    `start_sample` to the `end_sample` of the SpeechEnded that follows, silence at the end included; SoftEnd
    and SpeechResumed, if asked for, come after the audio that brought them. Without one (manual turns) all
    audio comes out as SpeechAudio and the caller decides.
    """

    __slots__ = (
        "_agent_is_audible",
        "_by_level",
        "_endpointer",
        "_framer",
        "_intake",
        "_pause",
        "_recent",
        "_vad",
        "on_audio",
        "on_heard",
    )

    def __init__(
        self, format: AudioFormat, vad: Vad | None = None, config: EndpointConfig | None = None
    ) -> None:
        """`vad` defaults to a `WebRtcVad` of its own. Raises FormatError if it does not listen at 16 kHz."""
        self._vad: Vad = vad or WebRtcVad()
        if self._vad.rate_hz != SPEECH_HZ:
            raise FormatError(f"the detector listens at {self._vad.rate_hz} Hz; it must be {SPEECH_HZ} Hz")
        self.on_audio: Callable[[Samples], None] | None = None
        """Given all audio as it comes, speech or not: `int16[n]` at 16 kHz."""
        self.on_heard: Callable[[list[Heard]], None] | None = None
        """Given what is heard between two pushes, by a detector whose scores come later."""
        self._intake: Intake = Intake(format)
        self._framer = Framer(self._vad.frame_samples)
        self._endpointer: Endpointer | None = None
        self._agent_is_audible = False
        self._by_level = False
        self._pause = Pause()
        self._recent: deque[Samples] = deque()
        self.reconfigure(format, config)

    def take_out_echo(self, new_canceller: NewCanceller, played: PlayedBeside) -> None:
        """Hear from now on what there is beside the echo of what is played; before any audio."""
        self._intake = EchoFreeIntake(self._intake.format, new_canceller, played)

    @property
    def position_ms(self) -> int:
        """Audio received since the session began, in whole milliseconds; never goes back."""
        return self._intake.received_ms

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on; never with manual turns."""
        return self._endpointer is not None and self._endpointer.is_speaking

    def confirm_after(self, ms: int, *, by_level: bool = False) -> None:
        """End the utterance after this much silence, if it is not resumed; holds from the next push on.

        With `by_level` any sound that plainly rises out of the pause resumes it: detectors miss single letters and
        digits. See `Endpointer.confirm_after`. With manual turns it has no effect.
        """
        if self._endpointer is not None:
            self._endpointer.confirm_after(ms)
            self._by_level = by_level

    def set_agent_audible(self, is_audible: bool) -> None:
        """Whether the agent can be heard: then what begins is a barge-in and has to be surer of itself."""
        self._agent_is_audible = is_audible
        if self._endpointer is not None:
            self._endpointer.agent_is_audible = is_audible

    def push(self, data: bytes) -> list[Heard]:
        """What the next bytes from the client bring, in order. Any bytes, cut anywhere; never raises."""
        if self._endpointer is None or self.on_audio is not None:
            samples = self._intake.push(data)
            if self.on_audio is not None and len(samples):
                self.on_audio(samples)
            if self._endpointer is None:
                return _audio(samples)
        else:
            samples = self._intake.push(data, self._framer.missing_samples, self._vad.frame_samples)
        heard: list[Heard] = []
        if not len(samples):
            return heard
        for frame in self._framer.push(samples):
            self._hear(self._endpointer, frame, heard)
        return heard

    def end_utterance(self, least_ms: int = 1) -> list[Heard]:
        """The client says the utterance ends here: the audio that was still on its way, then SpeechEnded.

        With manual turns just the audio. Empty when the detector has heard no speech: then nothing happens. Just the
        audio, too, where that has not been heard yet by a detector whose scores come later: `least_ms` of it or more.
        """
        if self._endpointer is None:
            return _audio(self._intake.flush())
        if not self._endpointer.is_speaking:
            return []
        return [*_audio(self._drain(self._endpointer)), self._endpointer.end()]

    def abandon_utterance(self) -> None:
        """What is going on was no utterance: back to silence without an event, and without losing a sample."""
        if self._endpointer is not None:
            self._endpointer.reset()

    def clear(self) -> None:
        """Forget all audio that has come in, back to silence without an event. The clock goes on."""
        self._intake.drop_partial_sample()
        if self._endpointer is None:
            self._intake.flush()
            return
        self._drain(self._endpointer)
        self._endpointer.reset()
        self._recent.clear()
        self._vad.reset()

    def reconfigure(self, format: AudioFormat, config: EndpointConfig | None) -> None:
        """Go on with this wire format and these settings: same clock, nothing lost, an utterance goes on.

        Between detected and manual turns an utterance is abandoned without SpeechEnded.
        """
        if format != self._intake.format:
            self._intake.change_format(format)
        if config is None:
            self._intake.unread(self._framer.take())
            self._endpointer = None
            self._recent.clear()
            return
        if self._endpointer is None:
            self._endpointer = Endpointer(config, position=self._intake.emitted_samples)
            self._endpointer.agent_is_audible = self._agent_is_audible
        else:
            self._endpointer.reconfigure(config)
        self._recent = deque(self._recent, maxlen=_frames_to_keep(self._endpointer, self._vad.frame_samples))

    def close(self) -> None:
        """Hear nothing more: `on_heard` is not called afterwards."""
        self.on_heard = None

    def _hear(self, endpointer: Endpointer, frame: Samples, heard: list[Heard]) -> None:
        """Score one frame; append what it brings to `heard`. The hot path."""
        rise = self._pause.hear(frame) if endpointer.is_pausing else Rise.NONE
        score = self._vad.score(frame)
        is_voice = self._by_level and rise is Rise.PLAIN
        event = endpointer.push(1.0 if is_voice else score, len(frame), rise > Rise.NONE)
        if event is None:
            if endpointer.is_speaking:
                heard.append(SpeechAudio(frame))
            else:
                self._recent.append(frame)
        elif isinstance(event, SpeechStarted):
            self._start(endpointer, event, frame, heard)
        else:
            heard += (SpeechAudio(frame), event)
            self._pause.begin()
            self._by_level = False

    def _start(
        self, endpointer: Endpointer, event: SpeechStarted, frame: Samples, heard: list[Heard]
    ) -> None:
        """Speech has begun, and was noticed in this frame."""
        from_start = endpointer.position - event.start_sample
        spoken = np.concatenate((*self._recent, frame))[-from_start:]
        heard += (event, SpeechAudio(spoken))
        self._recent.clear()

    def _drain(self, endpointer: Endpointer) -> Samples:
        """Take what the resampler and the framer hold back past the detector."""
        rest = np.concatenate((self._framer.take(), self._intake.flush()))
        endpointer.skip(len(rest))
        return rest


def _audio(samples: Samples) -> list[Heard]:
    return [SpeechAudio(samples)] if len(samples) else []


def _frames_to_keep(endpointer: Endpointer, frame_samples: int) -> int:
    """Frames that reach back as far as a beginning may."""
    return -(-endpointer.reach_samples // frame_samples)
