"""What detects: wire audio in, utterances out, each already on its way through the recogniser.

With turn detection on, the detector's speech makes the utterances; with it off (manual turns) everything
that is appended is one utterance until the client commits it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from audio.ears import listener_with
from audio.echo import NewCanceller, PlayedBeside
from audio.endpoint import SoftEnd, SpeechEnded, SpeechResumed, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.errors import SettingError
from audio.formats import SPEECH_HZ, Samples, samples_to_ms
from audio.listener import Heard, Listener, SpeechAudio
from audio.vad import Detector
from server.conversation.utterance import Utterance
from server.conversation.utterances import Utterances
from server.domain.errors import ClientError, Fault
from server.domain.values import SessionConfig, TurnDetection
from server.turntaking.endpointing import EAGERNESS
from server.turntaking.speech_events import (
    SpeechBegan,
    SpeechEvent,
    SpeechListener,
    SpeechOver,
    SpeechPaused,
    SpeechWentOn,
)

MIN_COMMIT_MS = 100
"""The shortest audio that a client may commit, as the protocol's reference server has it."""

SOFT_END_MS = 60
"""Silence after which an answer may be prepared. Two windows of Silero's detector: `scripts/bench-turns` counts
two soft ends for a sentence with one pause in it, so that hardly any answer is prepared in vain."""


FIRST_SIGN_MS = 32
"""Voice that is enough to lower an answer's: one window of Silero's detector."""


class SessionEar:
    """What is asked and told of a session's listener while it listens."""

    _listener: Listener
    _voice_ended_ms: int | None
    _agent_until_ms: int | None = -1
    """Until when the agent was audible; None while it is, -1 before it ever was."""

    def listen(self, listener: SpeechListener) -> None:
        """Who is told of events that come between two pushes."""

    def take_out_echo(self, new_canceller: NewCanceller, played: PlayedBeside) -> None:
        """As `Listener` has it."""
        self._listener.take_out_echo(new_canceller, played)

    def flush(self) -> None:
        """The events of a push have been obeyed."""

    @property
    def finds_turns(self) -> bool:
        """Whether the recogniser finds the ends of turns."""
        return False

    def confirm_after(self, silence_ms: int, *, by_level: bool = False) -> None:
        """End the utterance after so much silence, if the person does not go on, with `by_level` by any sound; for this
        pause only."""
        self._listener.confirm_after(silence_ms, by_level=by_level)

    def set_agent_audible(self, is_audible: bool) -> None:
        """While the agent can be heard, the detector must be surer of what it hears."""
        if is_audible:
            self._agent_until_ms = None
        elif self.agent_quiet_ms == 0:
            self._agent_until_ms = self.position_ms
        self._listener.set_agent_audible(is_audible)

    @property
    def agent_quiet_ms(self) -> int | None:
        """How much audio has come since the agent was audible: 0 while it is, None before it ever was."""
        if self._agent_until_ms is None:
            return 0
        return None if self._agent_until_ms < 0 else self.position_ms - self._agent_until_ms

    @property
    def is_speaking(self) -> bool:
        """Whether the detector hears the person speak."""
        return self._listener.is_speaking

    @property
    def position_ms(self) -> int:
        """Milliseconds of audio received since the session began."""
        return self._listener.position_ms

    @property
    def silence_ms(self) -> int:
        """How much audio has come since the person's voice was last heard; 0 while it goes on."""
        return 0 if self._voice_ended_ms is None else self.position_ms - self._voice_ended_ms


