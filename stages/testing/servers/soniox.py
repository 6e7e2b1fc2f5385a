"""Fakes of Soniox's services: the recogniser (`/transcribe-websocket`) and the voices (`/tts-websocket`)."""

import json
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

import anyio
import numpy as np
from pybase64 import b64encode_as_string

from stages.testing.servers.coded import CodedWord, CodedWords, char_samples, coded_speech
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "soniox-key"

_BEGIN: dict[str, type] = {
    "api_key": str,
    "model": str,
    "audio_format": str,
    "sample_rate": int,
    "num_channels": int,
}
_BEGIN_MAY: dict[str, type] = {
    "enable_endpoint_detection": bool,
    "language_hints": list,
    "context": dict,
    "enable_language_identification": bool,
}


async def _refuse(line: Line, **more: Any) -> None:
    await line.tell({**more, "error_code": 401, "error_message": "Incorrect API key provided"})
    await line.close(1000)


class FakeSonioxEar:
    """Hears coded words. Every `segment_words` they are final; between them guesses. Words come in two tokens."""

    def __init__(self, coded: CodedWords, *, segment_words: int = 3) -> None:
        self.coded = coded
        self.segment_words = segment_words

    def judge(self, opening: Opening) -> Refusal | None:
        """The path, and that no key is in it."""
        return Refusal(404) if opening.path != "/transcribe-websocket" or opening.query else None

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await _refuse(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing: _Hearing | None = None
        async for message in line.messages():
            if hearing is None:
                begin = json.loads(message)
                line.fields(begin, _BEGIN, _BEGIN_MAY)
                if begin.get("api_key") != KEY:
                    await _refuse(line)
                    return
                hearing = _Hearing(line, self)
            elif isinstance(message, bytes):
                await hearing.hear(message)
            else:
                match json.loads(message).get("type"):
                    case "finalize":
                        await hearing.finalise()
                    case "keepalive":
                        pass
                    case other:
                        line.complain(f"unknown type {other!r}")


class _Hearing:
    """What one connection has heard."""

    def __init__(self, line: Line, fake: FakeSonioxEar) -> None:
        self._line = line
        self._fake = fake
        self._ear = fake.coded.ear()
        self._words: list[CodedWord] = []
        self._told = ""

    async def hear(self, message: bytes) -> None:
        if not message or len(message) % 2:
            self._line.complain("an empty message ends the stream; samples have two bytes")
        self._words += self._ear.push(np.frombuffer(message[: len(message) & ~1], np.int16))
        if len(self._words) >= self._fake.segment_words:
            await self._line.tell(self._message(self._tokens(self._words, is_final=True)))
            self._words = []
        guess = " ".join([*(word.text for word in self._words), self._ear.guess]).strip()
        if guess != self._told:
            self._told = guess
            tokens = self._tokens(self._words, is_final=False)
            if self._ear.guess:
                tokens.append(self._token(f" {self._ear.guess}", self._ear.at, self._ear.at, is_final=False))
            await self._line.tell(self._message(tokens))

    async def finalise(self) -> None:
        self._words += self._ear.flush()
        tokens = self._tokens(self._words, is_final=True)
        self._words, self._told = [], ""
        tokens.append(self._token("<fin>", self._ear.at, self._ear.at, is_final=True))
        await self._line.acknowledge(self._message(tokens))

    def _tokens(self, words: Sequence[CodedWord], *, is_final: bool) -> list[dict[str, Any]]:
        tokens = []
        for word in words:
            middle = (word.start_sample + word.end_sample) // 2
            parts = (f" {word.text[:2]}", word.start_sample, middle), (word.text[2:], middle, word.end_sample)
            tokens += [self._token(*part, is_final=is_final) for part in parts if part[0]]
        return tokens

    def _token(self, text: str, start: int, end: int, *, is_final: bool) -> dict[str, Any]:
        ms = self._fake.coded.rate_hz // 1000
        times = {"start_ms": start // ms, "end_ms": end // ms}
        return {"text": text, **times, "confidence": 0.9, "is_final": is_final}

    def _message(self, tokens: Sequence[dict[str, Any]]) -> dict[str, Any]:
        ms = self._fake.coded.rate_hz // 1000
        final = [token["end_ms"] for token in tokens if token["is_final"]]
        return {
            "tokens": tokens,
            "final_audio_proc_ms": max(final, default=0),
            "total_audio_proc_ms": self._ear.at // ms,
        }


class FakeSonioxVoice:
    """Speaks coded speech, each stream's texts in order, with the times of characters beside their audio."""

    def __init__(self, *, char_ms: int = 50, max_streams: int = 5) -> None:
        self.char_ms = char_ms
        self.max_streams = max_streams

    def judge(self, opening: Opening) -> Refusal | None:
        """The path, and that no key is in it."""
        return Refusal(404) if opening.path != "/tts-websocket" or opening.query else None

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await _refuse(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        streams: dict[str, _Stream] = {}
        async for message in line.messages():
            data = json.loads(message)
            name = data.get("stream_id", "")
            if data.get("keep_alive"):
                continue
            if "api_key" in data:
                await self._begin(line, streams, data)
            elif name not in streams:
                line.complain(f"{name!r} was not begun: {data}")
            elif data.get("cancel"):
                streams[name].cancel()
            elif line.fields(data, {"stream_id": str, "text": str, "text_end": bool}):
                streams[name].take(data)

    async def _begin(self, line: Line, streams: dict[str, "_Stream"], data: dict[str, Any]) -> None:
        required: dict[str, type] = dict.fromkeys(
            ("api_key", "stream_id", "model", "voice", "language", "audio_format"), str
        )
        line.fields(
            data, required | {"sample_rate": int}, {"return_timestamps": bool, "speed": float, "bitrate": int}
        )
        name = data["stream_id"]
        if data["api_key"] != KEY:
            await _refuse(line)
        elif sum(stream.text is not _Text.SPOKEN for stream in streams.values()) >= self.max_streams:
            await line.tell({"stream_id": name, "error_code": 429, "error_message": "streams"})
        else:
            streams[name] = _Stream(line, data, self.char_ms)


class _Text(Enum):
    """How far the text of one stream is."""

    COMES = auto()
    ENDED = auto()
    SPOKEN = auto()


class _Stream:
    """One stream, in a task of its own."""

    def __init__(self, line: Line, begin: dict[str, Any], char_ms: int) -> None:
        self.text = _Text.COMES
        self._line = line
        self._begin = begin
        self._char_ms = char_ms
        self._chars = 0
        self._scope = anyio.CancelScope()
        self._send, self._receive = anyio.create_memory_object_stream[str | None](1000)
        line.tasks.start_soon(self._speak)

    def take(self, data: dict[str, Any]) -> None:
        if self.text is not _Text.COMES or len(data["text"]) > 5000:
            self._line.complain(f"text after its end, or too much of it: {data}")
            return
        if data["text"]:
            self._send.send_nowait(data["text"])
        if data["text_end"]:
            self.text = _Text.ENDED
            self._send.send_nowait(None)

    def cancel(self) -> None:
        """Ends what has not been generated; of what has, some may still come."""
        if self.text is not _Text.COMES:
            self._line.complain("a stream whose text has ended cannot be cancelled")
        else:
            self.text = _Text.ENDED
        if self._line.faults.audio_after_cancel:
            self._send.send_nowait(None)
        else:
            self._scope.cancel()

    async def _speak(self) -> None:
        with self._send, self._receive:
            with self._scope:
                async for text in self._receive:
                    if text is None:
                        break
                    await self._say(text)
                await self._tell(audio_end=True)
            self.text = _Text.SPOKEN
            await self._line.acknowledge({"stream_id": self._begin["stream_id"], "terminated": True})

    async def _say(self, text: str) -> None:
        rate_hz = self._begin["sample_rate"]
        speed = self._begin.get("speed", 1.0)
        char_s = char_samples(rate_hz, speed, self._char_ms) / rate_hz
        starts = [(self._chars + at) * char_s for at in range(len(text))]
        told = {
            "characters": list(text),
            "character_start_times_seconds": starts,
            "character_end_times_seconds": [start + char_s for start in starts],
        }
        voice = sum(map(ord, self._begin["voice"]))
        pcm = coded_speech(text, rate_hz=rate_hz, speed=speed, voice=voice, char_ms=self._char_ms).tobytes()
        self._chars += len(text)
        for number, piece in enumerate(self._line.pieces(pcm)):
            await self._tell(audio=b64encode_as_string(piece), **({"timestamps": told} if not number else {}))
            await anyio.sleep(0.002)

    async def _tell(self, **more: Any) -> None:
        await self._line.tell({"stream_id": self._begin["stream_id"], **more})


class FakeSonioxTurns(FakeSonioxEar):
    """The same with the ends of turns: after `end_ms` of silence all is final, and a marker comes."""

    def __init__(self, coded: CodedWords, *, end_ms: int = 500) -> None:
        super().__init__(coded)
        self.end_samples = coded.rate_hz * end_ms // 1000

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing: _TurnHearing | None = None
        async for message in line.messages():
            if hearing is None:
                begin = json.loads(message)
                line.fields(begin, _BEGIN, {**_BEGIN_MAY, "max_endpoint_delay_ms": int})
                if begin.get("api_key") != KEY:
                    await _refuse(line)
                    return
                if begin.get("enable_endpoint_detection") is not True:
                    line.complain("the ends of turns were not asked for")
                hearing = _TurnHearing(line, self)
            elif isinstance(message, bytes):
                await hearing.hear(message)
            elif json.loads(message).get("type") == "finalize":
                await hearing.finalise()
            elif json.loads(message).get("type") != "keepalive":
                line.complain(f"unknown text {message!r}")


class _TurnHearing(_Hearing):
    """What one connection has heard of the running turn."""

    def __init__(self, line: Line, fake: FakeSonioxTurns) -> None:
        super().__init__(line, fake)
        self._end_samples = fake.end_samples
        self._spoke_at = 0
        self._is_running = False

    async def hear(self, message: bytes) -> None:
        before = self._told
        await super().hear(message)
        if self._ear.guess or self._told != before:
            self._spoke_at, self._is_running = self._ear.at, True
        if self._is_running and self._ear.at - self._spoke_at >= self._end_samples:
            self._words += self._ear.flush()
            await self._line.tell(self._message(self._tokens(self._words, is_final=True)))
            self._words, self._told, self._is_running = [], "", False
            end = self._token("<end>", self._ear.at, self._ear.at, is_final=True)
            await self._line.acknowledge(self._message([end]))
