"""Fakes of Deepgram's services: Nova (`/v1/listen`), Flux (`/v2/listen`) and Aura (`/v1/speak`)."""

import json
from collections.abc import Sequence
from typing import Any

import anyio
import numpy as np

from stages.testing.servers.coded import CodedEar, CodedWords, Heard, coded_speech
from stages.testing.servers.serving import Line, Message, Opening, Refusal

KEY = "deepgram-key"

_LISTEN_V1 = frozenset(
    [
        "model",
        "language",
        "encoding",
        "sample_rate",
        "channels",
        "interim_results",
        "endpointing",
        "utterance_end_ms",
        "vad_events",
        "smart_format",
        "punctuate",
        "numerals",
        "keyterm",
        "diarize",
        "filler_words",
        "profanity_filter",
        "redact",
        "tag",
        "mip_opt_out",
        "no_delay",
    ]
)


def unauthorised(opening: Opening) -> Refusal | None:
    """Deepgram takes a key as `Token`, and a temporary token as `Bearer`."""
    if opening.headers.get("authorization") in (f"Token {KEY}", f"Bearer {KEY}"):
        return None
    return Refusal(401, json.dumps({"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}))


def bad_query(opening: Opening, known: frozenset[str], models: str, rates: Sequence[int]) -> Refusal | None:
    """HTTP 400, as for a parameter that there is none of."""
    wrong = sorted(set(opening.query) - known)
    if (
        wrong
        or not opening.one("model").startswith(models)
        or int(opening.one("sample_rate", "0")) not in rates
    ):
        return Refusal(
            400, json.dumps({"err_code": "Bad Request", "err_msg": f"wrong: {wrong or opening.query}"})
        )
    return None


class FakeNova:
    """Hears coded words. Every `segment_words` a final piece, without being asked; between them guesses."""

    def __init__(self, coded: CodedWords, *, segment_words: int = 3, idle_s: float = 10.0) -> None:
        self.coded = coded
        self._segment_words = segment_words
        self._idle_s = idle_s

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, path and parameters."""
        if opening.path != "/v1/listen":
            return Refusal(404)
        return unauthorised(opening) or bad_query(opening, _LISTEN_V1, "nova-", (8000, 16_000, 48_000))

    async def refuse(self, line: Line) -> None:
        """This service refuses in the handshake; what it cannot decode it refuses later."""
        await line.close(1008, "DATA-0000: cannot decode")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing = _NovaHearing(line, self.coded.ear(), self.coded.rate_hz, self._segment_words)
        async for message in line.messages(self._idle_s, (1011, "NET-0001: no audio in time")):
            if isinstance(message, bytes):
                if not message:
                    line.complain("an empty binary message ends the stream")
                await hearing.hear(message)
            elif not await self._told(line, hearing, message):
                return

    async def _told(self, line: Line, hearing: "_NovaHearing", message: Message) -> bool:
        data = json.loads(message)
        line.fields(data, {"type": str})
        match data.get("type"):
            case "Finalize":
                await hearing.finalise()
            case "KeepAlive":
                pass
            case "CloseStream":
                await line.tell({"type": "Metadata", "request_id": "r", "duration": 0, "channels": 1})
                await line.close(1000)
                return False
            case other:
                line.complain(f"unknown type {other!r}")
        return True


class _NovaHearing:
    """What one connection has heard; its clock is the audio's."""

    def __init__(self, line: Line, ear: CodedEar, rate_hz: int, segment_words: int) -> None:
        self._line = line
        self._ear = ear
        self._rate_hz = rate_hz
        self._segment_words = segment_words
        self._words: list[Heard] = []
        self._final_sample = 0
        self._told = ""

    async def hear(self, data: bytes) -> None:
        if len(data) % 2 or len(data) > 2 * self._rate_hz:
            self._line.complain(f"{len(data)} bytes are no audio of the declared kind")
        self._words += self._ear.push(np.frombuffer(data[: len(data) & ~1], np.int16))
        if len(self._words) >= self._segment_words:
            await self._line.tell(self._results(self._words, self._words[-1].end_sample, is_final=True))
            self._words = []
        guess = " ".join([*(word.text for word in self._words), self._ear.guess]).strip()
        if guess != self._told:
            self._told = guess
            await self._line.tell(self._results([*self._words], self._ear.at, transcript=guess))

    async def finalise(self) -> None:
        self._words += self._ear.flush()
        results = self._results(self._words, self._ear.at, is_final=True, from_finalize=True)
        self._words, self._told = [], ""
        await self._line.acknowledge(results)

    def _results(
        self,
        words: Sequence[Heard],
        end: int,
        *,
        transcript: str | None = None,
        is_final: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        start = self._final_sample
        self._final_sample = end if is_final else start
        text = " ".join(word.text for word in words) if transcript is None else transcript
        timed = [
            {
                "word": word.text.lower().strip("?.,"),
                "punctuated_word": word.text,
                "start": word.start_sample / self._rate_hz,
                "end": word.end_sample / self._rate_hz,
                "confidence": 0.9,
            }
            for word in words
        ]
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start / self._rate_hz,
            "duration": (end - start) / self._rate_hz,
            "is_final": is_final,
            "speech_final": False,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": timed}]},
            **more,
        }


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
        self._words: list[Heard] = []
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
