"""A fake of AssemblyAI's streaming recogniser (`/v3/ws`)."""

import json
from typing import Any

import numpy as np

from stages.testing.servers.coded import CodedWord, CodedWords
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "assemblyai-key"

_QUERY = frozenset(
    {"speech_model", "sample_rate", "encoding", "format_turns", "min_turn_silence", "max_turn_silence"}
    | {"language_codes", "keyterms_prompt", "prompt", "vad_threshold", "inactivity_timeout", "mode"}
    | {"end_of_turn_confidence_threshold"}
)


class FakeAssemblyAI:
    """Hears coded words, and ends a turn after `end_ms` of silence: with `format_turns` twice, bare and formatted."""

    def __init__(self, coded: CodedWords, *, end_ms: int = 500) -> None:
        self.coded = coded
        self.end_samples = coded.rate_hz * end_ms // 1000

    def judge(self, opening: Opening) -> Refusal | None:
        """Path and parameters; the key is checked after the upgrade."""
        wrong = sorted(set(opening.query) - _QUERY)
        if opening.path != "/v3/ws" or wrong or opening.one("encoding") != "pcm_s16le":
            return Refusal(400, f"wrong: {wrong}")
        return None

    async def refuse(self, line: Line) -> None:
        """As a message, and a close with the same code."""
        await line.tell({"type": "Error", "error_code": 4001, "error": "Not authorized"})
        await line.close(4001, "Not authorized")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        if line.opening.headers.get("authorization") != KEY:
            await self.refuse(line)
            return
        turns = _Turns(line, self)
        await line.tell({"type": "Begin", "id": "s", "expires_at": 0})
        async for message in line.messages():
            if isinstance(message, bytes):
                await turns.hear(message)
                continue
            match json.loads(message).get("type"):
                case "ForceEndpoint":
                    await turns.force()
                case "KeepAlive" | "UpdateConfiguration":
                    pass
                case "Terminate":
                    await line.tell({"type": "Termination"})
                    await line.close(1000)
                    return
                case other:
                    line.complain(f"unknown type {other!r}")


class _Turns:
    """The turns of one connection, on its audio's clock."""

    def __init__(self, line: Line, fake: FakeAssemblyAI) -> None:
        self._line = line
        self._fake = fake
        self._ear = fake.coded.ear()
        self._words: list[CodedWord] = []
        self._spoke_at = 0
        self._order = 0
        self._formats = line.opening.one("format_turns") == "true"

    async def hear(self, message: bytes) -> None:
        rate_hz = self._fake.coded.rate_hz
        if len(message) % 2 or not rate_hz // 10 <= len(message) <= 2 * rate_hz:
            self._line.complain(f"{len(message)} bytes are not 50 ms to 1 s of audio")
        words = self._ear.push(np.frombuffer(message[: len(message) & ~1], np.int16))
        self._words += words
        if words or self._ear.guess:
            self._spoke_at = self._ear.at
        if words:
            await self._line.tell(self._turn())
        if self._words and self._ear.at - self._spoke_at >= self._fake.end_samples:
            await self._end()

    async def force(self) -> None:
        """End the running turn; nothing if there is none."""
        self._words += self._ear.flush()
        if self._words:
            await self._end()

    async def _end(self) -> None:
        bare = self._turn(end_of_turn=True)
        last = self._turn(end_of_turn=True, turn_is_formatted=True)
        self._words, self._order = [], self._order + 1
        if self._formats and self._line.opening.one("speech_model").startswith("universal-streaming"):
            await self._line.tell(bare)
        await self._line.acknowledge(last if self._formats else bare)

    def _turn(self, *, end_of_turn: bool = False, turn_is_formatted: bool = False) -> dict[str, Any]:
        ms = self._fake.coded.rate_hz // 1000
        text = " ".join(word.text for word in self._words)
        words = [
            {
                "text": word.text,
                "start": word.start_sample // ms,
                "end": word.end_sample // ms,
                "confidence": 0.9,
                "word_is_final": True,
            }
            for word in self._words
        ]
        bare = self._formats and not turn_is_formatted
        return {
            "type": "Turn",
            "turn_order": self._order,
            "turn_is_formatted": turn_is_formatted,
            "end_of_turn": end_of_turn,
            "transcript": text.lower().rstrip("?.") if bare else text,
            "end_of_turn_confidence": 0.8,
            "words": words,
        }
