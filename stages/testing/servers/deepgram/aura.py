"""A fake of Aura (`/v1/speak`): text pushed piece by piece, spoken at each flush."""

import json

import anyio

from stages.testing.servers.coded import coded_speech
from stages.testing.servers.deepgram.access import bad_query, unauthorised
from stages.testing.servers.line import Line, Opening, Refusal


class FakeAura:
    """Speaks coded speech: what is buffered with each flush, faster than real time."""

    def __init__(self, *, char_ms: float = 50) -> None:
        self.char_ms = char_ms

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and parameters."""
        if opening.path != "/v1/speak":
            return Refusal(404)
        known = frozenset({"model", "encoding", "sample_rate", "speed", "mip_opt_out"})
        return unauthorised(opening) or bad_query(
            opening, known, "aura-", (8000, 16_000, 24_000, 32_000, 48_000)
        )

    async def refuse(self, line: Line) -> None:
        """As far as is known this service refuses in the handshake only."""
        await line.close(1008, "INVALID_AUTH")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        speaking = _AuraSpeaking(line, self.char_ms)
        await line.tell({"type": "Metadata", "request_id": "r", "model_name": line.opening.one("model")})
        async for message in line.messages():
            data = json.loads(message)
            is_text = data.get("type") == "Speak"
            line.fields(data, {"type": str, "text": str} if is_text else {"type": str})
            match data.get("type"):
                case "Speak":
                    speaking.buffer += data["text"]
                case "Flush":
                    await speaking.flush()
                case "Clear":
                    await speaking.clear()
                case "Close":
                    await line.close(1000)
                    return
                case other:
                    line.complain(f"unknown type {other!r}")


class _AuraSpeaking:
    """One connection: what it speaks one after the other, in a task of its own, so that it can be cleared."""

    def __init__(self, line: Line, char_ms: float) -> None:
        self.buffer = ""
        self._line = line
        self._char_ms = char_ms
        self._send, self._receive = anyio.create_memory_object_stream[str](1000)
        self._scope = anyio.CancelScope()
        self._sequence = 0
        self._flushes = 0
        line.tasks.start_soon(self._speak)

    async def flush(self) -> None:
        self._flushes += 1
        if self._flushes > 20:  # in a minute; a test does not last so long
            self._line.complain("more than 20 flushes in a minute")
        text, self.buffer = self.buffer, ""
        await self._send.send(text)

    async def clear(self) -> None:
        self.buffer = ""
        self._scope.cancel()
        if self._line.faults.audio_after_cancel:
            await self._line.tell(b"\x10\x20" * 4800)
        await self._line.acknowledge({"type": "Cleared", "sequence_id": self._sequence})

    async def _speak(self) -> None:
        rate_hz, speed = (
            int(self._line.opening.one("sample_rate")),
            float(self._line.opening.one("speed", "1")),
        )
        voice = sum(map(ord, self._line.opening.one("model")))
        with self._send, self._receive:
            while True:
                with anyio.CancelScope() as self._scope:
                    async for text in self._receive:
                        pcm = coded_speech(
                            text, rate_hz=rate_hz, speed=speed, voice=voice, char_ms=self._char_ms
                        )
                        for piece in self._line.pieces(pcm.tobytes()):
                            await self._line.tell(piece)
                            await anyio.sleep(0.002)
                        self._sequence += 1
                        await self._line.acknowledge({"type": "Flushed", "sequence_id": self._sequence})
                while self._receive.statistics().current_buffer_used:
                    self._receive.receive_nowait()
