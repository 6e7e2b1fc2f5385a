"""Nova against its fake: what it hears, and what becomes of an utterance under every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from pydantic import SecretStr

from stages.errors import ProviderTimeout
from stages.ports import Partial, SpeechHints
from stages.providers.deepgram.nova import DeepgramNova, NovaSettings
from stages.providers.sockets.listening import SocketRecogniser
from stages.testing.contracts import check_recogniser
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.deepgram import KEY, FakeNova
from stages.testing.servers.faults import EVERY_FAULT, NONE, Acknowledge, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions
from tests.support.hosted import SENTENCE, hear, outcome
from tests.support.patience import PATIENCE_S, deadline_s

CODED = CodedWords(SENTENCE)


@asynccontextmanager
async def session(
    faults: Faults = NONE, key: str = KEY, final_s: float = 3.0
) -> AsyncIterator[tuple[SocketRecogniser, FakeServer]]:
    async with serving(FakeNova(CODED), faults) as server:
        settings = NovaSettings(api_key=SecretStr(key), url=server.url, model="nova-3", final_s=final_s)
        async with DeepgramNova(settings).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async def check(recogniser: SocketRecogniser) -> None:
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeNova(CODED)) as server:
        settings = NovaSettings(api_key=SecretStr(KEY), url=server.url, model="nova-3")
        await check_sessions(DeepgramNova(settings), check)


async def test_words_have_times_in_the_utterance() -> None:
    async with session() as (recogniser, _):
        for _ in range(2):  # the connection's clock goes on, the utterance's begins again
            transcript = await hear(recogniser, CODED.samples())
            assert [word.text for word in transcript.words] == SENTENCE.split()
            assert [word.start_ms for word in transcript.words] == list(range(0, 1100, 100))
            assert transcript.confidence == pytest.approx(0.9)


async def test_final_pieces_are_stable_and_guesses_are_not() -> None:
    partials: list[Partial] = []
    async with session() as (recogniser, _):
        await hear(recogniser, CODED.samples(), partials)
    assert Partial("What time is", "What time is") in partials
    assert Partial("What time is it", "What time is") in partials


async def test_one_connection_serves_one_utterance_after_the_other() -> None:
    async with session() as (recogniser, server):
        for _ in range(3):
            await hear(recogniser, CODED.samples())
        assert len(server.openings) == 1


async def test_an_utterance_that_is_dropped_is_not_heard_in_the_next() -> None:
    async with session(Faults(acknowledge=Acknowledge.LATE)) as (recogniser, _):
        dropped = recogniser.open()
        dropped.push(CODED.samples("Reykjavik noon"))
        await anyio.sleep(0.1)
        dropped.close()
        assert (await hear(recogniser, CODED.samples())).text == SENTENCE


async def test_hints_choose_the_connection() -> None:
    async with session() as (recogniser, server):
        recognition = recogniser.open(hints=SpeechHints("de", ("Reykjavik",)))
        recognition.push(CODED.samples())
        assert (await recognition.final()).text == SENTENCE
        recognition.close()
        assert server.openings[-1].query["language"] == ["de"]
        assert server.openings[-1].query["keyterm"] == ["Reykjavik"]


RECOVERS = SENTENCE
OUTCOMES = {
    "refused 401": "ProviderRejected auth",
    "refused 429": "ProviderBusy rate",
    "refused 500": "ProviderError server",
    "refused in band": "ProviderRejected bad_audio",
    "silent": "ProviderTimeout timeout",
    "reset always": "ProviderError network",
    "garbage": "ProviderError protocol",
    "no acknowledgement": "ProviderTimeout timeout",
}
"""Of the faults that cannot be mended; all others end in the whole sentence, each word once."""


@pytest.mark.parametrize("name", EVERY_FAULT)
async def test_every_fault_ends_in_the_text_or_in_a_typed_error_in_time(name: str) -> None:
    faults = EVERY_FAULT[name]
    async with session(faults, final_s=deadline_s(OUTCOMES.get(name, ""))) as (recogniser, _):
        with anyio.fail_after(PATIENCE_S):
            assert await outcome(recogniser, CODED) == OUTCOMES.get(name, RECOVERS)


async def test_nobody_there() -> None:
    async with serving(FakeNova(CODED)) as server:
        url = server.url
    settings = NovaSettings(api_key=SecretStr(KEY), url=url, model="nova-3")
    async with DeepgramNova(settings).session() as recogniser:
        assert await outcome(recogniser, CODED) == "ProviderError network"


async def test_after_a_timeout_the_same_utterance_can_be_asked_again() -> None:
    """The service forgets one answer; the audio is still there, and goes to a new connection."""
    async with session(Faults(acknowledge=Acknowledge.NEVER, connections=1), final_s=2.0) as (recogniser, _):
        recognition = recogniser.open()
        recognition.push(CODED.samples())
        with pytest.raises(ProviderTimeout):
            await recognition.final()
        assert (await recognition.final()).text == SENTENCE
        recognition.close()


async def test_a_connection_outlives_a_long_silence_of_the_person() -> None:
    """The service closes idle connections; this one after half a second."""
    async with serving(FakeNova(CODED, idle_s=0.5)) as server:
        settings = NovaSettings(api_key=SecretStr(KEY), url=server.url, model="nova-3", keep_alive_s=0.1)
        async with DeepgramNova(settings).session() as recogniser:
            await hear(recogniser, CODED.samples())
            await anyio.sleep(1.2)
            assert (await hear(recogniser, CODED.samples())).text == SENTENCE
        assert len(server.openings) == 1


async def test_silence_is_no_text() -> None:
    async with session() as (recogniser, server):
        assert (await hear(recogniser, np.zeros(16_000, np.int16))).text == ""
        assert (await hear(recogniser, CODED.samples())).text == SENTENCE
        assert len(server.openings) == 1
