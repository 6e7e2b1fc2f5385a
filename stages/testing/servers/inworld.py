"""A fake of Inworld's voices (`/tts/v1/voice:streamBidirectional`)."""

import json
from typing import Any

import anyio
from pybase64 import b64encode_as_string

from stages.testing.servers.coded import char_samples, coded_speech
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "inworld-key"

_CREATE: dict[str, type] = {"voiceId": str, "modelId": str, "audioConfig": dict}
_CREATE_MAY: dict[str, type] = {
    "timestampType": str,
    "autoMode": bool,
    "language": str,
    "temperature": float,
    "bufferCharThreshold": int,
    "maxBufferDelayMs": int,
}
_AUDIO = {"audioEncoding", "sampleRateHertz", "bitrate", "speakingRate"}


class FakeInworld:
    """Speaks coded speech, each text a generation whose times of words begin at zero."""

    def __init__(self, *, char_ms: int = 50, max_contexts: int = 5) -> None:
        self.char_ms = char_ms
        self.max_contexts = max_contexts

    def judge(self, opening: Opening) -> Refusal | None:
        """Key and path."""
        if opening.path != "/tts/v1/voice:streamBidirectional":
            return Refusal(404)
        return None if opening.headers.get("authorization") == f"Basic {KEY}" else Refusal(401)

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await line.tell({"error": {"code": 16, "message": "unauthenticated"}})
        await line.close(1008)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        contexts: dict[str, _Context] = {}
        async for message in line.messages():
            data = json.loads(message)
            name = data.pop("contextId", "")
            (what, content), *more = data.items()
            if more or not name:
                line.complain(f"no message: {message!r}")
            if what == "create":
                await self._create(line, contexts, name, content)
            elif name not in contexts:
                line.complain(f"{name!r} was not created, or is closed: {what}")
            elif what == "close_context":
                contexts.pop(name).close()
            elif what in ("send_text", "flush_context"):
                contexts[name].take(content.get("text", ""))
            else:
                line.complain(f"unknown message {what!r}")

    async def _create(
        self, line: Line, contexts: dict[str, "_Context"], name: str, create: dict[str, Any]
    ) -> None:
        line.fields(create, _CREATE, _CREATE_MAY)
        if unknown := set(create["audioConfig"]) - _AUDIO:
            line.complain(f"unknown fields {sorted(unknown)}")
        if len(contexts) >= self.max_contexts:
            status = {"code": 8, "message": "too many contexts"}
            await line.tell({"result": {"contextId": name, "status": status}})
            return
        contexts[name] = _Context(line, name, create, self.char_ms)


class _Context:
    """One context, in a task of its own. It is closed once what was to be flushed has been spoken, else at once."""

    def __init__(self, line: Line, name: str, create: dict[str, Any], char_ms: int) -> None:
        self._line = line
        self._name = name
        self._create = create
        self._char_ms = char_ms
        self._is_flushed = False
        self._scope = anyio.CancelScope()
        self._send, self._receive = anyio.create_memory_object_stream[str](1000)
        line.tasks.start_soon(self._speak)

    def take(self, text: str) -> None:
        """A text; an empty one flushes, and all that came before it has been generated already."""
        self._is_flushed = not text
        if text:
            self._send.send_nowait(text)

    def close(self) -> None:
        """No text comes after it."""
        self._send.close()
        if not self._is_flushed and not self._line.faults.audio_after_cancel:
            self._scope.cancel()

    async def _speak(self) -> None:
        with self._receive:
            with self._scope:
                await self._tell(contextCreated={})
                async for text in self._receive:
                    await self._say(text)
                    await self._tell(flushCompleted={})
            await self._line.acknowledge({"result": {"contextId": self._name, "contextClosed": {}}})

    async def _say(self, text: str) -> None:
        audio = self._create["audioConfig"]
        rate_hz, speed = audio["sampleRateHertz"], audio.get("speakingRate", 1.0)
        voice = sum(map(ord, self._create["voiceId"]))
        char_s = char_samples(rate_hz, speed, self._char_ms) / rate_hz
        words, at = [], 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            words.append((word, start * char_s, at * char_s))
        keys = ("words", "wordStartTimeSeconds", "wordEndTimeSeconds")
        told = {key: [word[n] for word in words] for n, key in enumerate(keys)}
        pcm = coded_speech(text, rate_hz=rate_hz, speed=speed, voice=voice, char_ms=self._char_ms).tobytes()
        for number, piece in enumerate(self._line.pieces(pcm)):
            chunk: dict[str, Any] = {"audioContent": b64encode_as_string(piece)}
            if not number:
                chunk["timestampInfo"] = {"wordAlignment": told}
            await self._tell(audioChunk=chunk)
            await anyio.sleep(0.002)

    async def _tell(self, **result: Any) -> None:
        await self._line.tell({"result": {"contextId": self._name, **result}})
