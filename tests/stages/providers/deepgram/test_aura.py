"""Aura against its fake: text in pieces, barge-in, the limit of flushes, and every fault."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.errors import ProviderError
from stages.providers.deepgram.aura import IN_PIECES, NEW_ANSWERS, AuraSettings, DeepgramAura, FlushBudget
from stages.providers.sockets.speaking import SocketVoice
from stages.testing.servers.coded import said
from stages.testing.servers.deepgram import KEY, FakeAura
from stages.testing.servers.faults import EVERY_FAULT, NONE, Acknowledge, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_utterances
from tests.support.hosted import barge_in, sound, speak
from tests.support.patience import PATIENCE_S, deadline_s

PIECES = ("Good morning.", " How are you today?")
RATE_HZ = 8000


def settings(url: str, audio_s: float = 5.0) -> AuraSettings:
    return AuraSettings(
        api_key=SecretStr(KEY),
        url=url,
        model="aura-2-thalia-en",
        voices={"Orion": "aura-2-orion-en"},
        sample_rate=RATE_HZ,
        audio_s=audio_s,
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, audio_s: float = 5.0
) -> AsyncIterator[tuple[SocketVoice, FakeServer]]:
    async with serving(FakeAura(), faults) as server:
        async with DeepgramAura(settings(server.url, audio_s)).session() as voice:
            yield voice, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async with serving(FakeAura()) as server:
        await check_sessions(DeepgramAura(settings(server.url)), check_utterances)


async def test_what_is_pushed_is_spoken_each_word_once() -> None:
    async with session() as (voice, _):
        speeches = await speak(voice, *PIECES)
    assert said(sound(speeches), rate_hz=RATE_HZ) == "".join(PIECES)


async def test_the_second_piece_is_said_to_begin_where_it_does() -> None:
    async with session() as (voice, _):
        speeches = await speak(voice, *PIECES)
    at, begins = 0, {}
    for speech in speeches:
        if speech.begins is not None:
            begins[speech.begins] = at
        at += len(speech.samples)
    assert begins == {len(PIECES[0]): len(PIECES[0]) * RATE_HZ // 20}


async def test_a_barge_in_reaches_the_service_in_a_few_turns_of_the_loop() -> None:
    async with session() as (voice, server):
        assert await barge_in(voice, server, lambda frame: frame.data == {"type": "Clear"}) < 20


@pytest.mark.parametrize(
    "faults",
    [
        NONE,
        Faults(audio_after_cancel=True),
        Faults(acknowledge=Acknowledge.LATE),
        Faults(acknowledge=Acknowledge.TWICE),
    ],
)
async def test_nothing_of_a_cancelled_answer_is_in_the_next(faults: Faults) -> None:
    async with session(faults) as (voice, _):
        for _ in range(3):
            async with voice.utterance() as utterance:
                await utterance.push("Something else entirely, and long. " * 3)
                async with aclosing(utterance.audio()) as audio:
                    await anext(audio)
            assert said(sound(await speak(voice, *PIECES)), rate_hz=RATE_HZ) == "".join(PIECES)


async def test_many_pieces_stay_within_the_limit_of_flushes() -> None:
    """The fake complains about the 21st of a connection."""
    pieces = [f" Sentence number {number}." for number in range(30)]
    async with session() as (voice, server):
        for _ in range(2):
            assert said(sound(await speak(voice, *pieces)), rate_hz=RATE_HZ) == "".join(pieces)
        for _ in range(8):  # an answer is heard from its first sentence, however many there were before
            await barge_in(voice, server, lambda frame: frame.data == {"type": "Clear"})
        assert server.open_connections <= 4


def test_the_budget_is_of_a_minute() -> None:
    budget = FlushBudget()
    for now in range(IN_PIECES):
        assert budget.has(now, IN_PIECES)
        budget.spend(now)
    assert not budget.has(20, IN_PIECES)
    assert budget.has(20, NEW_ANSWERS)
    assert not budget.has(59.9, IN_PIECES)
    assert budget.has(60, IN_PIECES)


FAILS = {
    "refused 401": "auth",
    "refused 429": "rate",
    "refused 500": "server",
    "refused in band": "bad_request",
    "silent": "timeout",
    "reset once": "network",
    "closed 1011 once": "server",
    "reset always": "network",
    "garbage": "protocol",
    "no acknowledgement": "timeout",
    "zero audio": "no_audio",
}
"""Those that cannot be mended, or that come in the middle of the audio."""


@pytest.mark.parametrize("name", EVERY_FAULT)
async def test_every_fault_ends_in_the_audio_or_in_a_typed_error_in_time(name: str) -> None:
    async with session(EVERY_FAULT[name], audio_s=deadline_s(FAILS.get(name, ""))) as (voice, _):
        try:
            with anyio.fail_after(PATIENCE_S):
                outcome = said(sound(await speak(voice, *PIECES)), rate_hz=RATE_HZ)
        except ProviderError as error:
            outcome = error.kind or ""
    assert outcome == FAILS.get(name, "".join(PIECES))
