"""Scribe against its fake: what it hears, short utterances, and every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.ports import SpeechHints
from stages.providers.elevenlabs.scribe import ElevenLabsScribe, ScribeSettings
from stages.providers.sockets.listening import SocketRecogniser
from stages.testing.contracts import check_recogniser
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.elevenlabs import KEY, FakeScribe
from stages.testing.servers.faults import EVERY_FAULT, NONE, Acknowledge, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions
from tests.support.hosted import SENTENCE, hear, outcome
from tests.support.patience import PATIENCE_S, deadline_s

CODED = CodedWords(SENTENCE)


def scribe(url: str, final_s: float = 3.0) -> ElevenLabsScribe:
    return ElevenLabsScribe(
        ScribeSettings(
            api_key=SecretStr(KEY), url=url, model="scribe_v2_realtime", final_s=final_s, connect_s=0.5
        )
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, final_s: float = 3.0
) -> AsyncIterator[tuple[SocketRecogniser, FakeServer]]:
    async with serving(FakeScribe(CODED), faults) as server:
        async with scribe(server.url, final_s).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async def check(recogniser: SocketRecogniser) -> None:
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeScribe(CODED)) as server:
        await check_sessions(scribe(server.url), check)


async def test_a_short_word_is_not_refused_and_times_are_those_of_the_stream() -> None:
    async with session() as (recogniser, _):
        assert (await hear(recogniser, CODED.samples("noon"))).text == "noon"
        transcript = await hear(recogniser, CODED.samples())
        assert [word.start_ms for word in transcript.words] == list(range(0, 1100, 100))


async def test_an_answer_that_comes_twice_is_not_heard_twice() -> None:
    async with session(Faults(acknowledge=Acknowledge.TWICE)) as (recogniser, _):
        for _ in range(3):
            assert (await hear(recogniser, CODED.samples())).text == SENTENCE


async def test_phrases_that_are_too_long_for_the_service_are_left_out() -> None:
    async with session() as (recogniser, server):
        recogniser.open(hints=SpeechHints(None, ("Reykjavik", "x" * 21))).close()
        with anyio.fail_after(PATIENCE_S):
            await server.until(lambda server: any("keyterms" in opening.query for opening in server.openings))
        assert server.openings[-1].query["keyterms"] == ["Reykjavik"]


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
