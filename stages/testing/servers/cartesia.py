"""Fakes of Cartesia's services: Ink (`/stt/websocket`), Ink with turns (`/stt/turns/websocket`) and Sonic
(`/tts/websocket`)."""

import json
from typing import Any

import anyio
import numpy as np
from pybase64 import b64encode_as_string

from stages.testing.servers.coded import CodedEar, CodedWords, Heard, char_samples, coded_speech
from stages.testing.servers.serving import Line, Opening, Refusal

KEY = "cartesia-key"

GONE_S = 1.0
"""So long after its last audio a context of Sonic's ends."""


def _judge(opening: Opening, path: str, known: set[str]) -> Refusal | None:
    if opening.path != path:
        return Refusal(404)
    if opening.headers.get("authorization") != f"Bearer {KEY}" and opening.headers.get("x-api-key") != KEY:
        return Refusal(401, "invalid key")
    if not opening.headers.get("cartesia-version"):
        return Refusal(400, "no version")
    wrong = sorted(set(opening.query) - known)
    is_ink = opening.one("model").startswith("ink-") and opening.one("encoding") == "pcm_s16le"
    return Refusal(400, f"wrong: {wrong}") if wrong or (known and not is_ink) else None


async def _refuse(line: Line) -> None:
    await line.tell({"type": "error", "title": "no", "message": "invalid key", "status_code": 401})
    await line.close(1008, "unauthorized")


def _samples(line: Line, message: bytes) -> Any:
    if len(message) % 2 or not message:
        line.complain(f"{len(message)} bytes are no audio of the declared kind")
    return np.frombuffer(message[: len(message) & ~1], np.int16)


