"""When speech begins and when it has ended: what may be set, with its bounds, and the same in samples."""

from dataclasses import dataclass
from functools import lru_cache

from audio.errors import SettingError
from audio.formats import ms_to_samples
from audio.onset import OnsetLimits

LIMITS: dict[str, tuple[float, float]] = {
    "threshold": (0.01, 1.0),
    "prefix_padding_ms": (0, 2_000),
    "silence_duration_ms": (40, 10_000),
    "min_speech_ms": (0, 1_000),
    "max_utterance_ms": (10_000, 300_000),
    "soft_end_ms": (0, 1_000),
    "barge_in_threshold": (0.01, 1.0),
    "barge_in_min_speech_ms": (0, 1_000),
}
"""The least and the most that each field of `EndpointConfig` may be."""

_LEAVE_SHARE = 0.7
"""Share of the threshold that speech must keep: 0.35 of 0.5, a gap that detectors commonly leave."""

_CLEAR_SHARE = 0.4
"""Share of the threshold below which a score says plainly that there is no voice. Of 0.2 to 0.5, tried on the trials
of `scripts/bench-turns`, the most that makes no more soft ends a sentence."""

_ONSET_PATIENCE = 4
"""An onset is given up after this many times `min_speech_ms`: that bounds the reach."""

RISE_PATIENCE_MS = 96
"""Three windows of Silero's: what is no voice by then is none."""

_RESUME_SHARE = 0.5
"""Share of `min_speech_ms` that is enough to go on after a soft end: somebody who has just spoken probably
goes on, and a revoked end costs less than a sentence cut in two."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """When speech begins and when it has ended. Raises SettingError naming every field outside `LIMITS`.

    What is no voice elsewhere is none over the agent: of the two thresholds the higher one holds there.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    min_speech_ms: int = 96
    """Three windows of 32 ms, or five of 20."""
    max_utterance_ms: int = 60_000
    soft_end_ms: int = 0
    """0 for no soft ends."""
    barge_in_threshold: float = 0.6
    barge_in_min_speech_ms: int = 96

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {getattr(self, name)}; allowed is {low} to {high}"
            for name, (low, high) in LIMITS.items()
            if not low <= getattr(self, name) <= high
        ]
        if faults:
            raise SettingError("; ".join(faults))


@dataclass(frozen=True, slots=True)
class SampleLimits:
    """The configuration in the units of the hot path: samples at one rate."""

    turn: OnsetLimits
    barge_in: OnsetLimits
    resumption: OnsetLimits
    leave: float
    clear: float
    prefix_samples: int
    silence_samples: int
    soft_end_samples: int
    max_samples: int
    rise_patience_samples: int


@lru_cache(maxsize=64)  # most sessions have the same
def sample_limits(config: EndpointConfig, rate_hz: int) -> SampleLimits:
    """What `config` comes to at this rate."""

    def onset(threshold: float, enough_ms: float) -> OnsetLimits:
        enough_samples = ms_to_samples(enough_ms, rate_hz)
        return OnsetLimits(threshold, enough_samples, _ONSET_PATIENCE * enough_samples)

    return SampleLimits(
        turn=onset(config.threshold, config.min_speech_ms),
        barge_in=onset(max(config.threshold, config.barge_in_threshold), config.barge_in_min_speech_ms),
        resumption=onset(config.threshold, config.min_speech_ms * _RESUME_SHARE),
        leave=config.threshold * _LEAVE_SHARE,
        clear=config.threshold * _CLEAR_SHARE,
        prefix_samples=ms_to_samples(config.prefix_padding_ms, rate_hz),
        silence_samples=ms_to_samples(config.silence_duration_ms, rate_hz),
        soft_end_samples=ms_to_samples(config.soft_end_ms, rate_hz),
        max_samples=ms_to_samples(config.max_utterance_ms, rate_hz),
        rise_patience_samples=ms_to_samples(RISE_PATIENCE_MS, rate_hz),
    )
