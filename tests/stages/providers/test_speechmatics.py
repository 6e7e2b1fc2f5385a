"""Speechmatics against its fake: what it hears, and what becomes of an utterance under every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from stages.ports import Partial, SpeechHints
from stages.providers.sockets.listening import SocketRecogniser
from stages.providers.speechmatics import Speechmatics as Provider
from stages.providers.speechmatics import SpeechmaticsSettings as Settings
from stages.testing.contracts import check_recogniser
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Acknowledge, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.servers.speechmatics import KEY
from stages.testing.servers.speechmatics import FakeSpeechmatics as Fake
from stages.testing.session_contracts import check_sessions
from tests.support.hosted import SENTENCE, hear, outcome
from tests.support.patience import PATIENCE_S, deadline_s

CODED = CodedWords(SENTENCE)


def provider(url: str, key: str = KEY, final_s: float = 3.0) -> Provider:
    return Provider(
        Settings(api_key=SecretStr(key), url=f"{url}/v2/", model="enhanced", final_s=final_s, connect_s=0.5)
    )


@asynccontextmanager
async def session(
    faults: Faults = NONE, key: str = KEY, final_s: float = 3.0
) -> AsyncIterator[tuple[SocketRecogniser, FakeServer]]:
    async with serving(Fake(CODED), faults) as server:
        async with provider(server.url, key, final_s).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async def check(recogniser: SocketRecogniser) -> None:
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(Fake(CODED)) as server:
        await check_sessions(provider(server.url), check)


async def test_words_have_times_in_the_utterance() -> None:
    async with session() as (recogniser, server):
        for _ in range(2):  # the connection's clock goes on, the utterance's begins again
            transcript = await hear(recogniser, CODED.samples())
            assert [word.text for word in transcript.words] == SENTENCE.split()
            assert [word.start_ms for word in transcript.words] == list(range(0, 1100, 100))
        assert len(server.openings) == 1


async def test_final_pieces_are_stable_and_guesses_are_not() -> None:
    partials: list[Partial] = []
    async with session() as (recogniser, _):
        await hear(recogniser, CODED.samples(), partials)
    assert Partial("What time is", "What time is") in partials
    assert Partial("What time is it", "What time is") in partials


async def test_an_utterance_that_is_dropped_is_not_heard_in_the_next() -> None:
    async with session(Faults(acknowledge=Acknowledge.LATE)) as (recogniser, _):
        dropped = recogniser.open()
        dropped.push(CODED.samples("Reykjavik noon"))
        await anyio.sleep(0.1)
        dropped.close()
        assert (await hear(recogniser, CODED.samples())).text == SENTENCE


async def test_hints_go_with_the_first_message_of_a_connection() -> None:
    async with session() as (recogniser, server):
        recognition = recogniser.open(hints=SpeechHints("de", ("Reykjavik",)))
        recognition.push(CODED.samples())
        assert (await recognition.final()).text == SENTENCE
        recognition.close()
        first = str(server.sent(len(server.openings) - 1)[0].message)
        assert '"de"' in first
        assert '"Reykjavik"' in first
        assert all(KEY not in str(opening.query) for opening in server.openings)


async def test_a_wrong_key_is_an_error_that_does_not_tell_it() -> None:
    async with session(key="wrong-key-1") as (recogniser, _):
        assert await outcome(recogniser, CODED) == "ProviderRejected auth"
        assert "wrong-key-1" not in f"{recogniser.__dict__}"


OUTCOMES = {
    "refused 401": "ProviderRejected auth",
    "refused 429": "ProviderBusy rate",
    "refused 500": "ProviderError server",
    "refused in band": "ProviderRejected auth",
    "silent": "ProviderTimeout timeout",
    "reset always": "ProviderError network",
    "garbage": "ProviderError protocol",
}
"""Of the faults that cannot be mended; all others end in the whole sentence, each word once."""


@pytest.mark.parametrize("name", EVERY_FAULT)
async def test_every_fault_ends_in_the_text_or_in_a_typed_error_in_time(name: str) -> None:
    ends = "timeout, with what it has" if name == "no acknowledgement" else OUTCOMES.get(name, "")
    async with session(EVERY_FAULT[name], final_s=deadline_s(ends, 2.0)) as (recogniser, _):
        with anyio.fail_after(PATIENCE_S):
            assert await outcome(recogniser, CODED) == OUTCOMES.get(name, SENTENCE)


async def test_nobody_there() -> None:
    async with serving(Fake(CODED)) as server:
        url = server.url
    async with provider(url).session() as recogniser:
        assert await outcome(recogniser, CODED) == "ProviderError network"
