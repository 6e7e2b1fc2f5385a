"""A fake of Nova (`/v1/listen`): results as they are heard, finals on demand."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.testing.servers.coded import CodedEar, CodedWord, CodedWords
from stages.testing.servers.deepgram.access import bad_query, unauthorised
from stages.testing.servers.line import Line, Message, Opening, Refusal

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
        self._words: list[CodedWord] = []
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
        words: Sequence[CodedWord],
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
