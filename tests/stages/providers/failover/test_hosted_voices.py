"""Chains of real adapters against their fakes: under every fault of the first, each word is spoken once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from stages.providers.deepgram.aura import AuraSettings, DeepgramAura
from stages.providers.elevenlabs.voice import ElevenLabsVoice, ElevenLabsVoiceSettings
from stages.providers.failover.voice import FailoverVoice
from stages.testing.fakes import ScriptedVoice
from stages.testing.servers.coded import said
from stages.testing.servers.deepgram import KEY as DEEPGRAM_KEY
from stages.testing.servers.deepgram import FakeAura
from stages.testing.servers.elevenlabs import KEY as ELEVENLABS_KEY
from stages.testing.servers.elevenlabs import FakeElevenLabsVoice
from stages.testing.servers.faults import EVERY_FAULT, Faults
from stages.testing.servers.serving import serving
from tests.support.hosted import sound, speak
from tests.support.virtual_network import on_virtual_network

PIECES = ("Good morning.", " How are you today?", " It is a fine day.")
RATE_HZ = 8000


@asynccontextmanager
async def eleven_labs_first(faults: Faults) -> AsyncIterator[FailoverVoice]:
    async with serving(FakeElevenLabsVoice(), faults) as server:
        first = ElevenLabsVoice(
            ElevenLabsVoiceSettings(
                api_key=SecretStr(ELEVENLABS_KEY),
                url=server.url,
                model="eleven_flash_v2_5",
                voice="abc",
                sample_rate=RATE_HZ,
            )
        )
        providers: dict[str, Any] = {"first": first, "second": ScriptedVoice()}
        async with FailoverVoice.of(providers).session() as voice:
            yield voice


@pytest.mark.parametrize("name", EVERY_FAULT)
@on_virtual_network
async def test_each_word_is_spoken_once_whatever_befalls_the_first(name: str) -> None:
    async with eleven_labs_first(EVERY_FAULT[name]) as voice:
        speeches = await speak(voice, *PIECES)
    assert [word.text for speech in speeches for word in speech.words] == "".join(PIECES).split()


@on_virtual_network
async def test_without_word_times_a_whole_piece_is_the_next_one_s() -> None:
    async with serving(FakeAura(), EVERY_FAULT["zero audio"]) as bad, serving(FakeAura()) as good:
        chain: dict[str, Any] = {
            name: DeepgramAura(
                AuraSettings(
                    api_key=SecretStr(DEEPGRAM_KEY),
                    url=server.url,
                    model="aura-2-thalia-en",
                    sample_rate=RATE_HZ,
                )
            )
            for name, server in (("bad", bad), ("good", good))
        }
        async with FailoverVoice.of(chain).session() as voice:
            speeches = await speak(voice, *PIECES)
    assert said(sound(speeches), rate_hz=RATE_HZ) == "".join(PIECES)


async def test_what_a_voice_speaks_is_known_in_a_session_too() -> None:
    async with eleven_labs_first(Faults()) as voice:
        assert voice.capabilities.languages == ("*",)
        assert voice.capabilities.word_times
