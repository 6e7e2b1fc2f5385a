"""Hearing whose audio all goes to one stream of a recogniser that finds the ends of turns, until that fails."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from audio.endpoint_config import LIMITS, EndpointConfig
from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from audio.vad import Detector
from server.conversation.utterance import Utterance
from server.conversation.utterances import Utterances
from server.domain.values import SessionConfig
from server.turntaking.hearing import Hearing
from server.turntaking.hinted_turns import HintedTurns
from server.turntaking.speech_events import SpeechEvent, SpeechListener
from server.turntaking.told_words import RunningTurn
from stages.ports import Recogniser, TurnEvent, TurnRecogniser, TurnStream
from stages.providers.calls import label_alike

AGAIN_MS = 10_000
"""Of audio, from the failure of a stream to the next."""

LONGEST_MS = int(LIMITS["silence_duration_ms"][1])
"""Silence that ends an utterance although the recogniser does not."""


class StreamHearing(Hearing):
    """The stream of one session; what is told on it is `_told`'s to say, and who is a `Recogniser` of its utterances
    has `open` besides."""

    def __init__(
        self,
        turns: TurnRecogniser,
        utterances: Utterances,
        vad: Detector,
        config: SessionConfig,
        **options: Any,
    ) -> None:
        """As `Hearing`, whose `utterances` are heard by their own recogniser when `turns` fails."""
        self._turns = HintedTurns(turns, utterances.hints)
        label_alike(self, turns)  # as the recogniser of its utterances
        self.rate_hz = turns.rate_hz
        """The sample rate of the stream."""
        self._config = config
        self._arrived: list[Samples] = []
        """What the stream has not been given yet."""
        self._stream: TurnStream | None = None
        self._running = RunningTurn()
        """At the stream."""
        self._base_sample = 0
        """Where the stream begins on the session's clock."""
        self._failed_ms = 0
        self._speech_listener: SpeechListener | None = None
        super().__init__(utterances, vad, config, **options)
        self._listener.on_audio = self._arrived.append
        self._open_stream()

    def listen(self, listener: SpeechListener) -> None:
        """Who is told of what the recogniser says."""
        self._speech_listener = listener

    def flush(self) -> None:
        """Give the recogniser the audio of the push: what it says at once comes after what the detector said."""
        for samples in self._arrived:
            if self._stream is not None:
                self._stream.push(samples)
        self._arrived.clear()
        if self._turns.may_be_outdated and self._stream is not None:  # else the next stream knows the newest
            is_due = self.current is None and not self._utterances.earlier()
            if is_due and self._turns.are_outdated():
                self._close_stream()
                self._open_stream()

    @property
    def finds_turns(self) -> bool:
        """Whether the recogniser finds the ends of turns: until its stream fails."""
        return self._stream is not None and not self._manual

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on, whoever hears it."""
        return self.current is not None and not self._manual

    def configure(self, config: SessionConfig) -> None:
        """As `Hearing` has it."""
        super().configure(config)
        self._config = config
        self._turns.may_be_outdated = True

    def close(self) -> None:
        """Close the stream too."""
        super().close()
        self._close_stream()

    def _on_turn(self, event: TurnEvent) -> None:
        for told in self._told(event):
            if self._speech_listener is not None:
                self._speech_listener.heard(told)

    def _told(self, event: TurnEvent) -> Iterator[SpeechEvent]:
        """What an event of the recogniser's means."""
        raise NotImplementedError

    def _open(self) -> Utterance:
        return self._utterances.open(cast("Recogniser", self) if self._stream is not None else None)

    def _endpointing(self, config: SessionConfig) -> EndpointConfig | None:
        endpointing = super()._endpointing(config)
        if endpointing is None or self._stream is None:
            return endpointing
        return replace(endpointing, silence_duration_ms=LONGEST_MS)

    def _stream_failed(self) -> None:
        self._close_stream()
        self._failed_ms = self.position_ms
        self._listen_anew()

    def _listen_anew(self) -> None:
        """Let the detector know what it is to end."""
        self._listener.reconfigure(self._config.input_format, self._endpointing(self._config))

    def _open_stream(self) -> None:
        self._arrived.clear()
        self._running = RunningTurn()
        self._base_sample = ms_to_samples(self.position_ms, SPEECH_HZ)
        self._stream = self._turns.open(self._on_turn)
        self._listen_anew()

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
