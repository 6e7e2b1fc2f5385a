"""Speechmatics for agents: streamed recognition that finds the ends of turns (`/v2/agent`)."""

import json
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ErrorKind
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.turn_listening import SocketTurnRecogniser, TurnService, listening_for_turns
from stages.providers.sockets.turns import Sign, TurnSign
from stages.providers.speechmatics import KINDS, MAX_VOCABULARY_CHARS

NAME = "speechmatics_turns"


class SpeechmaticsTurnsSettings(BaseModel):
    """Settings of `speechmatics_turns`."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "SPEECHMATICS_API_KEY"})
    url: str = Field("wss://eu.rt.speechmatics.com/v2/agent", pattern="^wss?://")
    model: str
    """Such as "linden-1"."""
    language: str = "en"
    """What a session knows of its language goes before it."""
    vocabulary: tuple[str, ...] = ()
    """Words that are likely to be said, beside those that a session knows."""
    connect_s: float = Field(5.0, gt=0, le=60)


class SpeechmaticsTurns:
    """Speechmatics for agents: it finds the ends of turns itself, in many languages."""

    interface = 1
    capabilities = RecogniserCapabilities(partials=True, turns="theirs", languages=("*",), phrases=True)
    Settings = SpeechmaticsTurnsSettings

    def __init__(self, settings: SpeechmaticsTurnsSettings) -> None:
        self._settings = settings
        self._service = TurnService(NAME, SPEECH_HZ, self._endpoint, AgentProtocol)
        tls()

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return SPEECH_HZ

    def session(self) -> AbstractAsyncContextManager[SocketTurnRecogniser]:
        """The recogniser of one session; begins to connect."""
        return listening_for_turns(self._service)

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        config: dict[str, Any] = {
            "language": hints.language or settings.language,
            "model": settings.model,
            "enable_partials": True,
        }
        if words := keyterms((*settings.vocabulary, *hints.phrases), most=1_000, in_all=MAX_VOCABULARY_CHARS):
            config["additional_vocab"] = [{"content": word} for word in words]
        start = {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": SPEECH_HZ},
            "transcription_config": config,
            "turn_config": {"turn_detection_mode": "vad"},
        }
        return Endpoint(
            NAME,
            settings.url,
            {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
            hello=json.dumps(start),
            speaks_first=True,
            connect_s=settings.connect_s,
            close_codes=KINDS,
        )


class AgentProtocol:
    """The messages of `/v2/agent`; implements `TurnProtocol`."""

    def __init__(self) -> None:
        self._said: list[str] = []
        """The segments of the running turn that will not change."""

    def audio(self, samples: Samples) -> Message:
        """Raw samples."""
        return samples.astype("<i2", copy=False).tobytes()

    def end_turn(self) -> None:
        """The service cannot be told to while it finds the ends itself."""

    def read(self, message: Message) -> Iterable[TurnSign]:
        """Messages that are unknown say nothing to us."""
        data = json.loads(message)
        times = data.get("metadata") or {}
        match data["message"]:
            case "StartOfTurn":
                yield TurnSign(Sign.BEGAN, at_s=times.get("start_time"))
            case "AddPartialSegment":
                yield TurnSign(Sign.HEARD, self._with(data), times.get("start_time"))
            case "AddSegment":
                text = self._with(data)
                self._said.append(data["segment"]["transcript"].strip())
                yield TurnSign(Sign.HEARD, text, times.get("start_time"))
            case "EndOfTurn":
                text, self._said = " ".join(filter(None, self._said)), []
                yield TurnSign(Sign.OVER, text, times.get("end_time"))
            case "Error":
                kind = KINDS.get(data["type"], ErrorKind.SERVER)
                raise fault(NAME, kind, f"{data['type']}: {data.get('reason') or ''}")
            case _:
                pass

    def _with(self, data: dict[str, Any]) -> str:
        return " ".join(filter(None, [*self._said, data["segment"]["transcript"].strip()]))
