"""A fake of Flux (`/v2/listen`): a recogniser that owns the ends of turns."""

import json
from typing import Any

import numpy as np

from stages.testing.servers.coded import CodedWord, CodedWords
from stages.testing.servers.deepgram.access import bad_query, unauthorised
from stages.testing.servers.line import Line, Opening, Refusal

_LISTEN_V2 = frozenset(
    {"model", "encoding", "sample_rate", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "keyterm"}
    | {"language_hint", "numerals", "profanity_filter", "redact", "mip_opt_out", "tag"}
)


class FakeFlux:
    """Hears coded words, and finds turns by silence: a probable end after `eager_ms` of it, the end after `end_ms`."""

    def __init__(self, coded: CodedWords, *, eager_ms: int = 200, end_ms: int = 500) -> None:
        self.coded = coded
        self.eager_samples = coded.rate_hz * eager_ms // 1000
        self.end_samples = coded.rate_hz * end_ms // 1000

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and parameters, of which the eager threshold must not be above the other."""
        if opening.path != "/v2/listen":
            return Refusal(404)
        if float(opening.one("eager_eot_threshold", "0")) > float(opening.one("eot_threshold", "0.7")):
            return Refusal(400, "eager_eot_threshold")
        return unauthorised(opening) or bad_query(
            opening, _LISTEN_V2, "flux-general-", (8000, 16_000, 48_000)
        )

    async def refuse(self, line: Line) -> None:
        """As an error message, and a close."""
        await line.tell({"type": "Error", "sequence_id": 0, "code": "INVALID_AUTH", "description": "no"})
        await line.close(1008, "INVALID_AUTH")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        turns = _FluxTurns(line, self)
        await line.tell({"type": "Connected", "request_id": "r", "sequence_id": 0})
        async for message in line.messages():
            if isinstance(message, bytes):
                if not message or len(message) % 2:
                    line.complain(f"{len(message)} bytes are no audio of the declared kind")
                await turns.hear(np.frombuffer(message[: len(message) & ~1], np.int16))
                continue
            data = json.loads(message)
            line.fields(data, {"type": str}, {"thresholds": dict, "keyterms": list, "language_hints": list})
            match data.get("type"):
                case "ForceEndTurn":
                    await turns.force()
                case "CloseStream":
                    await line.close(1000)
                    return
                case other:
                    line.complain(f"unknown type {other!r}")


class _FluxTurns:
    """The state machine of one connection, on its audio's clock."""

    def __init__(self, line: Line, flux: FakeFlux) -> None:
        self._line = line
        self._flux = flux
        self._ear = flux.coded.ear()
        self._words: list[CodedWord] = []
        self._began = 0
        self._spoke_at = 0
        self._told_at = 0
        self._is_running = self._is_early = False
        self._index = self._sequence = 0

    async def hear(self, samples: Any) -> None:
        words = self._ear.push(samples)
        self._words += words
        if words or self._ear.guess:
            self._spoke_at = words[-1].end_sample if words and not self._ear.guess else self._ear.at
            if not self._is_running:
                self._is_running, self._began = True, max(0, self._ear.at - len(samples))
                await self._tell("StartOfTurn")
            elif self._is_early:
                self._is_early = False
                await self._tell("TurnResumed")
        if not self._is_running:
            return
        silence = self._ear.at - self._spoke_at
        if silence >= self._flux.end_samples:
            await self._over("model")
        elif silence >= self._flux.eager_samples and not self._is_early:
            if "eager_eot_threshold" in self._line.opening.query:
                self._is_early = True
                await self._tell("EagerEndOfTurn")
        elif self._ear.at - self._told_at >= self._flux.coded.rate_hz // 4:
            await self._tell("Update")

    async def force(self) -> None:
        """End the running turn; nothing if there is none."""
        self._words += self._ear.flush()
        if self._is_running:
            await self._over("manual")

    async def _over(self, trigger: str) -> None:
        message = self._message("EndOfTurn") | {"trigger": trigger}
        self._words, self._is_running, self._is_early = [], False, False
        self._index += 1
        await self._line.acknowledge(message)

    async def _tell(self, event: str) -> None:
        self._told_at = self._ear.at
        await self._line.tell(self._message(event))

    def _message(self, event: str) -> dict[str, Any]:
        self._sequence += 1
        rate_hz = self._flux.coded.rate_hz
        words = [
            {
                "word": word.text,
                "confidence": 0.9,
                "start": word.start_sample / rate_hz,
                "end": word.end_sample / rate_hz,
            }
            for word in self._words
        ]
        return {
            "type": "TurnInfo",
            "request_id": "r",
            "sequence_id": self._sequence,
            "event": event,
            "turn_index": self._index,
            "audio_window_start": self._began / rate_hz,
            "audio_window_end": self._ear.at / rate_hz,
            "transcript": " ".join(word.text for word in self._words),
            "words": words,
            "end_of_turn_confidence": 0.8,
        }
