"""Ink with turns against its fake: early ends, no times, and every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from pydantic import SecretStr, ValidationError

from stages.ports import (
    TurnBegan,
    TurnEndsEarly,
    TurnOver,
    TurnResumed,
    TurnsFailed,
)
from stages.providers.cartesia.ink_turns import CartesiaInkTurns, InkTurnsSettings
from stages.providers.sockets.turn_listening import SocketTurnRecogniser
from stages.testing.servers.cartesia import KEY, FakeInkTurns
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_turn_recogniser
from tests.support.hosted import SENTENCE, Told, push
from tests.support.patience import PATIENCE_S

CODED = CodedWords(SENTENCE)
END = np.zeros(16_000, np.int16)


@asynccontextmanager
async def session(faults: Faults = NONE) -> AsyncIterator[tuple[SocketTurnRecogniser, FakeServer]]:
    async with serving(FakeInkTurns(CODED), faults) as server:
        settings = InkTurnsSettings(api_key=SecretStr(KEY), url=server.url, model="ink-2", connect_s=0.5)
        async with CartesiaInkTurns(settings).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


async def test_the_contract() -> None:
    async def check(recogniser: SocketTurnRecogniser) -> None:
        await check_turn_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeInkTurns(CODED)) as server:
        settings = InkTurnsSettings(api_key=SecretStr(KEY), url=server.url, model="ink-2")
        await check_sessions(CartesiaInkTurns(settings), check)


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
    assert 16_000 <= began.at_sample <= over.at_sample <= 16_000 + 17_600 + 16_000


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
    with pytest.raises(ValidationError, match="must hold"):
        InkTurnsSettings(api_key=SecretStr("k"), model="m", end_threshold=0.45)
