"""One clip on its way to words: transcribed once, for whoever asks first, for everybody who asks."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import anyio
from anyio.lowlevel import checkpoint

from audio.formats import Samples
from audio.intake import Intake
from server.conversation.recognition import Outcome
from server.domain.values import Clip
from stages.errors import ProviderError, ProviderTimeout
from stages.ports import Recogniser, SpeechHints, Transcript

log = logging.getLogger(__name__)

_SLICE_S = 1
"""Decoded at a time: a clip of a minute would hold up the loop for 50 ms."""


class ClipGone(ProviderError):
    """The clip's item had to make room for others before the clip was transcribed."""


class ClipTranscription:
    """A clip, and its words once they are known. The audio is let go then."""

    def __init__(
        self,
        clip: Clip,
        recogniser: Recogniser,
        on_known: Callable[[Outcome], None],
        limit_s: float,
        hints: SpeechHints = SpeechHints(),
    ) -> None:
        """`on_known` is called once, unless the clip is dropped before; `limit_s` is how long it may take."""
        self.duration_s = clip.duration_s
        self.outcome: Outcome | None = None
        """What was said, or what went wrong; None until it is known."""
        self._clip = clip
        self._hints = hints
        self._recogniser = recogniser
        self._on_known = on_known
        self._limit_s = limit_s
        self._lock = anyio.Lock()
        self._scope = anyio.CancelScope()

    async def known(self) -> None:
        """Return when its words are known, or cannot be had. Cancel-safe: the next caller starts over."""
        async with self._lock:
            if self.outcome is None:
                outcome = await self._transcribe()
                if self.outcome is None:  # otherwise it was dropped or given up
                    self._settle(outcome)
                    self._on_known(outcome)

    def drop(self) -> None:
        """Nobody wants its words any more: whoever waits goes on without."""
        if self.outcome is None:
            self._settle(Transcript(""))
            self._scope.cancel()

    def give_up(self) -> None:
        """It is too late for its words: whoever waits for them is told that they cannot be had."""
        if self.outcome is None:
            gone = ClipGone("its item had to make room for others")
            self._settle(gone)
            self._scope.cancel()
            self._on_known(gone)

    def _settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._clip = replace(self._clip, data=b"")

    async def _transcribe(self) -> Outcome:
        recognition = self._recogniser.open(hints=self._hints)
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + self._limit_s) as self._scope:
                for samples in _decoded(self._clip):
                    recognition.push(samples)
                    await checkpoint()
                found = await recognition.final()
                return replace(found, text=found.text.strip())
        except ProviderError as error:
            return error
        except Exception as error:
            log.exception("the recogniser failed in a way that it must not")
            return ProviderError(f"{type(error).__name__}: {error}")
        finally:
            recognition.close()
        return ProviderTimeout(f"the recogniser took longer than {self._limit_s:g} s for a clip")


def _decoded(clip: Clip) -> Iterator[Samples]:
    """The clip as a recogniser is given it, slice by slice."""
    intake = Intake(clip.format)
    size = _SLICE_S * clip.format.rate_hz * clip.format.bytes_per_sample
    for start in range(0, len(clip.data), size):
        yield intake.push(clip.data[start : start + size])
    yield intake.flush()