class FakeInk:
    """Hears coded words. Every `segment_words` a final piece; between them guesses."""

    def __init__(self, coded: CodedWords, *, segment_words: int = 3) -> None:
        self.coded = coded
        self.segment_words = segment_words

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, version, path and parameters."""
        known = {
            "model",
            "encoding",
            "sample_rate",
            "language",
            "keyterm",
            "min_volume",
            "max_silence_duration_secs",
        }
        return _judge(opening, "/stt/websocket", known)

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await _refuse(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing = _InkHearing(line, self)
        async for message in line.messages():
            if isinstance(message, bytes):
                await hearing.hear(_samples(line, message))
            elif message == "finalize":
                await hearing.finalise()
            elif message == "close":
                await line.tell({"type": "done", "request_id": "r"})
                await line.close(1000)
                return
            else:
                line.complain(f"unknown text {message!r}")


class _InkHearing:
    """What one connection has heard."""

    def __init__(self, line: Line, ink: FakeInk) -> None:
        self._line = line
        self._ink = ink
        self._ear: CodedEar = ink.coded.ear()
        self._words: list[Heard] = []
        self._has_told = False
        self._guess = ""

    async def hear(self, samples: Any) -> None:
        self._words += self._ear.push(samples)
        if len(self._words) >= self._ink.segment_words:
            await self._final()
        guess = " ".join([*(word.text for word in self._words), self._ear.guess]).strip()
        if guess != self._guess:
            self._guess = guess
            await self._line.tell({"type": "transcript", "is_final": False, "text": guess, "request_id": "r"})

    async def finalise(self) -> None:
        self._words += self._ear.flush()
        await self._final()
        self._guess = ""
        await self._line.acknowledge({"type": "flush_done", "request_id": "r"})

    async def _final(self) -> None:
        """Text is what came since the last final one, with the space that separates them."""
        if not self._words:
            return
        rate_hz = self._ink.coded.rate_hz
        text = " ".join(word.text for word in self._words)
        message = {
            "type": "transcript",
            "is_final": True,
            "text": f" {text}" if self._has_told else text,
            "request_id": "r",
            "language": "en",
            "words": [
                {"word": word.text, "start": word.start_sample / rate_hz, "end": word.end_sample / rate_hz}
                for word in self._words
            ],
        }
        self._words, self._has_told = [], True
        await self._line.tell(message)


class FakeInkTurns:
    """Hears coded words, and finds turns by silence: a probable end after `eager_ms` of it, the end after `end_ms`."""

    def __init__(self, coded: CodedWords, *, eager_ms: int = 200, end_ms: int = 500) -> None:
        self.coded = coded
        self.eager_samples = coded.rate_hz * eager_ms // 1000
        self.end_samples = coded.rate_hz * end_ms // 1000

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, version, path and parameters."""
        known = {
            "model",
            "encoding",
            "sample_rate",
            "keyterm",
            "turn_start_threshold",
            "turn_eager_end_threshold",
        }
        return _judge(opening, "/stt/turns/websocket", known | {"turn_end_threshold", "turn_end_timeout_ms"})

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await _refuse(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        turns = _InkTurns(line, self)
        await line.tell({"type": "connected", "request_id": "r"})
        async for message in line.messages():
            if isinstance(message, bytes):
                await turns.hear(_samples(line, message))
            elif json.loads(message).get("type") not in ("config", "close"):
                line.complain(f"unknown text {message!r}")


class _InkTurns:
    """The turns of one connection, on its audio's clock."""

    def __init__(self, line: Line, ink: FakeInkTurns) -> None:
        self._line = line
        self._ink = ink
        self._ear = ink.coded.ear()
        self._words: list[str] = []
        self._spoke_at = 0
        self._state = "idle"

    async def hear(self, samples: Any) -> None:
        words = self._ear.push(samples)
        self._words += [word.text for word in words]
        if words or self._ear.guess:
            self._spoke_at = self._ear.at
            if self._state != "running":
                await self._tell("turn.start" if self._state == "idle" else "turn.resume", "running")
            if words:
                await self._tell("turn.update", "running")
        silence = self._ear.at - self._spoke_at
        if self._state != "idle" and silence >= self._ink.end_samples:
            await self._tell("turn.end", "idle")
            self._words = []
        elif self._state == "running" and silence >= self._ink.eager_samples:
            await self._tell("turn.eager_end", "early")

    async def _tell(self, type: str, state: str) -> None:
        self._state = state
        message = {"type": type, "request_id": "r"}
        if type not in ("turn.start", "turn.resume"):
            message["transcript"] = " ".join(self._words)
        await (self._line.acknowledge(message) if type == "turn.end" else self._line.tell(message))


class FakeSonic:
    """Speaks coded speech, each context's transcripts in order, with the times of words before their audio."""

    def __init__(self, *, char_ms: int = 50, max_contexts: int = 2) -> None:
        self.char_ms = char_ms
        self.max_contexts = max_contexts

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, version and path."""
        return _judge(opening, "/tts/websocket", set())

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await _refuse(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        contexts: dict[str, _SonicContext] = {}
        required: dict[str, type] = dict.fromkeys(("model_id", "transcript", "language", "context_id"), str)
        required |= {"voice": dict, "output_format": dict, "continue": bool}
        optional = {
            "add_timestamps": bool,
            "max_buffer_delay_ms": int,
            "flush": bool,
            "generation_config": dict,
        }
        async for message in line.messages():
            data = json.loads(message)
            name = data.get("context_id", "")
            if data.get("cancel"):
                if name in contexts and not contexts[name].is_over:
                    contexts[name].cancel()
                continue
            if not line.fields(data, required, optional):
                continue
            if name not in contexts:
                if sum(not context.is_over for context in contexts.values()) >= self.max_contexts:
                    await line.tell(
                        {"type": "error", "context_id": name, "message": "limit", "status_code": 429}
                    )
                    continue
                contexts[name] = _SonicContext(line, data, self.char_ms)
            contexts[name].take(data)


class _SonicContext:
    """One context, in a task of its own."""

    def __init__(self, line: Line, first: dict[str, Any], char_ms: int) -> None:
        self.is_over = False
        self._line = line
        self._first = first
        self._char_ms = char_ms
        self._said_chars = 0
        self._scope = anyio.CancelScope()
        self._send, self._receive = anyio.create_memory_object_stream[str | None](1000)
        line.tasks.start_soon(self._speak)

    def take(self, data: dict[str, Any]) -> None:
        for name, value in data.items():
            if name not in ("transcript", "continue", "flush") and value != self._first.get(name):
                self._line.complain(f"{name} is not what it was in the first message of its context")
        if self.is_over:
            self._line.complain(f"{data} is of a context that is over")
            return
        if data["transcript"]:
            self._send.send_nowait(data["transcript"])
        if not data["continue"]:
            self._send.send_nowait(None)

    def cancel(self) -> None:
        """Ends what has not been generated; of what has, some still comes."""
        if not self._line.faults.audio_after_cancel:
            self._scope.cancel()
        self.is_over = True

    async def _speak(self) -> None:
        with self._send, self._receive, self._scope:
            while True:
                text: str | None = None
                with anyio.move_on_after(GONE_S if self._said_chars else None):
                    text = await self._receive.receive()
                if text is None:
                    break
                await self._say(text)
            self.is_over = True
            await self._line.acknowledge(self._message("done", done=True))

    async def _say(self, text: str) -> None:
        rate_hz = int(self._first["output_format"]["sample_rate"])
        speed = float(self._first.get("generation_config", {}).get("speed", 1))
        voice = sum(map(ord, self._first["voice"]["id"]))
        char_s = char_samples(rate_hz, speed, self._char_ms) / rate_hz
        words, at = [], 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            words.append((word, (self._said_chars + start) * char_s, (self._said_chars + at) * char_s))
        if any(map(str.isalnum, text)):
            told = {key: [word[n] for word in words] for n, key in enumerate(("words", "start", "end"))}
            await self._line.tell(self._message("timestamps", word_timestamps=told))
            self._said_chars += len(text)
        pcm = coded_speech(text, rate_hz=rate_hz, speed=speed, voice=voice, char_ms=self._char_ms).tobytes()
        for piece in self._line.pieces(pcm):
            await self._line.tell(self._message("chunk", data=b64encode_as_string(piece), step_time=1))
            await anyio.sleep(0.002)

    def _message(self, type: str, *, done: bool = False, **more: Any) -> dict[str, Any]:
        return {
            "type": type,
            "context_id": self._first["context_id"],
            "status_code": 206,
            "done": done,
            **more,
        }
