"""A fake of Ink (`/stt/websocket`): finals as they are heard."""

from typing import Any

from stages.testing.servers.cartesia.access import judge_opening, refuse_key, samples_of
from stages.testing.servers.coded import CodedEar, CodedWord, CodedWords
from stages.testing.servers.line import Line, Opening, Refusal


class FakeInk:
    """Hears coded words. Every `segment_words` a final piece; between them guesses."""

    def __init__(self, coded: CodedWords, *, segment_words: int = 3) -> None:
        self.coded = coded
        self.segment_words = segment_words

    def judge(self, opening: Opening) -> Refusal | None:
        """Key, version, path and parameters."""
        known = {
            "model",
            "encoding",
            "sample_rate",
            "language",
            "keyterm",
            "min_volume",
            "max_silence_duration_secs",
        }
        return judge_opening(opening, "/stt/websocket", known)

    async def refuse(self, line: Line) -> None:
        """As a message, and a close."""
        await refuse_key(line)

    async def converse(self, line: Line) -> None:
        """Serve one connection."""
        hearing = _InkHearing(line, self)
        async for message in line.messages():
            if isinstance(message, bytes):
                await hearing.hear(samples_of(line, message))
            elif message == "finalize":
                await hearing.finalise()
            elif message == "close":
                await line.tell({"type": "done", "request_id": "r"})
                await line.close(1000)
                return
            else:
                line.complain(f"unknown text {message!r}")


class _InkHearing:
    """What one connection has heard."""

    def __init__(self, line: Line, ink: FakeInk) -> None:
        self._line = line
        self._ink = ink
        self._ear: CodedEar = ink.coded.ear()
        self._words: list[CodedWord] = []
        self._has_told = False
        self._guess = ""

    async def hear(self, samples: Any) -> None:
        self._words += self._ear.push(samples)
        if len(self._words) >= self._ink.segment_words:
            await self._final()
        guess = " ".join([*(word.text for word in self._words), self._ear.guess]).strip()
        if guess != self._guess:
            self._guess = guess
            await self._line.tell({"type": "transcript", "is_final": False, "text": guess, "request_id": "r"})

    async def finalise(self) -> None:
        self._words += self._ear.flush()
        await self._final()
        self._guess = ""
        await self._line.acknowledge({"type": "flush_done", "request_id": "r"})

    async def _final(self) -> None:
        """Text is what came since the last final one, with the space that separates them."""
        if not self._words:
            return
        rate_hz = self._ink.coded.rate_hz
        text = " ".join(word.text for word in self._words)
        message = {
            "type": "transcript",
            "is_final": True,
            "text": f" {text}" if self._has_told else text,
            "request_id": "r",
            "language": "en",
            "words": [
                {"word": word.text, "start": word.start_sample / rate_hz, "end": word.end_sample / rate_hz}
                for word in self._words
            ],
        }
        self._words, self._has_told = [], True
        await self._line.tell(message)
