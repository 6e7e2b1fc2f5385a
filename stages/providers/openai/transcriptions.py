"""Recognisers that are sent a whole utterance over HTTP: OpenAI's, Groq's, speaches, LocalAI, whisper.cpp and others.

The utterance is kept here until its text is asked for. The request is cancelled with whoever waits for it, so speech
that goes on costs the service nothing further; what was read already is not sent again.
"""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio
from pydantic import Field

from audio.files import encode_wav
from audio.formats import SPEECH_HZ, Samples
from stages.errors import ErrorKind
from stages.ports import HeardWord, Partial, RecogniserCapabilities, SpeechHints, Transcript
from stages.providers.keyterms import keyterms
from stages.providers.openai.bodies import DONE, drained, events_of
from stages.providers.openai.http import Refusal, Server, ServerSettings
from stages.providers.segments import WholeUtterance
from stages.providers.sockets.faults import fault

if TYPE_CHECKING:
    import httpx2

NAME = "openai"

_OPTIONAL = ("stream", "timestamp_granularities[]", "prompt", "language", "response_format")

Form = dict[str, Any]


class TranscriptionSettings(ServerSettings):
    """Where the recogniser is, and which."""

    model: str = Field(min_length=1, description="the model's name, as its server calls it")
    language: str | None = Field(
        None, description="such as de; what a session knows of its language goes before it"
    )
    prompt: str = Field("", description="words and style that are to be expected")
    word_times: bool = Field(False, description="ask for the times of words, which not all servers know")
    stream: bool = Field(True, description="take the text piece by piece from servers that send it so")
    path: str = Field("audio/transcriptions", description="under base_url; whisper.cpp has it at inference")
    final_s: float = Field(10.0, gt=0, le=120, description="how long the text of an utterance may take")


class OpenAITranscriber:
    """Transcriptions over HTTP, one request an utterance: OpenAI's, or any server that speaks them, by `base_url`."""

    interface = 1
    capabilities = RecogniserCapabilities(languages=("*",), phrases=True)
    Settings = TranscriptionSettings

    def __init__(self, settings: TranscriptionSettings) -> None:
        self.settings = settings
        self._server = Server(
            NAME, base_url=settings.base_url, api_key=settings.key, silence_s=settings.silence_s
        )
        self._refused: frozenset[str] = frozenset()

    @classmethod
    def from_settings(cls, settings: TranscriptionSettings) -> Self:
        """Make the client; nothing connects yet."""
        return cls(settings)

    @property
    def rate_hz(self) -> int:
        """16 kHz."""
        return SPEECH_HZ

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> WholeUtterance:
        """Begin an utterance."""
        return WholeUtterance(self.transcribe, SPEECH_HZ, on_partial, hints)

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Self, None]:
        """The same for one session, with a connection that opens meanwhile."""
        async with self._server.warmed():
            yield self

    async def close(self) -> None:
        """Close the connections. Requests that are under way fail."""
        await self._server.close()

    async def transcribe(
        self, samples: Samples, hints: SpeechHints, on_text: Callable[[str], None]
    ) -> Transcript:
        """The text of `int16[n]` at 16 kHz. `on_text` is told what is known of it while it comes.

        Raises ProviderError within `final_s`. Cancel-safe: closes the response.
        """
        wav = encode_wav(samples, SPEECH_HZ)
        try:
            with anyio.fail_after(self.settings.final_s):
                return await self._ask(wav, hints, on_text)
        except TimeoutError:
            words = f"no text in {self.settings.final_s:g} s"
            raise fault(NAME, ErrorKind.TIMEOUT, words) from None

    async def _ask(self, wav: bytes, hints: SpeechHints, on_text: Callable[[str], None]) -> Transcript:
        """Asks again without a field that the server refuses, and never again with it."""
        while True:
            form = {key: value for key, value in self._form(hints).items() if key not in self._refused}
            file = {"file": ("speech.wav", wav, "audio/wav")}
            try:
                async with self._server.post(self.settings.path, form, files=file) as response:
                    language = hints.language or self.settings.language
                    return await self._read(response, language or "", on_text)
            except Refusal as refusal:
                refused = next(
                    (field for field in _OPTIONAL if field in form and _names(refusal, field)), None
                )
                if refused is None:
                    raise self._server.meaning_of(refusal) from None
                self._refused |= {refused}

    def _form(self, hints: SpeechHints) -> Form:
        settings = self.settings
        form: Form = {"model": settings.model, "response_format": "json"}
        if language := hints.language or settings.language:
            form["language"] = language
        if prompt := ", ".join(filter(None, (settings.prompt, *keyterms(hints.phrases)))):
            form["prompt"] = prompt
        if settings.word_times:
            form["response_format"] = "verbose_json"
            form["timestamp_granularities[]"] = "word"
        elif settings.stream:
            form["stream"] = "true"
        return form

    async def _read(
        self, response: "httpx2.Response", language: str, on_text: Callable[[str], None]
    ) -> Transcript:
        """A stream, one JSON object, or plain text: whatever the server sends."""
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/plain"):
            return _transcript({"text": (await response.aread()).decode("utf-8", "replace")}, language)
        text = ""
        async with aclosing(events_of(response)) as events:
            async for data in events:
                if data == DONE:
                    break
                event = self._event(data)
                match event.get("type"):
                    case "transcript.text.delta":
                        text += str(event.get("delta") or "")
                        on_text(text)
                    case "transcript.text.done" | None if isinstance(event.get("text"), str):
                        await drained(events)
                        return _transcript(event, language)
                    case _:
                        pass
        if not text:
            raise fault(NAME, ErrorKind.PROTOCOL, "an answer without a text")
        return _transcript({"text": text}, language)

    def _event(self, data: str) -> Mapping[str, Any]:
        try:
            event = json.loads(data)
        except ValueError as error:
            raise fault(NAME, ErrorKind.PROTOCOL, f"no JSON: {error}") from error
        if (said := self._server.fault_in(event)) is not None:
            raise said
        return event if isinstance(event, Mapping) else {}


def _names(refusal: Refusal, field: str) -> bool:
    return refusal.status in (400, 415, 422) and field.removesuffix("[]") in refusal.words


def _transcript(answer: Mapping[str, Any], language: str) -> Transcript:
    text = " ".join(str(answer.get("text") or "").split())
    segments = [one for one in answer.get("segments") or () if isinstance(one, Mapping)]
    said = answer.get("language")
    return Transcript(
        text,
        # verbose_json says "english" where a code is wanted
        language or (said if isinstance(said, str) and len(said) <= 3 else "") or "en",
        no_speech=1.0 if not text else max(0.0, min(1.0, _mean(segments, "no_speech_prob"))),
        log_probability=min(0.0, _mean(segments, "avg_logprob")),
        words=tuple(_words(answer)),
    )


def _mean(segments: list[Mapping[str, Any]], key: str) -> float:
    values = [float(one[key]) for one in segments if isinstance(one.get(key), int | float)]
    return sum(values) / len(values) if values else 0.0


def _words(answer: Mapping[str, Any]) -> list[HeardWord]:
    words = []
    for one in answer.get("words") or ():
        try:
            start, end = round(1000 * one["start"]), round(1000 * one["end"])
            words.append(HeardWord(str(one["word"]).strip(), start, max(start, end)))
        except (TypeError, KeyError):
            continue
    return words
