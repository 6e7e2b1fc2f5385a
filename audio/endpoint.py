"""Scores in, beginnings and ends of utterances out, on a clock of samples.

Theory of operation
===================

A detector scores each stretch of audio from 0 to 1; scores flicker, and a cough or a key press scores high
for a moment. The endpointer turns them into utterances with three states:

    SILENCE ──enough voice──▶ SPEECH ──soft end──▶ PAUSE ──enough voice──▶ SPEECH
                                │                    │
                                └──confirmed end, too long, or told to──▶ SILENCE

- *Clock.* The only time is the count of samples pushed. Nothing here knows a rate of arrival, so a recording
  played at any speed has the same utterances to the sample.
- *Onset.* Voiced samples pay into a balance, unvoiced ones draw on it. Speech is certain when the balance
  reaches `min_speech_ms`, noise when it is empty, or after four times `min_speech_ms` without a decision. One
  weak frame inside a word therefore costs two frames of time, not the word.
- *Barge-in.* While the agent can be heard, an onset must reach `barge_in_threshold` for
  `barge_in_min_speech_ms`: longer than elsewhere where a mistake costs the person an answer, shorter where all it
  does is to lower the voice until more is known.
- *Hysteresis.* To begin, a score must reach `threshold`; to go on, 0.7 of it. Speech fades; a limit for both
  would chop it.
- *Pre-roll.* Detectors miss soft beginnings, so an utterance starts `prefix_padding_ms` before its onset, but
  never before the end of the last one or the last reset: utterances do not overlap, and what was cleared
  stays cleared.
- *Soft end.* `soft_end_ms` without a voiced sample is probably an end: time to begin an answer that may have
  to be thrown away. Half of it is enough where the score says plainly that there is no voice. A score of exactly 0 does
  not count as plain: detectors that do not grade their no give it (WebRTC's), and those let go of soft voices.
  If the voice comes back before the end is confirmed, with half of what an onset needs, SpeechResumed revokes it.
  Without `soft_end_ms` there is no PAUSE and neither event.
- *Confirmed end.* `silence_duration_ms` without a voiced sample ends the utterance; `confirm_after` asks for
  another silence, at any time, for this pause. An end waits while a resumption is undecided, and up to
  `endpoint_config.RISE_PATIENCE_MS` while sound rises out of the pause and is no voice yet. The silence belongs to the
  utterance, and `last_voiced_sample` says where the voice ended. At `max_utterance_ms` it is ended by force,
  and if the person talks on, the next one follows without a gap.
- *Reach.* `reach_samples` bounds how far back a beginning may point, hence how much audio the caller must
  keep.

Events of an utterance are SpeechStarted (SoftEnd SpeechResumed)* SoftEnd? SpeechEnded; `reset` is the only way
out of it without SpeechEnded.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from audio.endpoint_config import LIMITS, EndpointConfig, sample_limits
from audio.errors import SettingError
from audio.formats import SPEECH_HZ, ms_to_samples
from audio.onset import Onset


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
class SoftEnd:
    """The utterance has probably ended: the voice before `last_voiced_sample`, noticed at `at_sample`."""

    at_sample: int
    last_voiced_sample: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """It had not: the pause since `last_voiced_sample` ended at `onset_sample`, where the voice came back."""

    onset_sample: int
    last_voiced_sample: int

    @property
    def pause_samples(self) -> int:
        """How long the person was silent within their utterance."""
        return self.onset_sample - self.last_voiced_sample


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over: its audio ends before `end_sample`, its voice before `last_voiced_sample`."""

    end_sample: int
    last_voiced_sample: int
    reason: EndReason = EndReason.SILENCE


EndpointEvent = SpeechStarted | SoftEnd | SpeechResumed | SpeechEnded


class _State(Enum):
    SILENCE = "silence"
    SPEECH = "speech"
    PAUSE = "pause"


