"""Rime's voices over a socket (`/ws3`): an answer is a context, each of its pieces is flushed, a barge-in clears it."""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal
from urllib.parse import urlencode

from pybase64 import b64decode
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ErrorKind
from stages.ports import SynthesiserCapabilities, VoiceOption
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.speaking import SocketVoice, speaking
from stages.providers.sockets.speech_protocol import (
    Ended,
    PieceOver,
    Sound,
    SpeakingService,
    SpeechEvent,
    VoiceChoice,
)

NAME = "rime"
PATH = "/ws3"
_PIECE = "/"
_CLEARED_S = 0.5
"""A clear is not confirmed: the connection is replaced, and the next answer has another."""


class RimeSettings(BaseModel):
    """Settings of `rime`."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "RIME_API_KEY"})
    url: str = Field("wss://users-ws.rime.ai", pattern="^wss?://")
    """Where the service is, without a path."""
    model: str
    """Such as "mistv2", "arcana" or "coda"."""
    voice: str
    """The name of a speaker."""
    voices: tuple[str, ...] = ()
    """Other speakers that may be chosen."""
    language: str | None = None
    """As the service calls it, such as "eng"; without it, the speaker's own."""
    sample_rate: Literal[8000, 16_000, 22_050, 24_000, 44_100, 48_000] = 24_000
    connect_s: float = Field(5.0, gt=0, le=60)
    audio_s: float = Field(5.0, gt=0, le=60)
    """How long audio may take."""


class RimeVoice:
    """Rime's voices: speech begins with the first sentence."""

    interface = 1
    capabilities = SynthesiserCapabilities(streams_text=True, speed=False, languages=("*",))
    Settings = RimeSettings

    def __init__(self, settings: RimeSettings) -> None:
        self._settings = settings
        names = dict.fromkeys((settings.voice, *settings.voices))
        self._service = SpeakingService(
            NAME,
            settings.sample_rate,
            self._endpoint,
            RimeProtocol,
            tuple(VoiceOption(name, f"Rime {name}") for name in names),
            {name: name for name in names},
            audio_s=settings.audio_s,
            closing_s=_CLEARED_S,
            has_speed=False,
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
        query = {
            "speaker": choice.voice,
            "modelId": settings.model,
            "audioFormat": "pcm",
            "samplingRate": settings.sample_rate,
            "segment": "never",  # what is flushed is spoken, and nothing else
        }
        if settings.language:
            query["lang"] = settings.language
        return Endpoint(
            NAME,
            f"{settings.url.rstrip('/')}{PATH}?{urlencode(query)}",
            {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
            connect_s=settings.connect_s,
        )


class RimeProtocol:
    """The messages of `/ws3`; implements `SpeechProtocol`. Each piece of an answer is a context of the service's, of
    which its audio and one `done` tell."""

    takes_answers = True

    def __init__(self) -> None:
        self._pieces = 0
        self._due: set[str] = set()
        """Pieces whose `done` has not come."""
        self._is_finished = False

    def open(self, context: str, choice: VoiceChoice) -> Iterable[Message]:
        """An answer begins with its first text."""
        self._due, self._is_finished = set(), False
        return ()

    def text(self, context: str, text: str) -> Iterable[Message]:
        """One piece, which is spoken at once."""
        self._pieces += 1
        piece = f"{context}{_PIECE}{self._pieces}"
        self._due.add(piece)
        yield json.dumps({"text": text if text.endswith(" ") else f"{text} ", "contextId": piece})
        yield json.dumps({"operation": "flush", "contextId": piece})

    def finish(self, context: str) -> Iterable[Message] | None:
        """Nothing is sent: the answer is over with the `done` of its last piece."""
        self._is_finished = True
        return () if self._due else None

    def cancel(self, context: str) -> Iterable[Message]:
        """Drops what was not spoken yet."""
        yield '{"operation": "clear"}'

    def read(self, message: Message) -> Iterable[SpeechEvent]:
        """Types that are unknown say nothing to us, nor do the times of words, whose clock is not told."""
        data = json.loads(message)
        piece = str(data.get("contextId") or "")
        context = piece.partition(_PIECE)[0]
        match data["type"]:
            case "chunk":
                if pcm := b64decode(data.get("data") or ""):
                    yield Sound(context, pcm)
            case "done" if piece in self._due:
                self._due.discard(piece)
                yield PieceOver(context)
                if self._is_finished and not self._due:
                    yield Ended(context)
            case "error":
                raise fault(NAME, ErrorKind.SERVER, str(data.get("message") or ""))
            case _:
                pass
