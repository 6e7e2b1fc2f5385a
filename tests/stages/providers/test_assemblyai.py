"""AssemblyAI against its fake: turns that end once, however often the service says so, and every fault."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from pydantic import SecretStr

from audio.formats import Samples
from stages.ports import SpeechHints, TurnBegan, TurnEvent, TurnHeard, TurnOver, TurnsFailed, TurnStream
from stages.providers.assemblyai import AssemblyAI, AssemblyAISettings
from stages.providers.sockets.turn_listening import SocketTurnRecogniser
from stages.testing.servers.assemblyai import KEY, FakeAssemblyAI
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_turn_recogniser
from tests.support.hosted import SENTENCE, frames
from tests.support.patience import PATIENCE_S

CODED = CodedWords(SENTENCE)
END = np.zeros(16_000, np.int16)
OLDER, NEWER = "universal-streaming-english", "universal-3-6-pro"


class Told:
    """The events of a stream."""

    def __init__(self) -> None:
        self.events: list[TurnEvent] = []
        self._changed = anyio.Event()

    def __call__(self, event: TurnEvent) -> None:
        self.events.append(event)
        self._changed.set()
        self._changed = anyio.Event()

    def overs(self) -> list[TurnOver]:
        return [event for event in self.events if isinstance(event, TurnOver)]

    def failures(self) -> list[object]:
        return [getattr(event.error, "kind", None) for event in self.events if isinstance(event, TurnsFailed)]

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not condition() and not self.failures():
                await self._changed.wait()

    async def until_over(self) -> None:
        await self.until(lambda: bool(self.overs()))


def provider(url: str, model: str = OLDER, key: str = KEY) -> AssemblyAI:
    return AssemblyAI(AssemblyAISettings(api_key=SecretStr(key), url=url, model=model, connect_s=0.5))


@asynccontextmanager
async def session(
    faults: Faults = NONE, model: str = OLDER, key: str = KEY
) -> AsyncIterator[tuple[SocketTurnRecogniser, FakeServer]]:
    async with serving(FakeAssemblyAI(CODED), faults) as server:
        async with provider(server.url, model, key).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def push(stream: TurnStream, *audio: Samples) -> None:
    for samples in audio:
        for frame in frames(samples):
            stream.push(frame)
            await anyio.sleep(0.001)


@pytest.mark.parametrize("model", [OLDER, NEWER])
async def test_the_contract(model: str) -> None:
    async def check(recogniser: SocketTurnRecogniser) -> None:
        await check_turn_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeAssemblyAI(CODED)) as server:
        await check_sessions(provider(server.url, model), check)


async def test_a_turn_lies_where_it_was_spoken() -> None:
    told = Told()
    async with session() as (recogniser, _):
        stream = recogniser.open_turns(told)
        await push(stream, END, CODED.samples(), END)
        await told.until_over()
        stream.close()
    began, over = told.events[0], told.overs()[0]
    assert isinstance(began, TurnBegan)
    assert began.at_sample == 16_000
    assert abs(over.at_sample - (16_000 + 17_600)) < 2000
    assert over.transcript.text == SENTENCE
    assert [word.start_ms for word in over.transcript.words] == list(range(0, 1100, 100))
    assert any(isinstance(event, TurnHeard) for event in told.events)


async def test_a_turn_can_be_ended_from_here() -> None:
    told = Told()
    async with session() as (recogniser, _):
        stream = recogniser.open_turns(told)
        await push(stream, CODED.samples("What time is it"), np.zeros(1600, np.int16))
        await told.until(lambda: any(isinstance(event, TurnHeard) for event in told.events))
        stream.end_turn()
        await told.until_over()
    assert told.overs()[0].transcript.text == "What time is it"


async def test_what_is_known_of_the_speech_is_said() -> None:
    async with session(model="universal-streaming-multilingual") as (recogniser, server):
        stream = recogniser.open_turns(Told(), hints=SpeechHints("de", ("Reykjavik",)))
        with anyio.fail_after(PATIENCE_S):
            await server.until(lambda server: any(one.one("keyterms_prompt") for one in server.openings))
        stream.close()
    opening = server.openings[-1]
    assert json.loads(opening.one("language_codes")) == ["de"]
    assert json.loads(opening.one("keyterms_prompt")) == ["Reykjavik"]


async def test_a_wrong_key_is_refused_after_the_upgrade() -> None:
    told = Told()
    async with session(key="wrong") as (recogniser, _):
        stream = recogniser.open_turns(told)
        await push(stream, CODED.samples(), END)
        await told.until_over()
    assert told.failures() == ["auth"]


FAILS = {
    "refused 401": "auth",
    "refused 429": "rate",
    "refused 500": "server",
    "refused in band": "auth",
    "silent": "timeout",
    "reset always": "network",
    "garbage": "protocol",
}


@pytest.mark.parametrize("name", [name for name in EVERY_FAULT if name != "no acknowledgement"])
async def test_every_fault_ends_in_one_turn_or_in_a_typed_error(name: str) -> None:
    told = Told()
    async with session(EVERY_FAULT[name]) as (recogniser, _):
        stream = recogniser.open_turns(told)
        await push(stream, CODED.samples(), END)
        with anyio.fail_after(PATIENCE_S):
            await told.until_over()
        await anyio.sleep(0.05)
    texts = [over.transcript.text for over in told.overs()]
    if name in FAILS:
        assert (told.failures(), texts) == ([FAILS[name]], [])
    else:
        assert (told.failures(), texts) == ([], [SENTENCE])
