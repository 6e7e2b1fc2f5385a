"""Fakes of the Realtime socket for transcription: OpenAI's (`/v1/realtime?intent=transcription`), and vLLM's."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.testing.servers.coded import CodedEar, CodedWords
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "fake-key"
MODEL = "fake-ear"
_TRANSCRIPTION = {"model", "language", "languages", "keywords", "prompt", "delay"}
_INPUT = {"format", "transcription", "turn_detection", "noise_reduction"}


class FakeRealtime:
    """Hears coded words in what is committed, at 24 kHz; guesses come word by word, while the audio does."""

    def __init__(self, coded: CodedWords) -> None:
        self.coded = coded

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and intent."""
        if opening.path != "/v1/realtime" or opening.one("intent") != "transcription":
            return Refusal(404)
        return None if opening.headers.get("authorization") == f"Bearer {KEY}" else Refusal(401)

    async def refuse(self, line: Line) -> None:
        """As an error event, and a close."""
        await line.tell(_error("invalid_api_key", "Incorrect API key provided."))
        await line.close(1008, "invalid_request_error.invalid_api_key")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing = _Hearing(line, self.coded)
        await line.tell({"type": "session.created", "event_id": "e", "session": {"type": "transcription"}})
        async for message in line.messages():
            if isinstance(message, bytes):
                line.complain("binary messages are not in this protocol")
                continue
            await hearing.told(json.loads(message))


class _Hearing:
    """What one connection has heard."""

    def __init__(self, line: Line, coded: CodedWords) -> None:
        self._line = line
        self._coded = coded
        self._items = 0
        self._is_set = False
        self._clear()

    async def told(self, data: dict[str, Any]) -> None:
        """One event of the client's."""
        match data.get("type"):
            case "session.update":
                await self._update(data)
            case "input_audio_buffer.append":
                self._line.fields(data, {"type": str, "audio": str}, {"event_id": str})
                await self._hear(base64.b64decode(data["audio"], validate=True))
            case "input_audio_buffer.commit":
                self._line.fields(data, {"type": str}, {"event_id": str})
                await self._commit()
            case "input_audio_buffer.clear":
                self._clear()
            case other:
                self._line.complain(f"unknown type {other!r}")

    async def _update(self, data: dict[str, Any]) -> None:
        listen = data["session"]["audio"]["input"]
        unknown = (set(listen) - _INPUT) | (set(listen.get("transcription", {})) - _TRANSCRIPTION)
        if unknown or data["session"].get("type") != "transcription":
            self._line.complain(f"no session of this kind: {data}")
        if listen.get("format") != {"type": "audio/pcm", "rate": 24_000}:
            self._line.complain("audio is 24 kHz only")
        if listen.get("turn_detection", "missing") is not None:
            self._line.complain("this test has the ends of turns found by the client")
        self._is_set = True
        if listen["transcription"].get("model") != MODEL:
            await self._line.tell(_error("model_not_found", "The model has been retired."))
            return
        await self._line.tell({"type": "session.updated", "session": data["session"]})

    async def _hear(self, pcm: bytes) -> None:
        if not self._is_set or not pcm or len(pcm) % 2:
            self._line.complain("audio before the settings, or none at all")
        samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.int16)
        self._samples += len(samples)
        self._words += [word.text for word in self._ear.push(samples)]

    async def _commit(self) -> None:
        if self._samples < self._coded.rate_hz // 10:
            self._clear()
            await self._line.acknowledge(_error("input_audio_buffer_commit_empty", "buffer too small"))
            return
        text = " ".join([*self._words, *(word.text for word in self._ear.flush())])
        item, self._items = f"item_{self._items}", self._items + 1
        before = f"item_{self._items - 2}" if self._items > 1 else None
        self._clear()
        named = {"item_id": item, "content_index": 0}
        what = "conversation.item.input_audio_transcription"
        await self._line.tell(
            {"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": before}
        )
        for at, word in enumerate(text.split()):
            await self._line.tell({"type": f"{what}.delta", "delta": word if not at else f" {word}", **named})
        usage = {"type": "duration", "seconds": 1}
        await self._line.acknowledge(
            {"type": f"{what}.completed", "transcript": text, "usage": usage, **named}
        )

    def _clear(self) -> None:
        self._ear: CodedEar = self._coded.ear()
        self._words: list[str] = []
        self._samples = 0


class FakeVllm:
    """Hears coded words between a commit and a final one, at 16 kHz."""

    def __init__(self, coded: CodedWords) -> None:
        self.coded = coded

    def judge(self, opening: Opening) -> Refusal | None:
        """The path; a key is not asked for."""
        return None if opening.path == "/v1/realtime" else Refusal(404)

    async def refuse(self, line: Line) -> None:
        """As an error event, and a close."""
        await line.tell(_error("invalid_api_key", "no"))
        await line.close(1008)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        await line.tell({"type": "session.created", "id": "s", "created": 0})
        ear: CodedEar | None = None
        words: list[str] = []
        async for message in line.messages():
            data = json.loads(message)
            match data.get("type"):
                case "session.update":
                    if data.get("model") != MODEL:
                        await line.tell(_error("model_not_found", "no such model"))
                case "input_audio_buffer.commit" if data.get("final"):
                    last = ear.flush() if ear is not None else []
                    text = " ".join([*words, *(word.text for word in last)])
                    ear, words = None, []
                    await line.acknowledge({"type": "transcription.done", "text": text, "usage": {}})
                case "input_audio_buffer.commit":
                    if ear is not None:
                        line.complain("begun twice")
                    ear = self.coded.ear()
                case "input_audio_buffer.append" if ear is not None:
                    pcm = base64.b64decode(data["audio"], validate=True)
                    for word in ear.push(np.frombuffer(pcm, "<i2").astype(np.int16)):
                        delta = word.text if not words else f" {word.text}"
                        words.append(word.text)
                        await line.tell({"type": "transcription.delta", "delta": delta})
                case other:
                    line.complain(f"not now: {other!r}")


def _error(code: str, words: str) -> Mapping[str, Any]:
    error = {"type": "invalid_request_error", "code": code, "message": words, "param": None}
    return {"type": "error", "event_id": "e", "error": error}
