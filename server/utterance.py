"""One utterance of the person: audio going into a recognition, and once it is over, its transcript."""

from collections.abc import Callable
from dataclasses import replace

import anyio

from audio.formats import Samples, samples_to_ms
from stages.errors import ProviderError
from stages.ports import Recognition, Transcript


class Utterance:
    """An utterance on its way to text, under the id of the item that it will be.

    `final` may be asked for by several runs (the one that was interrupted, the next one that needs its
    words): the work is done once, and `on_settled` is called once, with the transcript or with what went
    wrong.
    """

    def __init__(
        self,
        item_id: str,
        recognition: Recognition,
        rate_hz: int,
        on_settled: Callable[["Utterance", Transcript | ProviderError], None],
    ) -> None:
        self.item_id = item_id
        self.transcript: Transcript | None = None
        """What was said, once it is known; empty when it could not be recognised."""
        self._recognition = recognition
        self._rate_hz = rate_hz
        self._samples = 0
        self._lock = anyio.Lock()
        self._on_settled = on_settled

    @property
    def duration_ms(self) -> int:
        """Milliseconds of audio in it."""
        return samples_to_ms(self._samples, self._rate_hz)

    def push(self, samples: Samples) -> None:
        """More audio, `int16[n]` at the recogniser's rate. Never waits."""
        self._samples += len(samples)
        self._recognition.push(samples)

    async def final(self) -> Transcript:
        """The transcript; raises ProviderError the first time it fails, and is empty from then on.

        Cancel-safe: the next caller starts over.
        """
        async with self._lock:
            if self.transcript is not None:
                return self.transcript
            try:
                found = await self._recognition.final()
            except ProviderError as error:
                self._settle(Transcript(text=""), error)
                raise
            transcript = replace(found, text=found.text.strip())
            self._settle(transcript)
            return transcript

    def close(self) -> None:
        """Let go of the recogniser; what is not known by now never will be."""
        self._recognition.close()

    def _settle(self, transcript: Transcript, error: ProviderError | None = None) -> None:
        self.transcript = transcript
        self._recognition.close()
        self._on_settled(self, error or transcript)
