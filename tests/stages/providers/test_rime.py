"""Rime against its fake: pieces, barge-in, and every fault."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.errors import ProviderError
from stages.providers.rime import RimeSettings, RimeVoice
from stages.providers.sockets.speaking import SocketVoice
from stages.testing.servers.coded import said
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.rime import KEY, FakeRime
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_utterances
from tests.support.hosted import sound, speak
from tests.support.patience import PATIENCE_S, deadline_s

PIECES = ("Good morning.", " How are you today?")
SPOKEN = "Good morning.  How are you today? "
RATE_HZ = 8000


def settings(url: str, audio_s: float = 5.0) -> RimeSettings:
    return RimeSettings(
        api_key=SecretStr(KEY),
        url=url,
        connect_s=0.5,
        model="mistv2",
        voice="abc",
        voices=("xyz",),
        sample_rate=RATE_HZ,
        audio_s=audio_s,
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, audio_s: float = 5.0
) -> AsyncIterator[tuple[SocketVoice, FakeServer]]:
    async with serving(FakeRime(), faults) as server:
        async with RimeVoice(settings(server.url, audio_s)).session() as voice:
            yield voice, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async with serving(FakeRime()) as server:
        await check_sessions(RimeVoice(settings(server.url)), check_utterances)


@pytest.mark.parametrize("faults", [NONE, Faults(audio_after_cancel=True)])
async def test_a_barge_in_is_one_message_and_nothing_of_it_is_in_the_next_answer(faults: Faults) -> None:
    async with session(faults) as (voice, server):
        for _ in range(3):
            async with voice.utterance() as utterance:
                await utterance.push("A long sentence that is cut short. " * 5)
                async with aclosing(utterance.audio()) as audio:
                    await anext(audio)
            assert said(sound(await speak(voice, *PIECES)), rate_hz=RATE_HZ) == SPOKEN
        assert [frame.data.get("operation") for frame in server.sent()].count("clear") == 3


FAILS = {
    "refused 401": "auth",
    "refused 429": "rate",
    "refused 500": "server",
    "refused in band": "server",
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
