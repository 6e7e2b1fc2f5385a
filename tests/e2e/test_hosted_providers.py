"""A whole conversation with hosted providers behind sockets: heard by one service, spoken by another."""

import base64

import numpy as np
import pytest
from pydantic import SecretStr

from audio.resample import Resampler
from server.app import App
from server.client.client import RealtimeClient
from server.config.environment import load_settings
from server.config.providers import Providers
from stages.providers.deepgram.aura import AuraSettings, DeepgramAura
from stages.providers.deepgram.nova import DeepgramNova, NovaSettings
from stages.testing.fakes import EchoModel
from stages.testing.servers import deepgram
from stages.testing.servers.coded import CodedWords, said
from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.serving import serving

pytestmark = pytest.mark.e2e

QUESTION = "What time is it in Reykjavik?"
RATE_HZ = 24_000


@pytest.mark.parametrize("hearing", [NONE, Faults(cut_after=3, connections=2)], ids=["well", "cut"])
async def test_a_turn_is_heard_by_one_service_and_answered_by_another(hearing: Faults) -> None:
    coded = CodedWords(QUESTION)
    key = SecretStr(deepgram.KEY)
    async with serving(deepgram.FakeNova(coded), hearing) as ears, serving(deepgram.FakeAura()) as mouth:
        providers = Providers(
            DeepgramNova(NovaSettings(api_key=key, url=ears.url, model="nova-3")),  # type: ignore[arg-type]  # a view
            EchoModel(),
            DeepgramAura(AuraSettings(api_key=key, url=mouth.url, model="aura-2-thalia-en")),  # type: ignore[arg-type]
            ("deepgram", "echo", "deepgram"),
        )
        app = App(load_settings({"port": 0}, env_file=None), providers)
        async with app.listening() as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
            async with RealtimeClient(url) as client:
                await client.send(
                    "session.update",
                    session={"type": "realtime", "audio": {"input": {"turn_detection": None}}},
                )
                audio = Resampler(coded.rate_hz, RATE_HZ).process(coded.samples(), last=True)
                await client.send(
                    "input_audio_buffer.append", audio=base64.b64encode(audio.tobytes()).decode()
                )
                await client.send("input_audio_buffer.commit")
                await client.send("response.create")
                done = await client.receive_until("response.done")
                assert done.event["response"]["status"] == "completed", done.event
                spoken = client.call.texts("response.output_audio_transcript.done", "transcript")
                assert spoken == [f"You said: {QUESTION}"]
                heard = said(client.call.samples().astype(np.int16), rate_hz=RATE_HZ)
                assert f"You said: {QUESTION}" in heard
        await ears.left_alone()
        await mouth.left_alone()
