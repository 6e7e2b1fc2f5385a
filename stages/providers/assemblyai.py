"""AssemblyAI: streamed recognition that finds the ends of turns (`/v3/ws`)."""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ErrorKind
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.hearing import TimedWord
from stages.providers.sockets.turn_listening import SocketTurnRecogniser, TurnService, listening_for_turns
from stages.providers.sockets.turns import Sign, TurnSign

NAME = "assemblyai"

MAX_KEYTERM_CHARS = 50
VERSION = "2025-05-12"
"""Of the service's interface, which these messages are of."""

CODES: Mapping[int | str, ErrorKind] = {
    1013: ErrorKind.RATE,
    3005: ErrorKind.SERVER,
    3006: ErrorKind.BAD_REQUEST,
    3007: ErrorKind.BAD_AUDIO,
    3008: ErrorKind.SESSION_EXPIRED,
    3009: ErrorKind.RATE,
    4000: ErrorKind.BAD_AUDIO,
    4001: ErrorKind.AUTH,
    4002: ErrorKind.QUOTA,
    4003: ErrorKind.QUOTA,
    4008: ErrorKind.SESSION_EXPIRED,
    4029: ErrorKind.RATE,
    4031: ErrorKind.TIMEOUT_IDLE,
    4102: ErrorKind.RATE,
    4103: ErrorKind.SESSION_EXPIRED,
}
"""The service's own close codes; the same stand in its errors."""


class AssemblyAISettings(BaseModel):
    """Settings of `assemblyai`."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "ASSEMBLYAI_API_KEY"})
    url: str = Field("wss://streaming.assemblyai.com", pattern="^wss?://")
    """Where the service is, without a path; in Europe wss://streaming.eu.assemblyai.com."""
    model: str
    """Such as "universal-streaming-english"."""
    languages: tuple[str, ...] = ()
    """For models of several languages: those that are spoken."""
    format_turns: bool = True
    """Whether models that give bare words first format them once a turn has ended."""
    min_turn_silence_ms: int | None = Field(None, ge=0, le=10_000)
    max_turn_silence_ms: int | None = Field(None, ge=0, le=60_000)
    keyterms: tuple[str, ...] = ()
    connect_s: float = Field(5.0, gt=0, le=60)


class AssemblyAI:
    """AssemblyAI's streaming models: they find the ends of turns by what is said."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="theirs", languages=("*",), phrases=True
    )
    Settings = AssemblyAISettings

    def __init__(self, settings: AssemblyAISettings) -> None:
        self._settings = settings
        self._service = TurnService(NAME, SPEECH_HZ, self._endpoint, self._protocol)
        tls()

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return SPEECH_HZ

    def session(self) -> AbstractAsyncContextManager[SocketTurnRecogniser]:
        """The recogniser of one session; begins to connect."""
        return listening_for_turns(self._service)

    def _protocol(self) -> "AssemblyProtocol":
        return AssemblyProtocol(ends_twice=self._formats_later)

    @property
    def _formats_later(self) -> bool:
        """Only the older models tell the end of a turn twice: bare, then formatted."""
        return self._settings.format_turns and self._settings.model.startswith("universal-streaming")

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        languages = settings.languages or ((hints.language,) if hints.language else ())
        is_english = settings.model.endswith("-english")
        terms = keyterms((*settings.keyterms, *hints.phrases), chars=MAX_KEYTERM_CHARS)
        query = {
            "speech_model": settings.model,
            "sample_rate": SPEECH_HZ,
            "encoding": "pcm_s16le",
            "format_turns": str(settings.format_turns).lower(),
            "min_turn_silence": settings.min_turn_silence_ms,
            "max_turn_silence": settings.max_turn_silence_ms,
            "language_codes": json.dumps(languages) if languages and not is_english else None,
            "keyterms_prompt": json.dumps(terms, ensure_ascii=False) if terms else None,
        }
        said = {key: value for key, value in query.items() if value is not None}
        return Endpoint(
            NAME,
            f"{settings.url.rstrip('/')}/v3/ws?{urlencode(said)}",
            {"Authorization": settings.api_key.get_secret_value(), "AssemblyAI-Version": VERSION},
            speaks_first=True,
            connect_s=settings.connect_s,
            close_codes=CODES,
        )


class AssemblyProtocol:
    """The messages of `/v3/ws`; implements `TurnProtocol`."""

    def __init__(self, *, ends_twice: bool) -> None:
        """`ends_twice`: the end counts that has the formatted text."""
        self._ends_twice = ends_twice
        self._ended = -1

    def audio(self, samples: Samples) -> Message:
        """Raw samples, 50 ms to 1 s of them."""
        return samples.astype("<i2", copy=False).tobytes()

    def end_turn(self) -> Message:
        """Ignored by the service when no turn is running."""
        return '{"type": "ForceEndpoint"}'

    def read(self, message: Message) -> Iterable[TurnSign]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        if data["type"] == "Error":
            code = data.get("error_code")
            raise fault(NAME, CODES.get(code, ErrorKind.SERVER), f"{code}: {data.get('error') or ''}")
        if data["type"] != "Turn" or data["turn_order"] <= self._ended:
            return
        said = data["words"]
        text = data["transcript"] or " ".join(word["text"] for word in said)
        language = data.get("language_code")
        if text:
            yield TurnSign(Sign.HEARD, text, said[0]["start"] / 1000 if said else None, language=language)
        if data["end_of_turn"] and (data["turn_is_formatted"] or not self._ends_twice):
            self._ended = data["turn_order"]
            words = tuple(map(_word, said))
            at_s = words[-1].end_s if words else None
            yield TurnSign(Sign.OVER, text, at_s, words, data.get("end_of_turn_confidence"), language)


def _word(word: Mapping[str, Any]) -> TimedWord:
    return TimedWord(word["text"], word["start"] / 1000, word["end"] / 1000, word.get("confidence"))
