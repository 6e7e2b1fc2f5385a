"""Recognisers behind the Realtime socket: OpenAI's transcription sessions, those of LocalAI and speaches, and vLLM's.

Ends of utterances are found here: the service is told to find none, and is sent a commit when its text is wanted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import pybase64
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from audio.formats import Samples
from stages.errors import ErrorKind
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.hearing import Final, Finalised, Guess, HearingEvent
from stages.providers.sockets.hearing_protocol import HearingProtocol, HearingService
from stages.providers.sockets.listening import SocketRecogniser, listening

NAME = "openai_realtime"
OPENAI_URL = "https://api.openai.com/v1"

_RATES: Mapping[str, int] = {"openai": 24_000, "vllm": 16_000}
_WITH_KEYWORDS = ("gpt-transcribe", "gpt-live-transcribe")
"""Models that are told words in a field of their own; others find them in the prompt."""
_EMPTY = "input_audio_buffer_commit_empty"
_ERRORS: Mapping[str, ErrorKind] = {
    "invalid_api_key": ErrorKind.AUTH,
    "insufficient_quota": ErrorKind.QUOTA,
    "rate_limit_exceeded": ErrorKind.RATE,
    "session_expired": ErrorKind.SESSION_EXPIRED,
    "model_not_found": ErrorKind.BAD_REQUEST,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "server_error": ErrorKind.SERVER,
}
_CLOSE_CODES: Mapping[int | str, ErrorKind] = {
    "invalid_api_key": ErrorKind.AUTH,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "insufficient_quota": ErrorKind.QUOTA,
    "session_expired": ErrorKind.SESSION_EXPIRED,
}


class RealtimeSettings(BaseModel):
    """Where the recogniser is, and which."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, description="the model's name, as its server calls it")
    base_url: str = Field(
        OPENAI_URL,
        pattern="^(https?|wss?)://",
        description="ends in /v1; the socket is at realtime under it",
        json_schema_extra={"env": "OPENAI_BASE_URL"},
    )
    api_key: SecretStr | None = Field(None, json_schema_extra={"env": "OPENAI_API_KEY"})
    dialect: Literal["openai", "vllm"] = Field("openai", description="vllm for that server's own messages")
    language: str | None = Field(
        None, description="such as de; what a session knows of its language goes before it"
    )
    prompt: str = ""
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = Field(
        None, description="how long the model may wait for more sound, where it knows that"
    )
    noise_reduction: Literal["near_field", "far_field"] | None = None
    connect_s: float = Field(5.0, gt=0, le=60)
    final_s: float = Field(
        5.0, gt=0, le=60, description="how long the text may take once an utterance is over"
    )

    @property
    def takes_phrases(self) -> bool:
        """Whether the model listens for words that it is told."""
        return self.dialect == "openai" and not self.model.startswith("gpt-realtime-whisper")

    @property
    def url(self) -> str:
        """The address of the socket."""
        scheme, place, path, *_ = urlsplit(self.base_url)
        query = "intent=transcription" if self.dialect == "openai" else ""
        return urlunsplit((scheme.replace("http", "ws"), place, f"{path.rstrip('/')}/realtime", query, ""))


class OpenAIRealtimeTranscriber:
    """Transcription over the Realtime socket, partial text while people speak: OpenAI's, LocalAI's, vLLM's."""

    interface = 1
    capabilities = RecogniserCapabilities(partials=True, turns="ours", languages=("*",), phrases=True)
    Settings = RealtimeSettings

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings
        self.capabilities = replace(self.capabilities, phrases=settings.takes_phrases)
        tls()

    @property
    def rate_hz(self) -> int:
        """24 kHz, which is all that OpenAI takes; vLLM takes 16 kHz."""
        return _RATES[self._settings.dialect]

    def session(self) -> AbstractAsyncContextManager[SocketRecogniser]:
        """The recogniser of one session; begins to connect."""
        settings = self._settings
        return listening(HearingService(NAME, self.rate_hz, self._endpoint, self._protocol, settings.final_s))

    def _protocol(self) -> HearingProtocol:
        settings = self._settings
        return VllmProtocol(settings.model) if settings.dialect == "vllm" else RealtimeProtocol()

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return Endpoint(
            NAME,
            settings.url,
            {"Authorization": f"Bearer {key}"} if key else {},
            hello=None if settings.dialect == "vllm" else beginning(settings, hints),
            speaks_first=True,
            connect_s=settings.connect_s,
            close_codes=_CLOSE_CODES,
        )


