"""A plug-in of every kind, for `scripts/bench-plugins`: misbehaves once a second where `PLACE` and as `FAULT` says.

It is copied to where a user's own modules lie. What it is besides is right.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from server import tool
from stageflow import StageOutput
from stageflow.tools import ToolCall
from stages.ports import Finished, Speech, SpeechHints, TextDelta
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice

FAULT = os.environ.get("FAULT", "")
PLACE = os.environ.get("PLACE", "")
_kept: list[Any] = []
_last = {"s": 0.0}


def misbehave(place: str) -> None:
    """If it is here, and a second after the last time."""
    if place != PLACE or time.monotonic() - _last["s"] < 1.0:
        return
    _last["s"] = time.monotonic()
    if FAULT == "raises":
        raise KeyError("of the plug-in")
    if FAULT == "blocks":
        time.sleep(0.2)  # noqa: TID251  # what it is for
    if FAULT == "leaks":
        _kept.append(asyncio.create_task(asyncio.sleep(3600)))  # noqa: TID251  # what it is for


class Model(EchoModel):
    """Answers, or calls a tool first."""

    async def stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
        misbehave("llm")
        if PLACE in ("tool", "thread") and messages[-1].role == "user":
            yield ToolCall("call_1", "in_thread" if PLACE == "thread" else "on_loop", "{}")
            yield Finished("tool_calls")
            return
        yield TextDelta("Well.")
        yield Finished()


class Here(Model):
    """The same, on the event loop of all sessions."""

    apart = False

    async def stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
        misbehave("here")
        yield TextDelta("Well.")
        yield Finished()


class Held(Model):
    """The same, which keeps something open for each session."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        misbehave("session")
        yield self


class Ear(ScriptedRecogniser):
    """A recogniser."""

    def open(self, on_partial: Any = None, *, hints: SpeechHints = SpeechHints()) -> Any:
        misbehave("stt")
        return super().open(on_partial, hints=hints)


class Voice(ScriptedVoice):
    """A voice."""

    async def stream(self, text: str, **how: Any) -> AsyncGenerator[Speech, None]:
        misbehave("tts")
        async for speech in super().stream(text, **how):
            yield speech


class Detector:
    """A speech detector, which misbehaves where somebody speaks."""

    interface = 1
    rate_hz = 16_000
    frame_samples = 512

    def open(self) -> "Detector":
        return self

    def score(self, frame: Any) -> float:
        if abs(frame).max() < 300:
            return 0.0
        misbehave("vad")
        return 1.0

    def reset(self) -> None:
        """It remembers nothing."""


class Ends:
    """A model of ends of turns."""

    interface = 1

    def open(self, on_probability: Callable[[float], None]) -> "Ends":
        self.tell = on_probability
        return self

    def ask(self, samples: Any) -> None:
        misbehave("end_of_turn")
        self.tell(1.0)

    def drop(self) -> None:
        """It has answered."""

    def close(self) -> None:
        """It keeps nothing."""


@tool(effect="none")
async def on_loop() -> str:
    """A tool."""
    misbehave("tool")
    return "done"


@tool(effect="none")
def in_thread() -> str:
    """The same, not async."""
    misbehave("thread")
    return "done"


async def stage(ctx: Any) -> StageOutput:
    """Stands between the recogniser and the agent."""
    misbehave("stage")
    return StageOutput.ok(seen=True)


def edit(pipeline: Any) -> Any:
    """The pipeline with the stage."""
    return pipeline.insert("of_the_plug_in", stage, ("stt", "agent"), optional=True)
