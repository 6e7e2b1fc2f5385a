"""Talking over an answer on a real socket: what was queued before the flush never arrives after it."""

import json

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from audio.formats import Samples
from audio.resample import Resampler
from server.dialects.voice.frames import Stream, pack_frame, unpack_frame
from stages.testing.fakes import ScriptedModel
from tests.support.audio_maker import clip
from tests.support.live_server import LONG, live_server

WIRE_HZ = 24_000
FRAME_SAMPLES = WIRE_HZ // 50
ASKS_AT_S = (0.3, 4.0, 7.5)
LASTS_S = 11.0


@pytest.mark.e2e
async def test_no_frame_of_an_epoch_that_was_flushed_arrives_after_the_flush() -> None:
    seen: list[tuple[str, int]] = []
    async with live_server(ScriptedModel(LONG)) as server:
        async with connect(server.url, subprotocols=[Subprotocol("voice.v1")], max_queue=None) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_listen, client, seen)
                await _talk(client, _microphone())
                tasks.cancel_scope.cancel()
    flushes = [at for at, (kind, _) in enumerate(seen) if kind == "x_flush"]
    assert [seen[at][1] for at in flushes] == [1, 2]
    for at in flushes:
        epoch = seen[at][1]
        assert all(number < epoch for kind, number in seen[:at] if kind == "audio")
        assert all(number >= epoch for kind, number in seen[at:] if kind == "audio")
    heard = {number for kind, number in seen if kind == "audio"}
    assert heard == {0, 1, 2}  # every answer was audible, so there was something to flush


async def _listen(client: ClientConnection, seen: list[tuple[str, int]]) -> None:
    async for frame in client:
        if isinstance(frame, bytes):
            seen.append(("audio", unpack_frame(frame).epoch))
        else:
            event = json.loads(frame)
            seen.append((event["type"], event.get("epoch", 0)))


async def _talk(client: ClientConnection, audio: Samples) -> None:
    began = anyio.current_time()
    for number, start in enumerate(range(0, len(audio), FRAME_SAMPLES)):
        await anyio.sleep_until(began + number * 0.02)
        data = audio[start : start + FRAME_SAMPLES].astype("<i2").tobytes()
        await client.send(pack_frame(Stream.MICROPHONE, 0, start, data))


def _microphone() -> Samples:
    audio = np.zeros(int(LASTS_S * WIRE_HZ), np.int16)
    question = Resampler(16_000, WIRE_HZ).process(clip("cards_002").read(), last=True)
    for at_s in ASKS_AT_S:
        start = int(at_s * WIRE_HZ)
        audio[start : start + len(question)] = question
    return audio
