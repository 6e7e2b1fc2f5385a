"""Ink against its fake: what it hears, pieces that bring their spaces, and every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.providers.cartesia.ink import CartesiaInk, InkSettings
from stages.providers.sockets.listening import SocketRecogniser
from stages.testing.contracts import check_recogniser
from stages.testing.servers.cartesia import KEY, FakeInk
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions
from tests.support.hosted import SENTENCE, hear, outcome
from tests.support.patience import PATIENCE_S, deadline_s

CODED = CodedWords(SENTENCE)


def ink(url: str, final_s: float = 3.0) -> CartesiaInk:
    return CartesiaInk(
        InkSettings(api_key=SecretStr(KEY), url=url, model="ink-2", final_s=final_s, connect_s=0.5)
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, final_s: float = 3.0
) -> AsyncIterator[tuple[SocketRecogniser, FakeServer]]:
    async with serving(FakeInk(CODED), faults) as server:
        async with ink(server.url, final_s).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async def check(recogniser: SocketRecogniser) -> None:
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeInk(CODED)) as server:
        await check_sessions(ink(server.url), check)


async def test_pieces_bring_their_own_spaces_and_words_their_times() -> None:
    async with session() as (recogniser, server):
        for _ in range(2):
            transcript = await hear(recogniser, CODED.samples())
            assert transcript.text == SENTENCE
            assert [word.start_ms for word in transcript.words] == list(range(0, 1100, 100))
        assert len(server.openings) == 1


async def test_pieces_that_were_final_come_again_after_a_cut_and_count_once() -> None:
    async with session(Faults(cut_after=12, connections=1)) as (recogniser, server):
        assert (await hear(recogniser, CODED.samples())).text == SENTENCE
        assert len(server.openings) == 2


OUTCOMES = {
    "refused 401": "ProviderRejected auth",
    "refused 429": "ProviderBusy rate",
    "refused 500": "ProviderError server",
    "refused in band": "ProviderRejected auth",
    "silent": "ProviderTimeout timeout",
    "reset always": "ProviderError network",
    "garbage": "ProviderError protocol",
    "no acknowledgement": "ProviderTimeout timeout",
}


@pytest.mark.parametrize("name", EVERY_FAULT)
async def test_every_fault_ends_in_the_text_or_in_a_typed_error_in_time(name: str) -> None:
    async with session(EVERY_FAULT[name], final_s=deadline_s(OUTCOMES.get(name, ""))) as (recogniser, _):
        with anyio.fail_after(PATIENCE_S):
            assert await outcome(recogniser, CODED) == OUTCOMES.get(name, SENTENCE)
