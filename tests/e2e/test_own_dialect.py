"""A dialect that the server does not bring: audio and nothing else, both ways, beside those that it has."""

import json
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from wave import open as open_wave

import anyio
import anyio.to_thread
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from audio.formats import AudioFormat
from audio.resample import Resampler
from server.client.client import RealtimeClient
from server.dialects.registry import BUILT_IN, DialectRoute, DialectTable, Opening
from server.domain.commands import AppendAudio
from server.domain.errors import ClientError
from server.domain.events import Event, ResponseAudio
from server.domain.values import IgnoredSetting, SessionConfig
from stages.testing.fakes import ScriptedVoice
from tests.support.live_server import LiveServer, ask, live_server
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e

QUESTION = Path(__file__).parents[2] / "docs" / "examples" / "question.wav"
ANSWER = "You said: hello there"
FRAME_BYTES = 960
SILENCE_S = 2


class PcmDialect:
    """16-bit PCM at 24 kHz in binary frames; whatever has no sound is not told."""

    holds_voice = False
    ignored: Sequence[IgnoredSetting] = ()

    def __init__(self, opening: Opening) -> None:
        self.config = opening.config

    def decode(self, frame: str | bytes) -> AppendAudio:
        if isinstance(frame, str):
            raise ClientError("not_audio", "frame: must be binary")
        return AppendAudio(frame)

    def encode(self, event: Event) -> list[str | bytes]:
        return [event.data] if isinstance(event, ResponseAudio) else []


def at_24_khz(config: SessionConfig, target: str) -> SessionConfig:
    return replace(config, input_format=AudioFormat(), output_format=AudioFormat())


DIALECTS = DialectTable(
    [
        *BUILT_IN,
        DialectRoute({"/pcm"}, None, PcmDialect, defaults=at_24_khz),
        DialectRoute({"/pcm16"}, "pcm16", PcmDialect, defaults=at_24_khz),
    ]
)


def question() -> bytes:
    """Somebody speaks, and is silent then."""
    with open_wave(str(QUESTION)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        spoken = Resampler(file.getframerate(), 24_000).process(samples, last=True).tobytes()
    return spoken + bytes(SILENCE_S * 48_000)


async def answer_bytes() -> int:
    """How much sound the answer is."""
    return sum([len(speech.samples) * 2 async for speech in ScriptedVoice().stream(ANSWER)])


@asynccontextmanager
async def talking(server: LiveServer, path: str, **options: Any) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{server.port}{path}", **options) as connection:
        yield connection


async def take_a_turn(connection: ClientConnection, asked: bytes, size: int) -> bytes:
    """Ask aloud, and hear the whole answer."""
    for start in range(0, len(asked), FRAME_BYTES):
        await connection.send(asked[start : start + FRAME_BYTES])
    heard = b""
    with anyio.fail_after(PATIENCE_S):
        while len(heard) < size:
            frame = await connection.recv()
            assert isinstance(frame, bytes), frame
            heard += frame
    return heard


async def test_a_conversation_is_held_in_sound_alone() -> None:
    asked, size = question(), await answer_bytes()
    async with live_server(dialects=DIALECTS) as server:
        async with talking(server, "/pcm") as connection:
            first = await take_a_turn(connection, asked, size)
            await connection.send("a frame of text, which is no audio and ends nothing")
            second = await take_a_turn(connection, asked, size)
        assert (len(first), len(second)) == (size, size)
        assert any(first)
        async with RealtimeClient(server.url) as client:
            await ask(client)
            done = await client.receive_until("response.done")
            assert done.event["response"]["status"] == "completed"


async def secret_of(server: LiveServer, key: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/v1/realtime/client_secrets",
        data=b"",
        headers={"Authorization": f"Bearer {key}"},
    )

    def ask_for_it() -> str:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(json.load(answer)["value"])

    return await anyio.to_thread.run_sync(ask_for_it)


async def test_a_dialect_that_cannot_hold_a_client_to_its_secret_wants_a_key() -> None:
    async with live_server(dialects=DIALECTS, api_keys=["real-key"]) as server:
        secret = await secret_of(server, "real-key")
        async with talking(server, "/v1/realtime", additional_headers={"Authorization": f"Bearer {secret}"}):
            pass
        async with talking(server, "/pcm", additional_headers={"Authorization": "Bearer real-key"}):
            pass
        for key in (secret, "wrong"):
            with pytest.raises(InvalidStatus) as refused:
                async with talking(server, "/pcm", additional_headers={"Authorization": f"Bearer {key}"}):
                    pass
            assert refused.value.response.status_code == 401


async def test_a_path_speaks_its_own_subprotocols_alone() -> None:
    async with live_server(dialects=DIALECTS) as server:
        both = [Subprotocol("voice.v1"), Subprotocol("pcm16")]
        async with talking(server, "/pcm16", subprotocols=both) as connection:
            assert connection.subprotocol == "pcm16"
        for offered in ([Subprotocol("voice.v1")], None):
            with pytest.raises(InvalidStatus) as refused:
                async with talking(server, "/pcm16", subprotocols=offered):
                    pass
            assert refused.value.response.status_code == 400
            assert json.loads(refused.value.response.body)["error"]["code"] == "unknown_subprotocol"
