"""Deepgram Aura: text in while audio comes out, one utterance a connection (`/v1/speak`)."""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal

import anyio
from pydantic import Field

from stages.ports import SynthesiserCapabilities, VoiceOption
from stages.providers.deepgram.settings import CLOSE_CODES, DeepgramSettings
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.speaking import SocketVoice, speaking
from stages.providers.sockets.speech_protocol import (
    Ended,
    PieceOver,
    Sound,
    SpeakingService,
    SpeechEvent,
    VoiceChoice,
)

NAME = "deepgram"

SLOWEST, FASTEST = 0.7, 1.5

IN_PIECES, NEW_ANSWERS = 12, 16
"""The service allows 20 flushes in a minute and a connection. Each piece is flushed, so that it is heard at once, up to
the first number; then only the first piece and the rest of an answer. From the second on, another is taken."""


class AuraSettings(DeepgramSettings):
    """Settings of `deepgram` as voice."""

    model: str
    """The voice, such as "aura-2-thalia-en"."""
    voices: dict[str, str] = Field(default_factory=dict)
    """Other voices that may be chosen, by a name: the model of each."""
    sample_rate: Literal[8000, 16_000, 24_000, 32_000, 48_000] = 24_000
    mip_opt_out: bool = False
    audio_s: float = Field(5.0, gt=0, le=60)
    """How long audio may take."""


class DeepgramAura:
    """Deepgram's Aura voices: speech begins with the first sentence; a barge-in costs one message."""

    interface = 1
    capabilities = SynthesiserCapabilities(streams_text=True, languages=("en", "es"))
    Settings = AuraSettings

    def __init__(self, settings: AuraSettings) -> None:
        self._settings = settings
        models = {settings.model: settings.model, **settings.voices}
        voices = tuple(VoiceOption(name, f"Deepgram {model}") for name, model in models.items())
        self._service = SpeakingService(
            NAME,
            settings.sample_rate,
            self._endpoint,
            AuraProtocol,
            voices,
            models,
            audio_s=settings.audio_s,
        )
        tls()

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """The voices that may be chosen, the default first."""
        return self._service.voices

    @property
    def rate_hz(self) -> int:
        """The sample rate of its audio."""
        return self._settings.sample_rate

    def session(self) -> AbstractAsyncContextManager[SocketVoice]:
        """The voice of one session; begins to connect."""
        return speaking(self._service)

    def _endpoint(self, choice: VoiceChoice) -> Endpoint:
        settings = self._settings
        speed = min(FASTEST, max(SLOWEST, choice.speed))
        query = {
            "model": choice.voice,
            "encoding": "linear16",
            "sample_rate": settings.sample_rate,
            "speed": None if speed == 1 else speed,
            "mip_opt_out": settings.mip_opt_out or None,
        }
        return Endpoint(
            NAME,
            settings.address("/v1/speak", query),
            settings.headers(),
            connect_s=settings.connect_s,
            close_codes=CLOSE_CODES,
        )


class FlushBudget:
    """How many flushes are left of those that the service allows in a minute."""

    def __init__(self) -> None:
        self._spent: deque[float] = deque()

    def has(self, now: float, limit: int) -> bool:
        """Whether fewer than `limit` were sent in the last minute."""
        while self._spent and self._spent[0] <= now - 60:
            self._spent.popleft()
        return len(self._spent) < limit

    def spend(self, now: float) -> None:
        """Count one."""
        self._spent.append(now)


@dataclass(slots=True)
class _Flush:
    pieces: int
    is_last: bool = False


class AuraProtocol:
    """The messages of `/v1/speak`; implements `SpeechProtocol`."""

    def __init__(self) -> None:
        self._budget = FlushBudget()
        self._answered: int | None = None
        self._due: deque[_Flush] = deque()
        """Flushes without an answer."""
        self._unflushed = 0
        self._has_begun = False

    @property
    def takes_answers(self) -> bool:
        """Whether there are flushes left for one."""
        return self._budget.has(anyio.current_time(), NEW_ANSWERS)

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """Everything is said in the address."""
        self._due.clear()
        self._unflushed = 0
        self._has_begun = False
        return ()

    def text(self, context: str, text: str) -> Iterable[Message]:
        """A piece is flushed at once, while that is allowed."""
        yield json.dumps({"type": "Speak", "text": text})
        self._unflushed += 1
        if not self._has_begun or self._budget.has(anyio.current_time(), IN_PIECES):
            yield self._flush()

    def finish(self, context: str) -> Iterable[Message] | None:
        """The answer to the last flush is the end."""
        if not self._unflushed and not self._due:
            return None
        messages: list[Message] = []
        if self._unflushed:
            messages.append(self._flush())
        self._due[-1].is_last = True
        return messages

    def cancel(self, context: str) -> Iterable[Message]:
        """Drops what is buffered, and the audio that was not sent."""
        self._due.clear()
        return ('{"type": "Clear"}',)

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """Types that are unknown say nothing to us."""
        if isinstance(message, bytes):
            yield Sound(None, message)
            return
        data = json.loads(message)
        match data["type"]:
            case "Flushed" if data["sequence_id"] != self._answered:
                self._answered = data["sequence_id"]
                if self._due:
                    flush = self._due.popleft()
                    yield PieceOver(None, flush.pieces)
                    if flush.is_last:
                        yield Ended(None)
            case "Cleared":
                yield Ended(None, is_cancel=True)

    def _flush(self) -> Message:
        self._budget.spend(anyio.current_time())
        self._has_begun = True
        self._due.append(_Flush(self._unflushed))
        self._unflushed = 0
        return '{"type": "Flush"}'
