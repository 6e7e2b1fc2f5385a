"""Speechmatics: streamed recognition that makes audio final when it is told to (`/v2/`)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ErrorKind
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.hearing import Final, Finalised, Guess, HearingEvent, TimedWord
from stages.providers.sockets.hearing_protocol import HearingService
from stages.providers.sockets.listening import SocketRecogniser, listening

NAME = "speechmatics"

MAX_VOCABULARY_CHARS = 20_000
"""Of all words together: they go with each connection."""

KINDS: Mapping[int | str, ErrorKind] = {
    "not_authorised": ErrorKind.AUTH,
    "not_allowed": ErrorKind.AUTH,
    "quota_exceeded": ErrorKind.RATE,
    "timelimit_exceeded": ErrorKind.QUOTA,
    "idle_timeout": ErrorKind.TIMEOUT_IDLE,
    "session_timeout": ErrorKind.SESSION_EXPIRED,
    "invalid_audio_type": ErrorKind.BAD_AUDIO,
    "invalid_message": ErrorKind.BAD_REQUEST,
    "invalid_model": ErrorKind.BAD_REQUEST,
    "invalid_language": ErrorKind.BAD_REQUEST,
    "invalid_config": ErrorKind.BAD_REQUEST,
    "job_error": ErrorKind.SERVER,
    "protocol_error": ErrorKind.PROTOCOL,
}
"""Types of errors. `quota_exceeded` is one of sessions at once."""


class SpeechmaticsSettings(BaseModel):
    """Settings of `speechmatics`."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "SPEECHMATICS_API_KEY"})
    url: str = Field("wss://eu.rt.speechmatics.com/v2/", pattern="^wss?://")
    model: str
    """Such as "standard" or "enhanced"."""
    language: str = "en"
    """What a session knows of its language goes before it."""
    max_delay_s: float = Field(1.0, ge=0.7, le=4.0)
    """How long a word may stay a guess while people speak."""
    vocabulary: tuple[str, ...] = ()
    """Words that are likely to be said, beside those that a session knows."""
    connect_s: float = Field(5.0, gt=0, le=60)
    final_s: float = Field(3.0, gt=0, le=60)
    """How long the text may take once an utterance is over."""


class Speechmatics:
    """Speechmatics in real time: partial text while people speak, in many languages, with word times."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="ours", languages=("*",), phrases=True
    )
    Settings = SpeechmaticsSettings

    def __init__(self, settings: SpeechmaticsSettings) -> None:
        self._settings = settings
        self._service = HearingService(
            NAME, SPEECH_HZ, self._endpoint, SpeechmaticsProtocol, settings.final_s
        )
        tls()

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return SPEECH_HZ

    def session(self) -> AbstractAsyncContextManager[SocketRecogniser]:
        """The recogniser of one session; begins to connect."""
        return listening(self._service)

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        config: dict[str, Any] = {
            "language": hints.language or settings.language,
            "model": settings.model,
            "enable_partials": True,
            "max_delay": settings.max_delay_s,
        }
        if words := keyterms((*settings.vocabulary, *hints.phrases), most=1_000, in_all=MAX_VOCABULARY_CHARS):
            config["additional_vocab"] = [{"content": word} for word in words]
        start = {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": SPEECH_HZ},
            "transcription_config": config,
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


class SpeechmaticsProtocol:
    """The messages of `/v2/`; implements `HearingProtocol`."""

    joint = ""
    """Pieces bring their own spaces."""

    def begin(self) -> Iterable[Message]:
        """The settings have gone already."""
        return ()

    def audio(self, samples: Samples) -> Message:
        """Raw samples."""
        return samples.astype("<i2", copy=False).tobytes()

    def finalise(self) -> Message:
        """Answered by the texts that were guesses, then by an end that says it was forced."""
        return '{"message": "ForceEndOfUtterance"}'

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Messages that are unknown say nothing to us."""
        data = json.loads(message)
        match data["message"]:
            case "AddPartialTranscript":
                yield Guess(_text(data["results"]))
            case "AddTranscript":
                results = data["results"]
                yield Final(_text(results), data["metadata"]["end_time"], tuple(_words(results)))
            case "EndOfUtterance" if data.get("forced"):
                yield Finalised()
            case "Error":
                kind = KINDS.get(data["type"], ErrorKind.SERVER)
                raise fault(NAME, kind, f"{data['type']}: {data.get('reason') or ''}")
            case _:
                pass


def _text(results: Sequence[Mapping[str, Any]]) -> str:
    return "".join(_before(result) + result["alternatives"][0]["content"] for result in results)


def _before(result: Mapping[str, Any]) -> str:
    return "" if result["type"] == "punctuation" and result.get("attaches_to") == "previous" else " "


def _words(results: Sequence[Mapping[str, Any]]) -> list[TimedWord]:
    """The words; a sign belongs to the word that it is attached to."""
    words: list[TimedWord] = []
    for result in results:
        said = result["alternatives"][0]
        if not _before(result) and words:
            last = words[-1]
            words[-1] = TimedWord(last.text + said["content"], last.start_s, last.end_s, last.confidence)
        elif result["type"] != "punctuation":
            start, end = result["start_time"], result["end_time"]
            words.append(TimedWord(said["content"], start, end, said.get("confidence")))
    return words
