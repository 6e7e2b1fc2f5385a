"""WebRTC's speech detector as a provider: it costs next to nothing, and takes much noise for speech."""

from pydantic import BaseModel, ConfigDict, Field

from audio.vad import Vad, WebRtcVad


class WebRtcSettings(BaseModel):
    """What may be configured of WebRTC's detector."""

    model_config = ConfigDict(extra="forbid")

    mode: int = Field(2, ge=0, le=3, description="how readily it says that something is no speech")


class WebRtcDetector:
    """WebRTC's speech detector: next to no cost, less exact than Silero's."""

    interface = 1
    Settings = WebRtcSettings

    def __init__(self, settings: WebRtcSettings) -> None:
        self._mode = settings.mode

    def open(self) -> Vad:
        """A detector for one stream."""
        return WebRtcVad(self._mode)
