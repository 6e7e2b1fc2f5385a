"""A recogniser that finds the ends of turns itself, over sockets: early ends, resumptions and ends as they come."""

import base64
import random

import anyio
import numpy as np
import pytest
from pydantic import SecretStr

from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler
from server import VoiceServer
from server.client.client import RealtimeClient
from stages.providers.deepgram.flux import DeepgramFlux, FluxSettings
from stages.testing.fakes import EchoModel, ScriptedVoice
from stages.testing.servers import deepgram
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.serving import serving

pytestmark = pytest.mark.e2e

WORDS = "zero one two three four five six seven eight nine ten eleven"
RATE_HZ = 24_000
HEARD = "conversation.item.input_audio_transcription.completed"


class Loud:
    """A detector that takes for a voice what is loud."""

    rate_hz = SPEECH_HZ
    frame_samples = SPEECH_HZ // 50

    def open(self) -> "Loud":
        return self

    def score(self, frame: Samples) -> float:
        return float(np.abs(frame).max() > 1000)

    def reset(self) -> None:
        """It remembers nothing."""


def spoken(coded: CodedWords, seed: int) -> Samples:
    """The words, with pauses between them: too short to be noticed, an early end that is taken back, or an end."""
    chance = random.Random(seed)
    pieces = []
    for word in coded.words:
        pause_s = chance.choice((0.0, 0.0, 0.3, 0.4, 0.8))
        pieces += [coded.samples(word), np.zeros(int(pause_s * coded.rate_hz), np.int16)]
    pieces.append(np.zeros(2 * coded.rate_hz, np.int16))
    return Resampler(coded.rate_hz, RATE_HZ).process(np.concatenate(pieces), last=True)


@pytest.mark.parametrize(
    ("seed", "faults"), [(1, NONE), (2, NONE), (3, Faults(cut_after=4, connections=1))], ids=["1", "2", "cut"]
)
async def test_every_word_is_in_one_turn_and_every_turn_has_one_answer(seed: int, faults: Faults) -> None:
    coded = CodedWords(WORDS, word_ms=200)  # long enough for an interruption
    async with serving(deepgram.FakeFlux(coded), faults) as ears:
        settings = FluxSettings(api_key=SecretStr(deepgram.KEY), url=ears.url, model="flux-general-en")
        server = VoiceServer(
            stt=DeepgramFlux(settings), llm=EchoModel, tts=ScriptedVoice, vad=Loud(), end_of_turn="none"
        )
        async with server.listening(port=0) as listening, RealtimeClient(listening.url) as client:
            await client.show_transcripts()
            audio = spoken(coded, seed)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_speak, client, audio)
                heard, created, committed = list[str](), 0, 0
                while len(heard) < len(coded.words):
                    received = await client.receive()
                    assert received is not None, client.close_reason
                    type = received.event["type"]
                    created += type == "response.created"
                    committed += type == "input_audio_buffer.committed"
                    heard += received.event["transcript"].split() if type == HEARD else []
                tasks.cancel_scope.cancel()
            assert heard == list(coded.words)
            assert created <= committed
        await ears.left_alone()


async def _speak(client: RealtimeClient, audio: Samples) -> None:
    size = RATE_HZ // 50
    for start in range(0, len(audio), size):
        data = audio[start : start + size].tobytes()
        await client.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())
        await anyio.sleep(0.018)
