"""What is typed or played without a sound card: how long each answer is waited for, and which answer counts."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from server.client import recital
from server.client.client import WIRE_HZ, Received
from server.client.load.reference.agent import Conduct
from server.client.load.reference.reference_server import reference_server
from server.client.plan import Plan, PlannedSpeech
from server.client.printing import Printer
from server.client.recital import hold
from server.dialects.voice.frames import SUBPROTOCOL, Stream, pack_frame

TEXTS = tuple(f"question {number}" for number in range(10))
DELAY_S, TIMEOUT_S = 0.2, 1.9
"""All answers together take longer than one may; one alone, hardly a tenth of it."""


@asynccontextmanager
async def serving(hold: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that has this conversation with everybody. Gives its address."""
    subprotocols = [Subprotocol(SUBPROTOCOL)]
    async with serve(hold, "127.0.0.1", 0, subprotocols=subprotocols, close_timeout=1.0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


async def test_each_answer_may_take_as_long_as_one_may() -> None:
    said: list[str] = []
    async with reference_server(Conduct(answer_after_ms=DELAY_S * 1000, answer_ms=40, resumes=True)) as url:
        plan = Plan(url, None, (), (), TEXTS, TIMEOUT_S, None, False, None, None, None)
        code = await hold(plan, said.append)
    assert code == 0, said
    assert any(TEXTS[-1] in line for line in said)


@asynccontextmanager
async def late_server() -> AsyncIterator[str]:
    """Answers the first text only when the second has been typed, and then that one too."""

    async def hold(connection: ServerConnection) -> None:
        async def tell(type: str, **fields: Any) -> None:
            await connection.send(json.dumps({"type": type} | fields))

        asked: list[Any] = []
        async for message in connection:
            event = json.loads(message)
            if event["type"] == "response.create":
                asked.append(event["response"]["metadata"])
            for metadata in asked if len(asked) == 2 else ():
                response = {"id": f"to {metadata}", "metadata": metadata}
                await tell("response.created", response=response)
                await connection.send(pack_frame(Stream.ANSWER, 0, 0, bytes(480)))
                await tell("response.output_audio_transcript.done", transcript=response["id"])
                await tell("response.done", response=response | {"status": "completed"})

    async with serving(hold) as url:
        yield url


async def test_a_text_without_an_answer_in_time_does_not_keep_the_next_from_being_typed() -> None:
    said: list[str] = []
    async with late_server() as url:
        code = await hold(Plan(url, None, (), (), TEXTS[:2], 0.5, None, False, None, None, None), said.append)
    assert code == 1
    assert [line for line in said if "  you: " in line or "agent: " in line or "no answer" in line] == [
        "  you: question 0",
        '"question 0": no answer within 0.5 s',
        "  you: question 1",
        "agent: to {'typed': 'typed_1'}",
        "agent: to {'typed': 'typed_2'}",
    ]


def test_an_answer_without_words_is_no_line() -> None:
    said: list[str] = []
    for as_json in (False, True):
        printer = Printer(said.append, as_json=as_json)
        for text in ("", " "):
            printer.take(Received(0.0, {"type": "response.output_audio_transcript.done", "transcript": text}))
        assert not printer.lines
    assert not said


FIRST, SECOND = 5000, 9000
"""How loud the two recordings are, by which the server knows them."""


def loudness(message: str | bytes) -> int:
    """Of a frame of the microphone; 0 for all else."""
    event = json.loads(message)
    if event["type"] != "input_audio_buffer.append":
        return 0
    return int(np.frombuffer(base64.b64decode(event["audio"]), "<i2").max(initial=0))


@asynccontextmanager
async def slow_server() -> AsyncIterator[str]:
    """Answers the first recording when the second has begun, and the second not at all."""

    async def hold(connection: ServerConnection) -> None:
        async def tell(type: str, **fields: Any) -> None:
            await connection.send(json.dumps({"type": type} | fields))

        async for message in connection:
            if loudness(message) == FIRST:
                for step in ("started", "stopped"):
                    await tell(f"input_audio_buffer.speech_{step}", item_id="1")
            elif loudness(message) == SECOND:
                await tell("response.created", response={"id": "late"})
                await connection.send(pack_frame(Stream.ANSWER, 0, 0, bytes(480)))
                await tell("response.output_audio_transcript.done", transcript="too late")
                await tell("response.done", response={"id": "late", "status": "completed"})

    async with serving(hold) as url:
        yield url


async def test_a_late_answer_to_a_recording_that_was_given_up_is_none_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recital, "SETTLE_S", 0.02)
    said: list[str] = []
    tones = {level: np.full(WIRE_HZ // 50, level, np.int16) for level in (FIRST, SECOND)}
    speeches = [PlannedSpeech(f"{level}.wav", tone, WIRE_HZ, None, []) for level, tone in tones.items()]
    async with slow_server() as url:
        plan = Plan(url, None, speeches, (), (), 0.5, None, False, None, None, None)
        code = await hold(plan, said.append)
    assert code == 1
    given_up = [f"{level}.wav: no answer within 0.5 s" for level in tones]
    assert [line for line in said if "no answer" in line] == given_up
    assert "agent: too late" in said
    assert not any(speech.is_answered for speech in speeches)