class Endpointer:
    """Finds utterances in scored audio. Its clock begins at `position` samples and only ever grows."""

    __slots__ = (
        "_confirm_samples",
        "_last_voiced_sample",
        "_limits",
        "_onset",
        "_rate_hz",
        "_start_sample",
        "_state",
        "agent_is_audible",
        "earliest_sample",
        "position",
    )

    def __init__(self, config: EndpointConfig, rate_hz: int = SPEECH_HZ, position: int = 0) -> None:
        self._limits = sample_limits(config, rate_hz)
        self._rate_hz = rate_hz
        self.position = position
        self.agent_is_audible = False
        """Set by the caller: an onset is a barge-in while this holds."""
        self.earliest_sample = position
        """Where an utterance that is not there yet may begin, at the earliest."""
        self._start_sample = self._last_voiced_sample = position
        self._onset = Onset(position)
        self._confirm_samples = self._limits.silence_samples
        self._state = _State.SILENCE

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on, be it in a pause."""
        return self._state is not _State.SILENCE

    @property
    def is_pausing(self) -> bool:
        """Whether an utterance has had its soft end, and neither a resumption nor its end yet."""
        return self._state is _State.PAUSE

    @property
    def reach_samples(self) -> int:
        """How far SpeechStarted may point back, at most, before the samples of the push that returns it."""
        longest_onset = max(self._limits.turn.patience_samples, self._limits.barge_in.patience_samples)
        return self._limits.prefix_samples + longest_onset

    def push(self, score: float, n_samples: int, is_rising: bool = False) -> EndpointEvent | None:
        """The next `n_samples` of the stream have this score; in a pause, `is_rising` says that sound comes back."""
        before = self.position
        self.position = before + n_samples
        if self._state is _State.SPEECH:
            return self._push_in_speech(score)
        if self._state is _State.PAUSE:
            return self._push_in_pause(score, before, is_rising)
        limits = self._limits.barge_in if self.agent_is_audible else self._limits.turn
        if not self._onset.is_certain(limits, score, before, self.position):
            return None
        self._start_sample = max(self.earliest_sample, self._onset.sample - self._limits.prefix_samples)
        self._go_on()
        return SpeechStarted(self._start_sample, self._onset.sample)

    def skip(self, n_samples: int) -> None:
        """The next `n_samples` go by unscored: they belong to what is going on and decide nothing."""
        self.position += n_samples

    def confirm_after(self, ms: int) -> None:
        """End the utterance that is going on after this much silence, counted from its last voiced sample.

        Holds for this pause: when the voice comes back, and for the next utterance, it is
        `silence_duration_ms` again. Raises SettingError outside the limits of that.
        """
        low, high = LIMITS["silence_duration_ms"]
        if not low <= ms <= high:
            raise SettingError(f"confirm_after is {ms}; allowed is {low} to {high}")
        self._confirm_samples = ms_to_samples(ms, self._rate_hz)

    def end(self) -> SpeechEnded:
        """End the utterance that is going on here and now, because the client says so."""
        assert self.is_speaking, "there is an utterance to end"
        return self._end(EndReason.COMMITTED)

    def reset(self) -> None:
        """Back to silence, without an event; no later utterance reaches back before this sample."""
        self._state = _State.SILENCE
        self._onset.clear()
        self.earliest_sample = self.position

    def reconfigure(self, config: EndpointConfig) -> None:
        """Go on with other settings: same clock, same state, and no reach beyond what the old ones had."""
        self.earliest_sample = max(self.earliest_sample, self.position - self.reach_samples)
        self._limits = sample_limits(config, self._rate_hz)
        self._confirm_samples = self._limits.silence_samples

    def _push_in_speech(self, score: float) -> SoftEnd | SpeechEnded | None:
        if score >= self._limits.leave:
            self._last_voiced_sample = self.position
            return self._too_long()
        silent_samples = self.position - self._last_voiced_sample
        if silent_samples >= self._confirm_samples:
            return self._end(EndReason.SILENCE)
        enough_samples = self._limits.soft_end_samples
        if 0 < score < self._limits.clear:
            enough_samples //= 2
        if 0 < enough_samples <= silent_samples:
            self._state = _State.PAUSE
            self._onset.clear()
            return SoftEnd(self.position, self._last_voiced_sample)
        return self._too_long()

    def _push_in_pause(
        self, score: float, before: int, is_rising: bool
    ) -> SpeechResumed | SpeechEnded | None:
        if self._onset.is_certain(self._limits.resumption, score, before, self.position):
            resumed = SpeechResumed(self._onset.sample, self._last_voiced_sample)
            self._go_on()
            return resumed
        overdue_samples = self.position - self._last_voiced_sample - self._confirm_samples
        is_put_off = is_rising and overdue_samples < self._limits.rise_patience_samples
        if overdue_samples >= 0 and not self._onset.is_undecided and not is_put_off:
            return self._end(EndReason.SILENCE)
        return self._too_long()

    def _too_long(self) -> SpeechEnded | None:
        if self.position - self._start_sample >= self._limits.max_samples:
            return self._end(EndReason.TOO_LONG)
        return None

    def _go_on(self) -> None:
        self._state = _State.SPEECH
        self._last_voiced_sample = self.position
        self._confirm_samples = self._limits.silence_samples

    def _end(self, reason: EndReason) -> SpeechEnded:
        self.reset()
        return SpeechEnded(self.position, self._last_voiced_sample, reason)
