"""Flux against its fake: turns with early ends, reconnects in the middle of one, and every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from pydantic import SecretStr, ValidationError

from audio.formats import Samples
from stages.ports import (
    TurnBegan,
    TurnEndsEarly,
    TurnEvent,
    TurnOver,
    TurnResumed,
    TurnsFailed,
    TurnStream,
)
from stages.providers.deepgram.flux import DeepgramFlux, FluxSettings
from stages.providers.sockets.turn_listening import SocketTurnRecogniser
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.deepgram import KEY, FakeFlux
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_turn_recogniser
from tests.support.hosted import SENTENCE, frames
from tests.support.patience import PATIENCE_S

CODED = CodedWords(SENTENCE)
END = np.zeros(16_000, np.int16)


class Told:
    """The events of a stream."""

    def __init__(self) -> None:
        self.events: list[TurnEvent] = []
        self._changed = anyio.Event()

    def __call__(self, event: TurnEvent) -> None:
        self.events.append(event)
        self._changed.set()
        self._changed = anyio.Event()

    def of(self, kind: type) -> list[TurnEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type, times: int = 1) -> None:
        with anyio.fail_after(PATIENCE_S):
            while len(self.of(kind)) < times and not self.of(TurnsFailed):
                await self._changed.wait()


@asynccontextmanager
async def session(faults: Faults = NONE) -> AsyncIterator[tuple[SocketTurnRecogniser, FakeServer]]:
    async with serving(FakeFlux(CODED), faults) as server:
        settings = FluxSettings(
            api_key=SecretStr(KEY), url=server.url, model="flux-general-en", connect_s=0.5
        )
        async with DeepgramFlux(settings).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def push(stream: TurnStream, *audio: Samples) -> None:
    for samples in audio:
        for frame in frames(samples):
            stream.push(frame)
            await anyio.sleep(0.001)


async def test_the_contract() -> None:
    async def check(recogniser: SocketTurnRecogniser) -> None:
        await check_turn_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeFlux(CODED)) as server:
        settings = FluxSettings(api_key=SecretStr(KEY), url=server.url, model="flux-general-en")
        await check_sessions(DeepgramFlux(settings), check)


async def test_a_turn_from_its_beginning_to_its_end() -> None:
    told = Told()
    async with session() as (recogniser, _):
        stream = recogniser.open_turns(told)
        await push(stream, END, CODED.samples(), END)
        await told.until(TurnOver)
        stream.close()
        stream.close()
    early, over = told.of(TurnEndsEarly)[0], told.of(TurnOver)[0]
    assert isinstance(early, TurnEndsEarly)
    assert isinstance(over, TurnOver)
    assert early.transcript == over.transcript
    assert over.transcript.text == SENTENCE
    began = told.events[0]
    assert isinstance(began, TurnBegan)
    assert abs(began.at_sample - 16_000) < 2000
    assert abs(over.at_sample - (16_000 + 17_600 + 8000)) < 2500
    assert [word.text for word in over.transcript.words] == SENTENCE.split()


async def test_an_early_end_is_taken_back_when_the_person_goes_on() -> None:
    told, pause = Told(), np.zeros(5000, np.int16)
    async with session() as (recogniser, _):
        stream = recogniser.open_turns(told)
        await push(stream, CODED.samples("What time"), pause, CODED.samples("is it in Reykjavik"), END)
        await told.until(TurnOver)
    kinds = [
        type(event) for event in told.events if isinstance(event, TurnEndsEarly | TurnResumed | TurnOver)
    ]
    assert kinds == [TurnEndsEarly, TurnResumed, TurnEndsEarly, TurnOver]


async def test_a_turn_can_be_ended_from_here() -> None:
    told = Told()
    async with session() as (recogniser, _):
        stream = recogniser.open_turns(told)
        stream.end_turn()  # there is none
        await push(stream, CODED.samples("What time is"))
        await told.until(TurnBegan)
        stream.end_turn()
        await told.until(TurnOver)
        assert not told.of(TurnEndsEarly)


async def test_positions_go_on_over_a_reconnect() -> None:
    told = Told()
    async with session(Faults(cut_after=3, connections=1)) as (recogniser, server):
        stream = recogniser.open_turns(told)
        await push(stream, END, CODED.samples(), END)
        await told.until(TurnOver)
        assert len(server.openings) == 2
    over = told.of(TurnOver)[0]
    assert isinstance(over, TurnOver)
    assert over.transcript.text == SENTENCE
    assert abs(over.at_sample - (16_000 + 17_600 + 8000)) < 2500
    assert len(told.of(TurnBegan)) == len(told.of(TurnOver)) == 1


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
            await told.until(TurnOver)
        await anyio.sleep(0.05)
    failed = [getattr(event.error, "kind", None) for event in told.events if isinstance(event, TurnsFailed)]
    texts = [event.transcript.text for event in told.events if isinstance(event, TurnOver)]
    if name in FAILS:
        assert (failed, texts) == ([FAILS[name]], [])
    else:
        assert (failed, texts) == ([], [SENTENCE])


def test_thresholds_must_be_in_order() -> None:
    with pytest.raises(ValidationError, match="must not be above"):
        FluxSettings(api_key=SecretStr("k"), model="m", eot_threshold=0.5, eager_eot_threshold=0.6)
