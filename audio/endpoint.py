"""Scores in, beginnings and ends of utterances out, on a clock of samples.

Theory of operation
===================

A detector scores each stretch of audio from 0 to 1; scores flicker, and a cough or a key press scores high
for a moment. The endpointer turns them into utterances with three states:

    SILENCE ──score ≥ threshold──▶ ONSET ──enough of it──▶ SPEECH ──silence, too long, or told to──▶ SILENCE
                                     └──dwindled, or undecided for too long──▶ SILENCE

- *Clock.* The only time is the count of samples pushed. Nothing here knows a rate of arrival, so a recording
  played at any speed has the same utterances to the sample.
- *Onset.* Voiced samples pay into a balance, unvoiced ones draw on it. Speech is certain when the balance
  reaches `min_speech_ms`, noise when it is empty, or after four times `min_speech_ms` without a decision. One
  weak frame inside a word therefore costs two frames of time, not the word.
- *Hysteresis.* To begin, a score must reach `threshold`; to go on, 0.7 of it. Speech fades; a limit for both
  would chop it.
- *Pre-roll.* Detectors miss soft beginnings, so an utterance starts `prefix_padding_ms` before its onset, but
  never before the end of the last one or the last reset: utterances do not overlap, and what was cleared
  stays cleared.
- *End.* `silence_duration_ms` without a voiced sample ends it; the silence belongs to it, and
  `last_voiced_sample` says where the voice ended. At `max_utterance_ms` it is ended by force, and if the
  person talks on, the next one follows without a gap.
- *Reach.* `reach_samples` bounds how far back a beginning may point, hence how much audio the caller must
  keep.

Events strictly alternate, beginning with SpeechStarted; `reset` is the only way out of speech without
SpeechEnded.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from audio.errors import SettingError
from audio.formats import SPEECH_HZ, ms_to_samples

LIMITS: dict[str, tuple[float, float]] = {
    "threshold": (0.01, 1.0),
    "prefix_padding_ms": (0, 2_000),
    "silence_duration_ms": (40, 10_000),
    "min_speech_ms": (0, 1_000),
    "max_utterance_ms": (10_000, 300_000),
}
"""The least and the most that each field of `EndpointConfig` may be."""

_LEAVE_SHARE = 0.7
"""Share of the threshold that speech must keep: 0.35 of 0.5, a gap that detectors commonly leave."""

_ONSET_PATIENCE = 4
"""An onset is given up after this many times `min_speech_ms`: that bounds the reach."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """When speech begins and when it has ended. Raises SettingError naming every field outside `LIMITS`."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    min_speech_ms: int = 100
    max_utterance_ms: int = 60_000

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {getattr(self, name)}; allowed is {low} to {high}"
            for name, (low, high) in LIMITS.items()
            if not low <= getattr(self, name) <= high
        ]
        if faults:
            raise SettingError("; ".join(faults))


class EndReason(StrEnum):
    """Why an utterance is over."""

    SILENCE = "silence"
    TOO_LONG = "too_long"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance has begun: its audio at `start_sample`, pre-roll included, its voice at `onset_sample`."""

    start_sample: int
    onset_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over: its audio ends before `end_sample`, its voice before `last_voiced_sample`."""

    end_sample: int
    last_voiced_sample: int
    reason: EndReason = EndReason.SILENCE


EndpointEvent = SpeechStarted | SpeechEnded


class _State(Enum):
    SILENCE = "silence"
    ONSET = "onset"
    SPEECH = "speech"


@dataclass(frozen=True, slots=True)
class _Limits:
    """The configuration in the units of the hot path."""

    enter: float
    leave: float
    prefix_samples: int
    silence_samples: int
    min_speech_samples: int
    patience_samples: int
    max_samples: int


