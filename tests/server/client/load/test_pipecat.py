"""Pipecat's protobuf messages: what is written is what its own serialiser reads, and the other way round."""

import base64
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from server.client.load.calls.place import Place
from server.client.load.calls.runner import Load, Runner
from server.client.load.calls.turns import Outcome
from server.client.load.hearing.mouth import Voicebox
from server.client.load.hearing.utterance import hush, prepare
from server.client.load.pipecat import Pipecat, audio_frame, message_frame, text_frame
from server.client.load.reference.agent import tone
from server.client.load.script import Mix
from server.client.load.targets import find_target
from server.client.load.wire import Audio, Mark, Order, Trouble
from tests.server.client.load.booth import SAY, scenario, virtual_calls

RIVAL = Path(__file__).parents[4] / ".venv-pipecat" / "bin" / "python"
"""The environment that `scripts/bench-density` makes."""

SAMPLES = np.arange(-160, 160, dtype=np.int16)

WITH_PIPECAT = """
import asyncio, base64, json, sys
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame, OutputTransportMessageFrame, StartFrame
from pipecat.frames.frames import TextFrame, TranscriptionFrame
from pipecat.serializers.protobuf import ProtobufFrameSerializer


async def main():
    serialiser = ProtobufFrameSerializer()
    await serialiser.setup(StartFrame(audio_in_sample_rate=16000, audio_out_sample_rate=16000))
    samples = base64.b64decode(sys.argv[1])
    said = [
        OutputAudioRawFrame(audio=samples, sample_rate=16000, num_channels=1),
        OutputAudioRawFrame(audio=samples, sample_rate=16000, num_channels=2),
        InterruptionFrame(),
        TextFrame("h\\u00e9"),
        TranscriptionFrame(text="hi", user_id="u", timestamp="t"),
        OutputTransportMessageFrame(message={"label": "rtvi-ai", "type": "bot-stopped-speaking"}),
        OutputTransportMessageFrame(message={"label": "rtvi-ai", "type": "error", "data": {"error": "no model"}}),
    ]
    told = [base64.b64encode(await serialiser.serialize(frame)).decode() for frame in said]
    heard = []
    for written in sys.argv[2:]:
        frame = await serialiser.deserialize(base64.b64decode(written))
        audio = base64.b64encode(getattr(frame, "audio", b"")).decode()
        about = [getattr(frame, name, None) for name in ("sample_rate", "num_channels", "text", "message")]
        heard.append([type(frame).__name__, audio, *about])
    print(json.dumps({"told": told, "heard": heard}))


asyncio.run(main())
"""


def test_pipecats_own_serialiser_reads_what_is_written_and_is_read() -> None:
    if not RIVAL.exists():
        pytest.skip("Pipecat is not installed; scripts/bench-density makes its environment, .venv-pipecat")
    written = [audio_frame(SAMPLES, 16_000), text_frame("hé"), message_frame("send-text", {"content": "hi"})]
    words = [base64.b64encode(one).decode() for one in (SAMPLES.tobytes(), *written)]
    done = subprocess.run([RIVAL, "-c", WITH_PIPECAT, *words], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    audio, text, message = answer["heard"]
    assert (audio[0], base64.b64decode(audio[1]), audio[2:4]) == (
        "InputAudioRawFrame",
        SAMPLES.tobytes(),
        [16_000, 1],
    )
    assert (text[0], text[4]) == ("TextFrame", "hé")
    assert "send-text" in json.dumps(message[5])
    heard = [Pipecat().hear(base64.b64decode(one)) for one in answer["told"]]
    assert np.array_equal(samples(heard[0]), SAMPLES)
    assert np.array_equal(samples(heard[1]), SAMPLES[::2])
    assert heard[2:] == [(Order.FLUSH,), (), (), (Mark("answer done"),), (Trouble("no model"),)]


def samples(sounds: Any) -> Any:
    (sound,) = sounds
    assert isinstance(sound, Audio)
    return sound.samples


def test_what_is_written_is_read() -> None:
    assert np.array_equal(samples(Pipecat().hear(Pipecat.prepare(SAMPLES))), SAMPLES)
    assert Pipecat().hear(text_frame("hello")) == ()
    assert Pipecat().hear("a text") == ()
    assert Pipecat().hear(b"") == ()


def test_audio_of_another_rate_is_resampled() -> None:
    target, got = Pipecat(), []
    for piece in np.split(tone(400), 20):
        got += [samples([sound]) for sound in target.hear(audio_frame(piece, 24_000))]
    assert sum(map(len, got)) == pytest.approx(6_400, abs=100)
    assert find_target("pipecat:24000").rate_hz == 24_000


@pytest.mark.parametrize(
    "message",
    [
        Pipecat.prepare(SAMPLES)[:-3],
        b"\x12",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0f\x00",
        b"\x12\x02\x18\x05",
        b"\x12\x04\x20\x00\x28\x01",
        b"\x12\x07\x1a\x03\x01\x02\x03\x20\x01",
        b'"\x03\n\x01{',
        b"\x12\x00",
    ],
)
def test_what_is_no_frame_raises_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Pipecat().hear(message)


@asynccontextmanager
async def bot() -> AsyncIterator[str]:
    """Waits for a silence after a voice, and then speaks; as Pipecat's bots do, without saying when it has ended."""

    async def hold(connection: ServerConnection) -> None:
        is_voiced, silent = False, 0
        async for message in connection:
            for sound in Pipecat().hear(message):
                if not isinstance(sound, Audio):
                    continue
                is_loud = bool(np.abs(sound.samples.astype(int)).max() > 1000)
                is_voiced, silent = is_voiced or is_loud, 0 if is_loud else silent + 1
                if is_voiced and silent == 10:
                    is_voiced = False
                    await connection.send(message_frame("bot-started-speaking", {}))
                    for _ in range(10):
                        await connection.send(audio_frame(tone(40)[: 960 * 2 // 3], 16_000))

    async with serve(hold, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


@virtual_calls
async def test_a_bot_is_talked_to_and_heard() -> None:
    one = scenario(SAY, think_ms=(0, 0))
    mix = Mix(scenarios=(one,))
    box = Voicebox(hush(Pipecat, 1), {(one.name, 0): prepare(Pipecat, tone(300), 24_000)})
    async with bot() as url:
        runner = Runner(Place(url, Pipecat), mix, box, Load(10.0, times_s=(0.0,)), seed=1)
        (call,) = (await runner.run()).calls
    (turn,) = call.turns
    assert turn.outcome is Outcome.HELD
    assert turn.answer_ms == pytest.approx(400, abs=2)
    assert [name for _, name in turn.marks] == ["answer spoken"]
    assert not call.troubles
