"""A fake of Speechmatics' recogniser (`/v2/`)."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.testing.servers.coded import CodedWord, CodedWords
from stages.testing.servers.line import Line, Opening, Refusal

KEY = "speechmatics-key"

_CONFIG = {"language", "model", "enable_partials", "max_delay", "max_delay_mode", "additional_vocab"}
_SIGNS = "?.,!"


class FakeSpeechmatics:
    """Hears coded words. Every `segment_words` a final piece; between them guesses."""

    def __init__(self, coded: CodedWords, *, segment_words: int = 3) -> None:
        self.coded = coded
        self.segment_words = segment_words

    def judge(self, opening: Opening) -> Refusal | None:
        """Key and path."""
        if opening.path != "/v2/":
            return Refusal(404)
        return None if opening.headers.get("authorization") == f"Bearer {KEY}" else Refusal(401)

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await line.tell({"message": "Error", "type": "not_authorised", "reason": "no"})
        await line.close(1008, "not_authorised")

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing = _Hearing(line, self)
        async for message in line.messages():
            if isinstance(message, bytes):
                await hearing.hear(message)
                continue
            data = json.loads(message)
            match data.get("message"):
                case "StartRecognition":
                    await hearing.start(data)
                case "ForceEndOfUtterance":
                    await hearing.force()
                case "EndOfStream":
                    await line.tell({"message": "EndOfTranscript"})
                    return
                case other:
                    line.complain(f"unknown message {other!r}")


class _Hearing:
    """What one connection has heard."""

    def __init__(self, line: Line, fake: FakeSpeechmatics) -> None:
        self._line = line
        self._fake = fake
        self._ear = fake.coded.ear()
        self._words: list[CodedWord] = []
        self._frames = 0
        self._has_started = False
        self._told = ""

    async def start(self, data: dict[str, Any]) -> None:
        self._line.fields(data, {"message": str, "audio_format": dict, "transcription_config": dict})
        sound = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": self._fake.coded.rate_hz}
        if self._has_started or data["audio_format"] != sound:
            self._line.complain(f"no start: {data}")
        if unknown := set(data["transcription_config"]) - _CONFIG:
            self._line.complain(f"unknown fields {sorted(unknown)}")
        self._has_started = True
        await self._line.tell({"message": "RecognitionStarted", "id": "r"})

    async def hear(self, message: bytes) -> None:
        if not self._has_started or not message or len(message) % 2:
            self._line.complain("audio before the start, or of another kind")
        self._words += self._ear.push(np.frombuffer(message[: len(message) & ~1], np.int16))
        self._frames += 1
        await self._line.tell({"message": "AudioAdded", "seq_no": self._frames})
        if len(self._words) >= self._fake.segment_words:
            await self._line.tell(self._transcript("AddTranscript", self._words))
            self._words = []
        guess = " ".join([*(word.text for word in self._words), self._ear.guess]).strip()
        if guess != self._told:
            self._told = guess
            await self._line.tell(self._transcript("AddPartialTranscript", self._words, self._ear.guess))

    async def force(self) -> None:
        self._words += self._ear.flush()
        if self._words:
            await self._line.tell(self._transcript("AddTranscript", self._words))
        self._words, self._told = [], ""
        at_s = self._ear.at / self._fake.coded.rate_hz
        await self._line.acknowledge(
            {"message": "EndOfUtterance", "forced": True, "metadata": {"start_time": at_s, "end_time": at_s}}
        )

    def _transcript(self, message: str, words: Sequence[CodedWord], guess: str = "") -> dict[str, Any]:
        rate_hz = self._fake.coded.rate_hz
        results: list[dict[str, Any]] = []
        for word in words:
            times = {"start_time": word.start_sample / rate_hz, "end_time": word.end_sample / rate_hz}
            results += _results(word.text, times)
        if guess:
            results += _results(guess, {"start_time": 0.0, "end_time": 0.0})
        end = words[-1].end_sample if words else self._ear.at
        return {
            "message": message,
            "metadata": {"start_time": 0.0, "end_time": end / rate_hz, "transcript": ""},
            "results": results,
        }


def _results(text: str, times: dict[str, float]) -> list[dict[str, Any]]:
    """A word, and the sign after it as a result of its own."""
    bare = text.rstrip(_SIGNS)
    results: list[dict[str, Any]] = [
        {"type": "word", **times, "alternatives": [{"content": bare, "confidence": 0.9}]}
    ]
    if sign := text[len(bare) :]:
        end = {"start_time": times["end_time"], "end_time": times["end_time"]}
        results.append(
            {
                "type": "punctuation",
                **end,
                "attaches_to": "previous",
                "alternatives": [{"content": sign, "confidence": 1.0}],
            }
        )
    return results


class FakeSpeechmaticsAgent(FakeSpeechmatics):
    """Its service for agents (`/v2/agent`), which finds turns by silence of `end_ms`."""

    def __init__(self, coded: CodedWords, *, end_ms: int = 500) -> None:
        super().__init__(coded)
        self.end_samples = coded.rate_hz * end_ms // 1000

    def judge(self, opening: Opening) -> Refusal | None:
        """Key and path."""
        if opening.path != "/v2/agent":
            return Refusal(404)
        return None if opening.headers.get("authorization") == f"Bearer {KEY}" else Refusal(401)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        turns = _AgentTurns(line, self)
        async for message in line.messages():
            if isinstance(message, bytes):
                await turns.hear(np.frombuffer(message[: len(message) & ~1], np.int16))
                continue
            data = json.loads(message)
            if data.get("message") != "StartRecognition":
                line.complain(f"unknown message {data!r}")
            line.fields(
                data,
                {"message": str, "audio_format": dict, "transcription_config": dict, "turn_config": dict},
            )
            if data["turn_config"] != {"turn_detection_mode": "vad"}:
                line.complain("the ends of turns were not asked for")
            await line.tell({"message": "RecognitionStarted", "id": "r"})


class _AgentTurns:
    """The turns of one connection, on its audio's clock."""

    def __init__(self, line: Line, fake: FakeSpeechmaticsAgent) -> None:
        self._line = line
        self._fake = fake
        self._ear = fake.coded.ear()
        self._words: list[str] = []
        self._spoke_at = 0
        self._is_running = False

    async def hear(self, samples: Any) -> None:
        words = self._ear.push(samples)
        self._words += [word.text for word in words]
        if words or self._ear.guess:
            self._spoke_at = self._ear.at
            if not self._is_running:
                self._is_running = True
                await self._line.tell({"message": "StartOfTurn", "metadata": {"start_time": self._at_s}})
            if words:
                await self._line.tell(self._segment("AddPartialSegment"))
        if self._is_running and self._ear.at - self._spoke_at >= self._fake.end_samples:
            await self._line.tell(self._segment("AddSegment"))
            self._is_running, self._words = False, []
            await self._line.acknowledge({"message": "EndOfTurn", "metadata": {"end_time": self._at_s}})

    @property
    def _at_s(self) -> float:
        return self._ear.at / self._fake.coded.rate_hz

    def _segment(self, message: str) -> dict[str, Any]:
        times = {"start_time": self._at_s, "end_time": self._at_s}
        return {"message": message, "segment": {"transcript": " ".join(self._words)}, "metadata": times}