def beginning(settings: RealtimeSettings, hints: SpeechHints) -> str:
    """What is to be heard, and that nobody else finds the ends of utterances."""
    words = keyterms(hints.phrases) if settings.takes_phrases else ()
    has_keywords = settings.model.startswith(_WITH_KEYWORDS)
    prompt = (settings.prompt,) if has_keywords else (settings.prompt, *words)
    transcription = {
        "model": settings.model,
        "language": hints.language or settings.language,
        "prompt": ", ".join(filter(None, prompt)) or None,
        "keywords": words if words and has_keywords else None,
        "delay": settings.delay,
    }
    listen: dict[str, Any] = {
        "format": {"type": "audio/pcm", "rate": _RATES["openai"]},
        "transcription": {key: value for key, value in transcription.items() if value is not None},
        "turn_detection": None,
    }
    if settings.noise_reduction:
        listen["noise_reduction"] = {"type": settings.noise_reduction}
    session = {"type": "transcription", "audio": {"input": listen}}
    return json.dumps({"type": "session.update", "session": session})


def _append(samples: Samples) -> str:
    audio = pybase64.b64encode(samples.astype("<i2", copy=False).tobytes()).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


def _error(data: Mapping[str, Any]) -> Mapping[str, Any]:
    error = data.get("error")
    return error if isinstance(error, Mapping) else {"message": str(error or "")}


class RealtimeProtocol:
    """The messages of a transcription session; implements `HearingProtocol`.

    Each commit makes an item. Items are transcribed at once, so their texts may come in any order; they are told in
    the order of the commits.
    """

    joint = " "

    def __init__(self) -> None:
        self._order: list[str] = []
        self._texts: dict[str, str] = {}
        self._guesses: dict[str, str] = {}

    def begin(self) -> Iterable[Message]:
        """The settings have gone already."""
        return ()

    def audio(self, samples: Samples) -> Message:
        """The message with audio, in base64."""
        return _append(samples)

    def finalise(self) -> Message:
        """Makes an item of what has come."""
        return '{"type": "input_audio_buffer.commit"}'

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        item = data.get("item_id", "")
        match data["type"].removeprefix("conversation.item.input_audio_transcription."):
            case "input_audio_buffer.committed":
                self._order.append(item)
            case "delta":
                self._guesses[item] = self._guesses.get(item, "") + (data.get("delta") or "")
                if item in self._order[:1] or not self._order:
                    yield Guess(self._guesses[item])
            case "completed":
                self._texts[item] = data["transcript"]
                yield from self._tell(item)
            case "failed":
                yield from self._failed(_error(data))
            case "error":
                yield from self._failed(_error(data))
            case _:
                pass

    def _tell(self, item: str) -> Iterable[HearingEvent]:
        """The texts whose turn it is; an item that was told is told no more."""
        if item not in self._order:
            del self._texts[item]
        while self._order and self._order[0] in self._texts:
            first = self._order.pop(0)
            self._guesses.pop(first, None)
            yield Final(self._texts.pop(first))
            yield Finalised()

    def _failed(self, error: Mapping[str, Any]) -> Iterable[HearingEvent]:
        code = str(error.get("code") or error.get("type") or "")
        if code == _EMPTY:  # too little sound for a word
            yield Finalised()
            return
        kind = _ERRORS.get(code) or _ERRORS.get(str(error.get("type") or ""), ErrorKind.SERVER)
        raise fault(NAME, kind, f"{code}: {error.get('message') or ''}")


class VllmProtocol:
    """The messages of vLLM's socket; implements `HearingProtocol`. One text for each pair of commits."""

    joint = " "

    def __init__(self, model: str) -> None:
        self._model = model
        self._is_open = False
        self._asked = 0
        self._text = ""

    def begin(self) -> Iterable[Message]:
        """The message that chooses the model."""
        return (json.dumps({"type": "session.update", "model": self._model}),)

    def audio(self, samples: Samples) -> Sequence[Message]:
        """In base64; a commit begins each utterance."""
        was_open, self._is_open = self._is_open, True
        append = _append(samples)
        return (append,) if was_open else ('{"type": "input_audio_buffer.commit"}', append)

    def finalise(self) -> Message:
        """Another commit ends it."""
        self._is_open = False
        self._asked += 1
        return '{"type": "input_audio_buffer.commit", "final": true}'

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Types that are unknown say nothing to us."""
        data = json.loads(message)
        match data["type"]:
            case "transcription.delta":
                self._text += data["delta"]
                yield Guess(self._text)
            case "transcription.done" if self._asked:  # otherwise it is told twice
                self._text = ""
                self._asked -= 1
                yield Final(data["text"])
                yield Finalised()
            case "error":
                error = _error(data)
                kind = _ERRORS.get(str(error.get("code") or error.get("type") or ""), ErrorKind.SERVER)
                raise fault(NAME, kind, str(error.get("message") or ""))
            case _:
                pass
