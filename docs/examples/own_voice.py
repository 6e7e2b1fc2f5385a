"""A voice of one's own: a tone for each letter. Serve it: scripts/serve docs/examples/own_voice.py"""

from collections.abc import AsyncGenerator

import numpy as np
from pydantic import BaseModel, Field

from server import VoiceServer
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption


class ToneSettings(BaseModel):
    letter_ms: int = Field(60, ge=20, le=500, description="how long a letter lasts")


class Tones:
    """Speaks a tone for each letter."""

    interface = 1
    capabilities = SynthesiserCapabilities(languages=("*",))
    Settings = ToneSettings
    voices = (VoiceOption("flute", "high tones"),)
    rate_hz = 24_000

    def __init__(self, settings: ToneSettings) -> None:
        self.letter_samples = settings.letter_ms * self.rate_hz // 1000

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        time_s = np.arange(int(self.letter_samples / speed)) / self.rate_hz
        for letter in filter(str.isalnum, text):
            hz = 300 + 10 * (ord(letter) % 50)
            yield Speech((8_000 * np.sin(2 * np.pi * hz * time_s)).astype(np.int16))


app = VoiceServer(tts=Tones)
