"""Which ear hears with which detector."""

from typing import cast

from audio.endpoint_config import EndpointConfig
from audio.formats import AudioFormat
from audio.late_listener import LateListener
from audio.listener import Listener
from audio.scored_listener import ScoredListener
from audio.vad import Detector, LateVad


def listener_with(vad: Detector, format: AudioFormat, config: EndpointConfig | None) -> Listener:
    """What listens with this detector: one whose scores come later has `ask`, one that does not look at what it scores
    says `wants_audio = False`."""
    if hasattr(vad, "ask"):
        return LateListener(format, cast("LateVad", vad), config)
    kind = Listener if getattr(vad, "wants_audio", True) else ScoredListener
    return kind(format, vad, config)
