"""A recogniser, a language model and a voice that are right, and each of them with one fault at a time.

A fault is a name; the adapters ask whether they have it at the place where it is made. Not collected by itself.
"""

import json
import logging
import socket
import threading
import time
from asyncio import get_running_loop
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ErrorKind, ProviderError
from stages.ports import (
    Finished,
    HeardWord,
    ModelCapabilities,
    ModelEvent,
    Partial,
    RecogniserCapabilities,
    Speech,
    SpeechHints,
    SynthesiserCapabilities,
    TextDelta,
    ToolChoice,
    Transcript,
    Usage,
    VoiceOption,
    WordTime,
)
from stages.testing.recogniser_checks import KnownSpeech
from stages.testing.servers.coded import CodedEar, CodedWords

KEY = "sk-not-to-be-shown"
TEXT = "Please book a table for four"
CODED = CodedWords(TEXT, word_ms=250)
SAID = KnownSpeech(CODED.samples(), TEXT)
log = logging.getLogger("acme")
_kept: list[Any] = []


class Faulty:
    """What an adapter may have wrong."""

    def __init__(self, fault: str = "", *, is_down: bool = False) -> None:
        self.fault = fault
        self.is_down = is_down

    def has(self, fault: str) -> bool:
        return self.fault == fault

    async def answered(self) -> None:
        """The service's answer takes a moment."""
        if self.is_down:
            await anyio.sleep(0.001)
            if self.has("raises what the socket raises"):
                raise ConnectionRefusedError("nobody there")
            if self.has("says nothing of a service that is down"):
                return
            shown = KEY if self.has("shows its key in an error") else "its key"
            raise ProviderError(f"nobody there, asked with {shown}", kind=ErrorKind.NETWORK)
        try:
            await anyio.sleep(0.012)
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            if self.has("goes on after it is cancelled"):
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)
            if not self.has("swallows its cancellation"):
                raise

    def misbehaves(self) -> None:
        """What is wrong beside its work."""
        if self.has("blocks the loop"):
            time.sleep(0.02)  # noqa: TID251  # that is the fault
        if self.has("computes on the loop"):
            until = time.thread_time() + 0.02  # of this thread, however busy the machine is
            while time.thread_time() < until:
                pass
        if self.has("leaves a task"):
            _kept.append(get_running_loop().create_task(anyio.sleep(60)))
        if self.has("leaves a socket"):
            _kept.append(socket.socketpair())
        if self.has("logs its key"):
            log.warning("asked with %s", KEY)


class Recogniser(Faulty):
    """Hears coded words."""

    rate_hz = 16_000
    capabilities = RecogniserCapabilities(partials=True, word_times=True, languages=("*",))

    def __init__(self, fault: str = "", **state: Any) -> None:
        super().__init__(fault, **state)
        self.shared: list[Samples] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Recogniser"]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            yield self
            tasks.cancel_scope.cancel()

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "Utterance":
        json.dumps(hints.phrases).encode("ascii")
        if self.has("cannot take other scripts"):
            "".join(hints.phrases).encode("latin-1")
        return Utterance(self, on_partial)


