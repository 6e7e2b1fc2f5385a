"""Soniox against its fake: streams, word times, barge-in, and every fault."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.errors import ProviderError
from stages.providers.sockets.speaking import SocketVoice
from stages.providers.soniox.tts import SonioxVoice, SonioxVoiceSettings
from stages.testing.servers.coded import said
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.servers.soniox import KEY, FakeSonioxVoice
from stages.testing.session_contracts import check_sessions, check_utterances
from tests.support.hosted import sound, speak
from tests.support.patience import PATIENCE_S, deadline_s

PIECES = ("Good morning.", " How are you today?")
SPOKEN = "".join(PIECES)
RATE_HZ = 8000


def settings(url: str, audio_s: float = 5.0) -> SonioxVoiceSettings:
    return SonioxVoiceSettings(
        api_key=SecretStr(KEY),
        url=f"{url}/tts-websocket",
        connect_s=0.5,
        model="tts-rt-v1",
        voice="abc",
        voices=("xyz",),
        sample_rate=RATE_HZ,
        audio_s=audio_s,
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, audio_s: float = 5.0
) -> AsyncIterator[tuple[SocketVoice, FakeServer]]:
    async with serving(FakeSonioxVoice(), faults) as server:
        async with SonioxVoice(settings(server.url, audio_s)).session() as voice:
            yield voice, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async with serving(FakeSonioxVoice()) as server:
        await check_sessions(SonioxVoice(settings(server.url)), check_utterances)


async def test_words_lie_where_they_are_spoken() -> None:
    async with session() as (voice, _):
        speeches = await speak(voice, *PIECES)
    words = [word for speech in speeches for word in speech.words]
    assert [word.text for word in words] == "".join(PIECES).split()
    char = RATE_HZ // 20
    assert [word.start_sample for word in words] == [SPOKEN.index(word.text) * char for word in words]


@pytest.mark.parametrize("faults", [NONE, Faults(audio_after_cancel=True)])
async def test_a_barge_in_is_one_message_and_nothing_of_it_is_in_the_next_answer(faults: Faults) -> None:
    async with session(faults) as (voice, server):
        for _ in range(3):
            async with voice.utterance() as utterance:
                await utterance.push("A long sentence that is cut short. " * 5)
                async with aclosing(utterance.audio()) as audio:
                    await anext(audio)
            assert said(sound(await speak(voice, *PIECES)), rate_hz=RATE_HZ) == SPOKEN
        assert len([frame for frame in server.sent() if frame.data.get("cancel")]) == 3


FAILS = {
    "refused 401": "auth",
    "refused 429": "rate",
    "refused 500": "server",
    "refused in band": "auth",
    "silent": "timeout",
    "reset once": "network",
    "closed 1011 once": "server",
    "reset always": "network",
    "garbage once": "protocol",
    "garbage": "protocol",
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
