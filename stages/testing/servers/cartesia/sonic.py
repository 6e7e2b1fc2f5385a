"""A fake of Sonic (`/tts/websocket`): contexts with word times, several on one connection."""

import json
from typing import Any

import anyio
from pybase64 import b64encode_as_string

from stages.testing.servers.cartesia.access import judge_opening, refuse_key
from stages.testing.servers.coded import char_samples, coded_speech
from stages.testing.servers.line import Line, Opening, Refusal

GONE_S = 1.0
"""So long after its last audio a context of Sonic's ends."""


class FakeSonic:
    """Speaks coded speech, each context's transcripts in order, with the times of words before their audio."""

    def __init__(self, *, char_ms: int = 50, max_contexts: int = 2) -> None:
        self.char_ms = char_ms
        self.max_contexts = max_contexts

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, version and path."""
        return judge_opening(opening, "/tts/websocket", set())

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await refuse_key(line)

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
