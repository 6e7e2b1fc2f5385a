"""A fake of Ink with turns (`/stt/turns/websocket`): a recogniser that owns the ends of turns."""

import json
from typing import Any

from stages.testing.servers.cartesia.access import judge_opening, refuse_key, samples_of
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.line import Line, Opening, Refusal


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
        return judge_opening(
            opening, "/stt/turns/websocket", known | {"turn_end_threshold", "turn_end_timeout_ms"}
        )

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await refuse_key(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        turns = _InkTurns(line, self)
        await line.tell({"type": "connected", "request_id": "r"})
        async for message in line.messages():
            if isinstance(message, bytes):
                await turns.hear(samples_of(line, message))
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
