"""A recogniser of one's own: how long somebody spoke. Serve it: scripts/serve docs/examples/own_recogniser.py"""

from collections.abc import Callable

from audio.formats import Samples
from server import VoiceServer
from stages.ports import Partial, RecogniserCapabilities, SpeechHints, Transcript


class Utterance:
    def __init__(self) -> None:
        self.samples = 0

    def push(self, samples: Samples) -> None:
        self.samples += len(samples)  # int16 at 16 kHz; send it to your service, but do not wait here

    async def final(self) -> Transcript:
        return Transcript(f"I spoke for {self.samples / 16_000:.0f} seconds.")

    def close(self) -> None:
        pass


class HowLong:
    """Hears how long somebody spoke, and no words."""

    interface = 1
    capabilities = RecogniserCapabilities(partials=False, languages=("*",))
    rate_hz = 16_000

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Utterance:
        return Utterance()


app = VoiceServer(stt=HowLong)