def _limits(config: EndpointConfig, rate_hz: int) -> _Limits:
    min_speech_samples = ms_to_samples(config.min_speech_ms, rate_hz)
    return _Limits(
        enter=config.threshold,
        leave=config.threshold * _LEAVE_SHARE,
        prefix_samples=ms_to_samples(config.prefix_padding_ms, rate_hz),
        silence_samples=ms_to_samples(config.silence_duration_ms, rate_hz),
        min_speech_samples=min_speech_samples,
        patience_samples=_ONSET_PATIENCE * min_speech_samples,
        max_samples=ms_to_samples(config.max_utterance_ms, rate_hz),
    )


class Endpointer:
    """Finds utterances in scored audio. Its clock begins at `position` samples and only ever grows."""

    __slots__ = (
        "_balance",
        "_earliest_sample",
        "_last_voiced_sample",
        "_limits",
        "_onset_sample",
        "_rate_hz",
        "_start_sample",
        "_state",
        "position",
    )

    def __init__(self, config: EndpointConfig, rate_hz: int = SPEECH_HZ, position: int = 0) -> None:
        self._limits = _limits(config, rate_hz)
        self._rate_hz = rate_hz
        self.position = position
        self._earliest_sample = position
        self._onset_sample = self._start_sample = self._last_voiced_sample = position
        self._balance = 0
        self._state = _State.SILENCE

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._state is _State.SPEECH

    @property
    def reach_samples(self) -> int:
        """How far SpeechStarted may point back, at most, before the samples of the push that returns it."""
        return self._limits.prefix_samples + self._limits.patience_samples

    def push(self, score: float, n_samples: int) -> EndpointEvent | None:
        """The next `n_samples` of the stream have this score."""
        before = self.position
        self.position = before + n_samples
        if self._state is _State.SPEECH:
            return self._push_in_speech(score)
        return self._push_in_silence(score, before, n_samples)

    def skip(self, n_samples: int) -> None:
        """The next `n_samples` go by unscored: they belong to what is going on and decide nothing."""
        self.position += n_samples

    def end(self) -> SpeechEnded:
        """End the utterance that is going on here and now, because the client says so."""
        assert self.is_speaking, "there is an utterance to end"
        return self._end(EndReason.COMMITTED)

    def reset(self) -> None:
        """Back to silence, without an event; no later utterance reaches back before this sample."""
        self._state = _State.SILENCE
        self._earliest_sample = self.position

    def reconfigure(self, config: EndpointConfig) -> None:
        """Go on with other settings: same clock, same state, and no reach beyond what the old ones had."""
        self._earliest_sample = max(self._earliest_sample, self.position - self.reach_samples)
        self._limits = _limits(config, self._rate_hz)

    def _push_in_silence(self, score: float, before: int, n_samples: int) -> SpeechStarted | None:
        limits = self._limits
        if score >= limits.enter:
            if self._state is _State.SILENCE:
                self._state = _State.ONSET
                self._onset_sample = before
                self._balance = 0
            self._balance += n_samples
            if self._balance >= limits.min_speech_samples:
                return self._start()
        elif self._state is _State.SILENCE:
            return None
        else:
            self._balance -= n_samples
        if self._balance <= 0 or self.position - self._onset_sample >= limits.patience_samples:
            self._state = _State.SILENCE
        return None

    def _push_in_speech(self, score: float) -> SpeechEnded | None:
        limits = self._limits
        if score >= limits.leave:
            self._last_voiced_sample = self.position
        elif self.position - self._last_voiced_sample >= limits.silence_samples:
            return self._end(EndReason.SILENCE)
        if self.position - self._start_sample >= limits.max_samples:
            return self._end(EndReason.TOO_LONG)
        return None

    def _start(self) -> SpeechStarted:
        self._state = _State.SPEECH
        self._start_sample = max(self._earliest_sample, self._onset_sample - self._limits.prefix_samples)
        self._last_voiced_sample = self.position
        return SpeechStarted(self._start_sample, self._onset_sample)

    def _end(self, reason: EndReason) -> SpeechEnded:
        self.reset()
        return SpeechEnded(self.position, self._last_voiced_sample, reason)