class Utterance:
    def __init__(self, owner: Recogniser, on_partial: Callable[[Partial], None] | None) -> None:
        self.owner = owner
        self.on_partial = on_partial
        self.audio: list[Samples] = owner.shared if owner.has("mixes two utterances") else []
        self.ear: CodedEar = CODED.ear()
        self.told: list[str] = []
        self.is_closed = False

    def push(self, samples: Samples) -> None:
        if self.owner.has("holds the loop when it is pushed"):
            time.sleep(0.008)  # noqa: TID251
        if self.owner.has("wants whole frames"):
            samples = samples[: len(samples) // 160 * 160]
        if self.owner.has("refuses much audio") and len(samples) > 300_000:
            raise OverflowError("too much")
        self.audio.append(samples)
        self.told += [word.text for word in self.ear.push(samples)]
        if self.told and self.on_partial is not None:
            self._tell(self.on_partial)

    def _tell(self, on_partial: Callable[[Partial], None]) -> None:
        stable = " ".join(self.told)
        if self.owner.has("takes stable words back") and len(self.told) > 2:
            stable = " ".join(["Well", *self.told])
        if self.owner.has("declares partials that it has not"):
            return
        if self.owner.has("tells partials on another thread"):
            thread = threading.Thread(target=on_partial, args=(Partial(stable, stable),))
            thread.start()
            thread.join()
            return
        on_partial(Partial(stable, stable))

    async def final(self) -> Transcript:
        owner, pushed = self.owner, sum(map(len, self.audio))
        if owner.has("loses the audio when it is cancelled"):
            kept, self.audio = self.audio, []
            await owner.answered()
            self.audio = kept
        else:
            await owner.answered()
        owner.misbehaves()
        ear = CODED.ear()
        words = ear.push(np.concatenate([np.zeros(0, np.int16), *self.audio])) + ear.flush(pushed)
        if owner.has("never answers when nothing was said") and not words:
            await anyio.sleep_forever()
        if owner.has("forgets after final"):
            self.audio.clear()
        text = " ".join(word.text for word in words) or ("Thank you." if owner.has("hears silence") else "")
        heard = tuple(self._time(word.text, word.start_sample, word.end_sample) for word in words)
        if owner.has("word times go backwards"):
            heard = heard[::-1]
        if owner.has("declares word times that it has not"):
            heard = ()
        sure = 90.0 if owner.has("confidence is a percentage") else 0.9
        return Transcript(text, words=heard, confidence=sure)

    def _time(self, text: str, start: int, end: int) -> HeardWord:
        per_s = 1 if self.owner.has("word times are samples") else self.owner.rate_hz // 1000
        return HeardWord(text, start // per_s, end // per_s)

    def close(self) -> None:
        if self.is_closed and self.owner.has("cannot be closed twice"):
            raise RuntimeError("closed")
        self.is_closed = True
        if not self.owner.has("tells partials after close"):
            self.on_partial = None


class Model(Faulty):
    """Answers a greeting, and calls the tool that it must."""

    capabilities = ModelCapabilities(tools=True)
    words = ("I ", "can ", "do ", "a ", "lot.")
    busy = 0

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        await self.answered()
        self.misbehaves()
        last = messages[-1].content if messages else ""
        if not messages and self.has("cannot take an empty conversation"):
            messages[-1]
        if self.has("cannot take other scripts"):
            last.encode("latin-1")
        if self.has("fails with long messages") and len(last) > 100_000:
            raise MemoryError(len(last))
        if (tools and tool_choice not in ("auto", "none")) or self.has("calls tools that nobody gave"):
            yield ToolCall("1", *self._call())
            yield Finished("stop" if self.has("does not say why it stopped") else "tool_calls")
            return
        if self.has("mixes two conversations"):
            self.busy += 1
        for word in self.words:
            await self.answered()
            if self.busy < 2:
                yield TextDelta(word)
            if self.has("finishes more than once"):
                yield Finished()
        self.busy -= self.busy > 0
        if not self.has("does not finish"):
            yield Finished(usage=Usage(-1 if self.has("counts tokens backwards") else 1, 5))

    def _call(self) -> tuple[str, dict[str, object]]:
        name = "look_up" if self.has("calls a tool by another name") else "lookup"
        return name, {"town" if self.has("calls with wrong arguments") else "city": "Paris"}


class Voice(Faulty):
    """Speaks a tone for each word."""

    rate_hz = 16_000
    capabilities = SynthesiserCapabilities(word_times=True, languages=("*",))
    voices = (VoiceOption("low", ""), VoiceOption("high", ""))

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        level = {"low": 3000, "high": 6000}
        loudness = (
            level[voice or "low"] if self.has("knows no other voices") else level.get(voice or "", 3000)
        )
        loudness = 3000 if self.has("has one voice under two names") else loudness
        await self.answered()
        self.misbehaves()
        if self.has("cannot take other scripts"):
            text.encode("latin-1")
        words = [word for word in text.split() if any(map(str.isalnum, word))]
        if not words and self.has("speaks where there is nothing to say"):
            words = ["hm"]
        if self.has("is silent and says nothing of it"):
            return
        if len(text) > 1000 and self.has("fails with long texts"):
            raise ValueError("too long")
        at, rate = 0, 1.0 if self.has("cannot speak faster") else speed
        buffer = np.zeros(16_000, np.int16)
        for number, word in enumerate(words):
            await self.answered()
            length = int(len(word) * 1100 / rate)
            samples = buffer[:length] if self.has("uses its buffer again") else np.zeros(length, np.int16)
            samples[: length * 4 // 5] = 10 if self.has("cannot be heard") else loudness + number
            yield Speech(*self._given(samples, word, at, number))
            at += length

    def _given(
        self, samples: Samples, word: str, at: int, number: int
    ) -> tuple[Any, tuple[WordTime, ...], int]:
        start = 0 if self.has("counts words from each chunk") and number % 2 else at
        end = at + len(samples) * (30 if self.has("words end after the audio") else 1)
        times = () if self.has("declares word times that it has not") else (WordTime(word, start, end),)
        if self.has("loses words") and number == 3:
            times = ()
        begins = 200 - number if self.has("goes back in the text") else number
        kind = np.float32 if self.has("gives floats") else np.int16
        return samples.astype(kind, copy=False), times, begins


ALL = (
    "goes on after it is cancelled", "swallows its cancellation", "blocks the loop", "computes on the loop",
    "leaves a task", "leaves a socket", "logs its key", "cannot take other scripts",
)  # fmt: skip
DOWN = (
    "raises what the socket raises",
    "says nothing of a service that is down",
    "shows its key in an error",
)
"""Faults that show while the service is not there."""
FAULTS: dict[type[Faulty], tuple[str, ...]] = {
    Recogniser: (
        *ALL, *DOWN, "mixes two utterances", "holds the loop when it is pushed", "wants whole frames",
        "refuses much audio", "takes stable words back", "declares partials that it has not",
        "tells partials on another thread", "loses the audio when it is cancelled",
        "never answers when nothing was said", "forgets after final", "hears silence", "word times go backwards",
        "declares word times that it has not", "confidence is a percentage", "word times are samples",
        "cannot be closed twice", "tells partials after close",
    ),
    Model: (
        *ALL, *DOWN, "cannot take an empty conversation", "fails with long messages", "calls tools that nobody gave",
        "does not say why it stopped", "mixes two conversations", "finishes more than once", "does not finish",
        "counts tokens backwards", "calls a tool by another name", "calls with wrong arguments",
    ),
    Voice: (
        *ALL, *DOWN, "knows no other voices", "has one voice under two names", "speaks where there is nothing to say",
        "is silent and says nothing of it", "fails with long texts", "cannot speak faster", "uses its buffer again",
        "cannot be heard", "counts words from each chunk", "words end after the audio",
        "declares word times that it has not", "loses words", "goes back in the text", "gives floats",
    ),
}  # fmt: skip
"""By adapter, the faults that it can have: each a mutant."""
