"""Fakes of ElevenLabs' services: Scribe (`/v1/speech-to-text/realtime`) and the voices' socket with contexts."""

import json
from enum import Enum, auto
from typing import Any

import anyio
import numpy as np
from pybase64 import b64decode, b64encode_as_string

from stages.testing.servers.coded import CodedEar, CodedWord, CodedWords, char_samples, coded_speech
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "elevenlabs-key"


def _judge(opening: Opening, known: set[str], models: str) -> Refusal | None:
    if opening.headers.get("xi-api-key") != KEY:
        return Refusal(401, json.dumps({"detail": {"status": "invalid_api_key"}}))
    wrong = sorted(set(opening.query) - known)
    if wrong or not opening.one("model_id").startswith(models):
        return Refusal(400, json.dumps({"detail": {"status": "invalid_request", "message": str(wrong)}}))
    return None


class FakeScribe:
    """Hears coded words; guesses while they come, the text when it is committed."""

    def __init__(self, coded: CodedWords) -> None:
        self.coded = coded

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and parameters."""
        if opening.path != "/v1/speech-to-text/realtime":
            return Refusal(404)
        known = {
            "model_id",
            "audio_format",
            "commit_strategy",
            "language_code",
            "include_timestamps",
            "keyterms",
        }
        return _judge(opening, known | {"include_language_detection", "enable_logging"}, "scribe_")

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await line.tell({"message_type": "auth_error", "error": "invalid key"})
        await line.close(1008, "auth_error")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        await line.tell({"message_type": "session_started", "session_id": "s", "config": {}})
        hearing = _ScribeHearing(line, self.coded.ear(), self.coded.rate_hz)
        async for message in line.messages():
            data = json.loads(message)
            required = {"message_type": str, "audio_base_64": str, "commit": bool, "sample_rate": int}
            if not line.fields(data, required) or data["message_type"] != "input_audio_chunk":
                line.complain(f"unknown message {data}")
                continue
            await hearing.hear(b64decode(data["audio_base_64"]), commit=data["commit"])


class _ScribeHearing:
    """What one connection has heard."""

    def __init__(self, line: Line, ear: CodedEar, rate_hz: int) -> None:
        self._line = line
        self._ear = ear
        self._rate_hz = rate_hz
        self._words: list[CodedWord] = []
        self._new_samples = 0
        self._told = ""

    async def hear(self, pcm: bytes, *, commit: bool) -> None:
        if len(pcm) % 2:
            self._line.complain(f"{len(pcm)} bytes are no audio of the declared kind")
        self._words += self._ear.push(np.frombuffer(pcm[: len(pcm) & ~1], np.int16))
        self._new_samples += len(pcm) // 2
        if commit:
            await self._commit()
            return
        guess = " ".join([*(word.text for word in self._words), self._ear.guess]).strip()
        if guess != self._told:
            self._told = guess
            await self._line.tell({"message_type": "partial_transcript", "text": guess})

    async def _commit(self) -> None:
        if self._new_samples < 0.3 * self._rate_hz:
            await self._line.tell({"message_type": "commit_throttled", "error": "too little audio"})
            return
        self._new_samples = 0
        words = self._words + self._ear.flush()
        self._words, self._told = [], ""
        text = " ".join(word.text for word in words)
        timed = [
            {
                "text": word.text,
                "start": start / self._rate_hz,
                "end": word.end_sample / self._rate_hz,
                "type": "word",
            }
            for word in words
            for start in [word.start_sample]
        ]
        await self._line.acknowledge({"message_type": "committed_transcript", "text": text})
        await self._line.acknowledge(
            {"message_type": "committed_transcript_with_timestamps", "text": text, "words": timed}
        )


class FakeElevenLabsVoice:
    """Speaks coded speech, each context's flushed text in order, with an alignment by characters."""

    def __init__(self, *, char_ms: int = 50) -> None:
        self.char_ms = char_ms

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and parameters."""
        if not (
            opening.path.startswith("/v1/text-to-speech/") and opening.path.endswith("/multi-stream-input")
        ):
            return Refusal(404)
        known = {
            "model_id",
            "output_format",
            "language_code",
            "inactivity_timeout",
            "sync_alignment",
            "auto_mode",
        }
        return _judge(opening, known | {"enable_logging", "apply_text_normalization", "seed"}, "eleven_")

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await line.tell({"error": "invalid_api_key", "message": "no", "code": 1008})
        await line.close(1008, "invalid_api_key")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        contexts: dict[str, _SpokenContext] = {}
        async for message in line.messages():
            data = json.loads(message)
            optional = {"text": str, "flush": bool, "close_context": bool, "voice_settings": dict}
            if not line.fields(data, {"context_id": str}, optional):
                continue
            name = data["context_id"]
            if (context := contexts.get(name)) is None:
                if data.get("text") != " ":
                    line.complain(f"{data} is of a context that is not open")
                    continue
                if sum(context.text is not _Text.SPOKEN for context in contexts.values()) >= 5:
                    await line.tell({"error": "max_active_conversations", "message": "5", "code": 1008})
                    await line.close(1008, "max_active_conversations")
                    return
                contexts[name] = _SpokenContext(line, name, data.get("voice_settings", {}), self.char_ms)
                continue
            context.take(data)


class _Text(Enum):
    """How far the text of one context is."""

    COMES = auto()
    ENDED = auto()
    SPOKEN = auto()


class _SpokenContext:
    """One context, in a task of its own."""

    def __init__(self, line: Line, name: str, style: dict[str, Any], char_ms: int) -> None:
        self.text = _Text.COMES
        self._line = line
        self._name = name
        self._speed = float(style.get("speed", 1))
        if not 0.7 <= self._speed <= 1.2:
            line.complain(f"a speed of {self._speed}")
        self._char_ms = char_ms
        self._buffer = ""
        self._send, self._receive = anyio.create_memory_object_stream[str | None](1000)
        line.tasks.start_soon(self._speak)

    def take(self, data: dict[str, Any]) -> None:
        if self.text is not _Text.COMES:
            self._line.complain(f"{data} after its context was closed")
            return
        text = data.get("text", "")
        if text and not text.endswith(" "):
            self._line.complain(f"{text!r} does not end with a space")
        self._buffer += text
        if data.get("flush"):
            self._send.send_nowait(self._buffer)
            self._buffer = ""
        if data.get("close_context"):
            self.text = _Text.ENDED
            self._send.send_nowait(None)

    async def _speak(self) -> None:
        with self._send, self._receive:
            async for text in self._receive:
                if text is None:
                    break
                await self._say(text)
            self.text = _Text.SPOKEN
            await self._line.acknowledge({"isFinal": True, "contextId": self._name})

    async def _say(self, text: str) -> None:
        rate_hz = int(self._line.opening.one("output_format").removeprefix("pcm_"))
        voice = sum(map(ord, self._line.opening.path))
        char = 2 * char_samples(rate_hz, self._speed, self._char_ms)
        pcm = coded_speech(
            text, rate_hz=rate_hz, speed=self._speed, voice=voice, char_ms=self._char_ms
        ).tobytes()
        at = 0
        for piece in self._line.pieces(pcm):
            inside = [number for number in range(len(text)) if at <= number * char < at + len(piece)]
            to_ms = 1000 / 2 / rate_hz
            alignment = {
                "chars": [text[number] for number in inside],
                "charStartTimesMs": [(number * char - at) * to_ms for number in inside],
                "charDurationsMs": [char * to_ms for _ in inside],
            }
            message = {"audio": b64encode_as_string(piece), "isFinal": None, "contextId": self._name}
            await self._line.tell({**message, "alignment": alignment} if inside else message)
            at += len(piece)
            await anyio.sleep(0.002)