class Hearing(SessionEar):
    """Hears the person in one session: audio in, utterances out. Plain calls; nothing here waits."""

    def __init__(
        self,
        utterances: Utterances,
        vad: Detector,
        config: SessionConfig,
        *,
        max_utterance_s: float,
        first_sign_counts: bool,
    ) -> None:
        """With `first_sign_counts` the first sign of a voice over an answer begins an utterance: for who lowers the
        answer's voice, and takes it back when it was nothing. Others interrupt, and wait until it is certain.
        """
        self._utterances = utterances
        self._max_utterance_ms = int(max_utterance_s * 1000)
        self._first_sign_counts = first_sign_counts
        self.current: Utterance | None = None
        """The utterance that is going on."""
        self._voice_ended_ms: int | None = None
        self._undetected: Utterance | None = None
        """What the detector had found when it was switched off: the client has been told that it began."""
        self._manual = config.turn_detection is None
        self._listener = listener_with(vad, config.input_format, self._endpointing(config))

    def configure(self, config: SessionConfig) -> None:
        """Hear by the new configuration from now on; the clock goes on.

        Raises ClientError for turn detection that cannot work, and then nothing has changed.
        """
        self._listener.reconfigure(config.input_format, self._endpointing(config))
        manual, self._manual = self._manual, config.turn_detection is None
        if manual and not self._manual:
            self._drop()  # what was appended and never committed is no utterance of the detector's
        elif self._manual and not manual:
            self._undetected = self.current

    def push(self, data: bytes) -> Iterable[SpeechEvent]:
        """Hear more audio in the session's input format, cut anywhere. The hot path.

        Raises ClientError when a manual turn grows beyond the limit; what was appended so far stays.
        """
        heard = self._listener.push(data)
        return self._obey(heard) if heard else ()

    def _obey(self, all_heard: Iterable[Heard]) -> Iterator[SpeechEvent]:
        for heard in all_heard:
            yield from self._heard(heard)

    def listen_late(self, hear: Callable[[Iterable[SpeechEvent]], None]) -> None:
        """Who is told of what is heard between two pushes, by a detector whose scores come later."""
        self._listener.on_heard = lambda heard: hear(self._obey(heard))

    def _heard(self, heard: Heard) -> Iterator[SpeechEvent]:
        match heard:
            case SpeechAudio(samples=samples):
                if self._manual and self.current is not None:
                    check_room(self.current, self._max_utterance_ms)
                self._extend(samples)
            case SpeechStarted(start_sample=start, onset_sample=onset):
                self._voice_ended_ms = None
                self.current = self._open()
                start_ms, onset_ms = samples_to_ms(start, SPEECH_HZ), samples_to_ms(onset, SPEECH_HZ)
                yield SpeechBegan(self.current, start_ms, onset_ms)
            case SpeechEnded(end_sample=end):
                yield SpeechOver(self._take(), samples_to_ms(end, SPEECH_HZ))
            case SoftEnd(last_voiced_sample=last) if self.current is not None:
                self._voice_ended_ms = samples_to_ms(last, SPEECH_HZ)
                self.current.pause()
                yield SpeechPaused(self.current, self._voice_ended_ms)
            case SpeechResumed(pause_samples=pause) if self.current is not None:
                self._voice_ended_ms = None
                self.current.resume()
                yield SpeechWentOn(self.current, samples_to_ms(pause, SPEECH_HZ))

    def commit(self) -> tuple[Utterance, int | None]:
        """End the utterance here, at the client's word, and say where it ended if it was the detector's (in
        ms).

        Raises ClientError when there is too little of it.
        """
        if self.current is not None and not self._manual and not self._listener.is_speaking:
            return self._take(), self.position_ms  # the detector has not heard it
        ended_ms = None
        for heard in self._listener.end_utterance(MIN_COMMIT_MS):
            match heard:
                case SpeechAudio(samples=samples):
                    self._extend(samples)
                case SpeechEnded(end_sample=end):
                    ended_ms = samples_to_ms(end, SPEECH_HZ)
        if self.current is not None and self.current is self._undetected:
            ended_ms = self.position_ms
        length_ms = self.current.duration_ms if self.current else 0
        # Speech that the detector has found is long enough by its own measure.
        if ended_ms is None and length_ms < MIN_COMMIT_MS:
            raise ClientError(
                Fault.NOTHING_TO_COMMIT,
                f"Expected at least {MIN_COMMIT_MS}ms of audio, but buffer only has {length_ms}ms of audio.",
            )
        return self._take(), ended_ms

    def clear(self) -> bool:
        """Forget the audio that has not been committed; True if the detector had heard speech in it."""
        was_speaking = self.is_speaking
        self._listener.clear()
        self._drop()
        return was_speaking

    def forget(self, utterance: Utterance) -> None:
        """It was none; what is heard from here on is another."""
        if utterance is self.current:
            self._listener.abandon_utterance()
            self.current = None
        self._utterances.forget(utterance)

    def close(self) -> None:
        """Let go of every recognition."""
        self._listener.close()
        self._drop()
        self._utterances.close()

    def _extend(self, samples: Samples) -> None:
        if self.current is None:
            self.current = self._open()
        self.current.push(samples)

    def _open(self) -> Utterance:
        return self._utterances.open()

    def _endpointing(self, config: SessionConfig) -> EndpointConfig | None:
        return endpointing_of(config, self._max_utterance_ms, first_sign_counts=self._first_sign_counts)

    def _drop(self) -> None:
        if self.current is not None:
            self.current.close()
            self.current = None

    def _take(self) -> Utterance:
        assert self.current is not None, "the listener ends only what it has started"
        utterance, self.current = self.current, None
        self._utterances.over(utterance)
        return utterance


def check_room(utterance: Utterance, max_utterance_ms: int) -> None:
    """Raises ClientError when no more audio may come before the client commits or clears it.

    The detector ends its utterances in time; a client that ends them itself may forget to.
    """
    if utterance.duration_ms >= max_utterance_ms:
        raise ClientError(
            Fault.COMMIT_IS_DUE,
            f"the uncommitted audio has reached the limit of {max_utterance_ms} ms: commit or clear it",
            param="data",
        )


def endpointing_of(
    config: SessionConfig, max_utterance_ms: int, *, first_sign_counts: bool
) -> EndpointConfig | None:
    """How the detector ends turns; None where it does not. Raises ClientError for what cannot work."""
    detection = config.turn_detection
    if detection is None:
        return None
    return _endpointing(detection, max_utterance_ms, first_sign_counts)


@lru_cache(maxsize=64)  # most sessions have the same
def _endpointing(detection: TurnDetection, max_utterance_ms: int, first_sign_counts: bool) -> EndpointConfig:
    try:
        endpointing = EndpointConfig(
            threshold=detection.threshold,
            prefix_padding_ms=detection.prefix_padding_ms,
            silence_duration_ms=longest_silence_ms(detection),
            max_utterance_ms=max_utterance_ms,
            soft_end_ms=SOFT_END_MS,
        )
    except SettingError as error:
        raise ClientError(Fault.INVALID_VALUE, str(error), param="config.turn_detection") from error
    if first_sign_counts and detection.interrupt_response:
        return replace(
            endpointing, barge_in_threshold=detection.threshold, barge_in_min_speech_ms=FIRST_SIGN_MS
        )
    return endpointing


def longest_silence_ms(detection: TurnDetection) -> int:
    """The silence that ends a turn, whatever was said in it."""
    if detection.kind == "semantic_vad":
        return EAGERNESS[detection.eagerness].max_ms
    return detection.silence_duration_ms
