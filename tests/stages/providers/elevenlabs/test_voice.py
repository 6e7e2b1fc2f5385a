"""ElevenLabs' voices against their fake: contexts, word times, barge-in, and every fault."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.errors import ProviderError
from stages.providers.elevenlabs.voice import ElevenLabsVoice, ElevenLabsVoiceSettings
from stages.providers.sockets.speaking import SocketVoice
from stages.testing.servers.coded import said
from stages.testing.servers.elevenlabs import KEY, FakeElevenLabsVoice
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_utterances
from tests.support.hosted import barge_in, sound, speak
from tests.support.patience import PATIENCE_S, deadline_s

PIECES = ("Good morning.", " How are you today?")
SPOKEN = "Good morning.  How are you today? "
RATE_HZ = 8000


def settings(url: str, audio_s: float = 5.0) -> ElevenLabsVoiceSettings:
    return ElevenLabsVoiceSettings(
        api_key=SecretStr(KEY),
        url=url,
        model="eleven_flash_v2_5",
        voice="abc",
        voices={"Rachel": "xyz"},
        sample_rate=RATE_HZ,
        audio_s=audio_s,
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, audio_s: float = 5.0
) -> AsyncIterator[tuple[SocketVoice, FakeServer]]:
    async with serving(FakeElevenLabsVoice(), faults) as server:
        async with ElevenLabsVoice(settings(server.url, audio_s)).session() as voice:
            yield voice, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async with serving(FakeElevenLabsVoice()) as server:
        await check_sessions(ElevenLabsVoice(settings(server.url)), check_utterances)


async def test_words_lie_where_they_are_spoken() -> None:
    async with session() as (voice, _):
        speeches = await speak(voice, *PIECES)
    words = [word for speech in speeches for word in speech.words]
    assert [word.text for word in words] == "".join(PIECES).split()
    char = RATE_HZ // 20
    assert [word.start_sample for word in words] == [SPOKEN.index(word.text) * char for word in words]


async def test_barge_ins_in_quick_succession_stay_within_the_limit_of_contexts() -> None:
    """What was flushed is spoken to its end whether or not it was cancelled; the fake closes at the sixth context."""
    async with session() as (voice, server):
        for _ in range(8):
            async with voice.utterance() as utterance:
                await utterance.push("A long sentence that is cut short. " * 5)
                async with aclosing(utterance.audio()) as audio:
                    await anext(audio)
        assert said(sound(await speak(voice, *PIECES)), rate_hz=RATE_HZ) == SPOKEN
        assert sum(bool(frame.data.get("close_context")) for frame in server.sent()) == 9


async def test_a_barge_in_reaches_the_service_in_a_few_turns_of_the_loop() -> None:
    async with session() as (voice, server):
        assert await barge_in(voice, server, lambda frame: bool(frame.data.get("close_context"))) < 20


FAILS = {
    "refused 401": "auth",
    "refused 429": "rate",
    "refused 500": "server",
    "refused in band": "auth",
    "silent": "timeout",
    "reset once": "network",
    "closed 1011 once": "server",
    "reset always": "network",
    "garbage": "protocol",
    "garbage once": "protocol",
    "no acknowledgement": "timeout",
    "zero audio": "no_audio",
}


@pytest.mark.parametrize("name", EVERY_FAULT)
async def test_every_fault_ends_in_the_audio_or_in_a_typed_error_in_time(name: str) -> None:
    async with session(EVERY_FAULT[name], audio_s=deadline_s(FAILS.get(name, ""))) as (voice, _):
        try:
            with anyio.fail_after(PATIENCE_S):
                outcome = said(sound(await speak(voice, *PIECES)), rate_hz=RATE_HZ)
        except ProviderError as error:
            outcome = error.kind or ""
    assert outcome == FAILS.get(name, SPOKEN)
