"""A server of transcriptions and speech over HTTP, as OpenAI's is, or as local servers are."""

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from audio.formats import Samples
from stages.testing.servers.chat_stream import line
from stages.testing.servers.coded import CodedWords, coded_speech
from stages.testing.servers.faults import Faults
from stages.testing.servers.http import Answered, Asked, Complaint

KEY = "fake-key"
VOICES = ("calm", "lively")

_FORM = {"file", "model", "language", "prompt", "temperature", "response_format", "stream"}
_FORM_LISTS = {"timestamp_granularities[]", "include[]", "languages[]", "keywords[]"}
_SPEECH = {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}


@dataclass(frozen=True, slots=True)
class AudioService:
    """Hears coded words, and speaks in coded characters."""

    coded: CodedWords
    answers: Literal["streamed", "json", "text"] = "streamed"
    """How a transcription comes that was asked for as a stream."""
    refuses: str = ""
    """A field of a transcription that this server does not take."""
    rate_hz: int = 24_000
    has_header: bool = False
    """Whether speech comes as a WAV file although `pcm` was asked for."""
    speech_type: str = "audio/pcm"

    def answer(self, asked: Asked, faults: Faults) -> Answered:
        """Transcriptions and speech."""
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Answered.of({"error": {"message": "Incorrect API key.", "code": "invalid_api_key"}}, 401)
        match asked.path:
            case "/v1/models":
                return Answered.of({"object": "list", "data": []})
            case "/v1/audio/transcriptions":
                return self._transcription(asked, faults)
            case "/v1/audio/speech":
                return self._speech(asked.data, faults)
            case _:
                return Answered.of({"detail": "Not Found"}, 404)

    # --- transcriptions ---

    def _transcription(self, asked: Asked, faults: Faults) -> Answered:
        form: dict[str, Any] = {}
        audio = b""
        for name, file_name, content in asked.parts():
            if name == "file":
                if not (file_name or "").endswith(".wav"):
                    raise Complaint(f"{file_name} says no format")
                audio = content
            form[name] = content.decode("utf-8", "replace") if name != "file" else ""
        if unknown := set(form) - _FORM - _FORM_LISTS:
            raise Complaint(f"unknown fields {sorted(unknown)}")
        if self.refuses and self.refuses in form:
            words = f"{self.refuses}: Extra inputs are not permitted"
            return Answered.of({"detail": [{"loc": ["body", self.refuses], "msg": words}]}, 422)
        if form.get("model") != "fake-ear":
            return Answered.of({"error": {"message": "The model has been retired."}}, 404)
        if "timestamp_granularities[]" in form and form.get("response_format") != "verbose_json":
            raise Complaint("times of words come with verbose_json only")
        samples = _samples(audio, self.coded.rate_hz)
        if len(samples) < self.coded.rate_hz // 10:
            return Answered.of({"error": {"message": "Audio file is too short."}}, 400)
        return self._heard(samples, form, faults)

    def _heard(self, samples: Samples, form: dict[str, Any], faults: Faults) -> Answered:
        ear = self.coded.ear()
        words = [*ear.push(samples), *ear.flush()]
        text = " ".join(word.text for word in words)
        if form.get("response_format") == "verbose_json":
            timed = [
                {"word": one.text, "start": one.start_sample / 16_000, "end": one.end_sample / 16_000}
                for one in words
            ]
            segments = [{"avg_logprob": -0.2, "no_speech_prob": 0.1}]
            return Answered.of({"language": "english", "text": text, "words": timed, "segments": segments})
        if form.get("stream") == "true" and self.answers == "streamed":
            return Answered(list(_events(text)), "text/event-stream")
        if self.answers == "text":
            return Answered(f"{text}\n".encode(), "text/plain; charset=utf-8")
        return Answered.of({"text": text, "usage": {"type": "duration", "seconds": 1}})

    # --- speech ---

    def _speech(self, request: dict[str, Any], faults: Faults) -> Answered:
        if unknown := set(request) - _SPEECH:
            raise Complaint(f"unknown fields {sorted(unknown)}")
        if request.get("response_format") != "pcm" or len(request["input"]) > 4096:
            raise Complaint("no pcm, or too long a text")
        if request.get("voice") not in VOICES:
            return Answered.of({"error": {"message": f"no voice {request.get('voice')}"}}, 400)
        voice, speed = VOICES.index(request["voice"]), request.get("speed", 1.0)
        samples = coded_speech(request["input"], rate_hz=self.rate_hz, speed=speed, voice=voice)
        body = b"" if faults.zero_audio else samples.astype("<i2").tobytes()
        if self.has_header:
            body = _wav(body, self.rate_hz)
        return Answered(_pieces(body, faults.piece_bytes or 9600), self.speech_type)


def _events(text: str) -> Iterator[bytes]:
    words = text.split(" ")
    for at, word in enumerate(words if text else []):
        yield line({"type": "transcript.text.delta", "delta": word if not at else f" {word}"}).encode()
    yield line({"type": "transcript.text.done", "text": text, "usage": {"type": "tokens"}}).encode()


def _pieces(body: bytes, size: int) -> list[bytes | float]:
    """Whole, in pieces of `size`; of single bytes only the first 400, or it would take hours."""
    first = 400 if size == 1 else len(body)
    pieces: list[bytes | float] = [body[at : at + size] for at in range(0, min(first, len(body)), size)]
    return [*pieces, body[first:]] if body[first:] else pieces


def _samples(audio: bytes, rate_hz: int) -> Samples:
    try:
        with wave.open(io.BytesIO(audio)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (rate_hz, 1, 2):
                raise Complaint(f"audio at {file.getframerate()} Hz")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    except wave.Error as error:
        raise Complaint(f"no WAV: {error}") from error


def _wav(pcm: bytes, rate_hz: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return buffer.getvalue()
