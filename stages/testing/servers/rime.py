"""A fake of Rime's voices (`/ws3`)."""

import json
from typing import Any

import anyio
from pybase64 import b64encode_as_string

from stages.testing.servers.coded import coded_speech
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "rime-key"

_NEEDED = {"speaker", "modelId", "audioFormat", "samplingRate", "segment"}


class FakeRime:
    """Speaks coded speech, each flush by itself; it collects text until then."""

    def __init__(self, *, char_ms: int = 50) -> None:
        self.char_ms = char_ms

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and parameters."""
        if opening.path != "/ws3":
            return Refusal(404)
        if opening.headers.get("authorization") != f"Bearer {KEY}":
            return Refusal(401)
        is_right = _NEEDED <= opening.query.keys() <= _NEEDED | {"lang"}
        return None if is_right and opening.query["segment"] == ["never"] else Refusal(400)

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await line.tell({"type": "error", "message": "unauthorized"})
        await line.close(1008)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        speaking = _Speaking(line, self)
        async for message in line.messages():
            data = json.loads(message)
            match data:
                case {"text": str() as text, "contextId": str() as context, **more} if not more:
                    speaking.take(text, context)
                case {"operation": "flush", "contextId": str() as context, **more} if not more:
                    speaking.flush(context)
                case {"operation": "clear", **more} if not more:
                    speaking.clear()
                case {"operation": "eos", **more} if not more:
                    return
                case _:
                    line.complain(f"no message: {message!r}")


class _Speaking:
    """What one connection has to say, in a task of its own."""

    def __init__(self, line: Line, fake: FakeRime) -> None:
        self._line = line
        self._fake = fake
        self._text = ""
        self._scope = anyio.CancelScope()
        self._send, self._receive = anyio.create_memory_object_stream[tuple[str, str]](1000)
        line.tasks.start_soon(self._speak)

    def take(self, text: str, context: str) -> None:
        """Collect text."""
        if self._text:
            self._line.complain("a text that was not flushed before the next")
        self._text = text

    def flush(self, context: str) -> None:
        """Have the text spoken."""
        if not self._text.strip():
            self._line.complain("a flush of nothing")
        self._send.send_nowait((self._text, context))
        self._text = ""

    def clear(self) -> None:
        """Say no more of it; nothing confirms that."""
        self._text = ""
        if not self._line.faults.audio_after_cancel:
            self._scope.cancel()

    async def _speak(self) -> None:
        rate_hz = int(self._line.opening.query["samplingRate"][0])
        voice = sum(map(ord, self._line.opening.query["speaker"][0]))
        with self._send, self._receive, self._scope:
            async for text, context in self._receive:
                pcm = coded_speech(text, rate_hz=rate_hz, voice=voice, char_ms=self._fake.char_ms).tobytes()
                for piece in self._line.pieces(pcm):
                    chunk: dict[str, Any] = {"type": "chunk", "data": b64encode_as_string(piece)}
                    await self._line.tell({**chunk, "contextId": context})
                    await anyio.sleep(0.002)
                times: dict[str, Any] = {"words": [], "start": [], "end": []}
                await self._line.tell({"type": "timestamps", "word_timestamps": times})
                await self._line.acknowledge({"type": "done", "contextId": context})
