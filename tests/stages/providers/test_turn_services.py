"""Services with turns of their own, in the modes that leave the ends to them: the contract, the words, every fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest
from pydantic import SecretStr

from stages.ports import TurnBegan, TurnHeard, TurnOver, TurnsFailed
from stages.providers.sockets.turn_listening import SocketTurnRecogniser
from stages.providers.soniox.turns import SonioxTurns, SonioxTurnsSettings
from stages.providers.speechmatics_turns import SpeechmaticsTurns, SpeechmaticsTurnsSettings
from stages.testing.servers import soniox, speechmatics
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_turn_recogniser
from tests.support.hosted import SENTENCE, Told, push
from tests.support.patience import PATIENCE_S

CODED = CodedWords(SENTENCE)
END = np.zeros(16_000, np.int16)


def made_soniox(url: str) -> SonioxTurns:
    return SonioxTurns(
        SonioxTurnsSettings(
            api_key=SecretStr(soniox.KEY),
            url=f"{url}/transcribe-websocket",
            model="stt-rt-v5",
            max_endpoint_delay_ms=500,
            connect_s=0.5,
        )
    )


def made_speechmatics(url: str) -> SpeechmaticsTurns:
    return SpeechmaticsTurns(
        SpeechmaticsTurnsSettings(
            api_key=SecretStr(speechmatics.KEY), url=f"{url}/v2/agent", model="linden-1", connect_s=0.5
        )
    )


SERVICES: dict[str, tuple[Any, Any]] = {
    "soniox": (soniox.FakeSonioxTurns, made_soniox),
    "speechmatics": (speechmatics.FakeSpeechmaticsAgent, made_speechmatics),
}
each_service = pytest.mark.parametrize("service", SERVICES)


@asynccontextmanager
async def session(service: str, faults: Faults = NONE) -> AsyncIterator[SocketTurnRecogniser]:
    fake, made = SERVICES[service]
    async with serving(fake(CODED), faults) as server:
        async with made(server.url).session() as recogniser:
            yield recogniser
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


@each_service
async def test_the_contract(service: str) -> None:
    fake, made = SERVICES[service]

    async def check(recogniser: SocketTurnRecogniser) -> None:
        await check_turn_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(fake(CODED)) as server:
        await check_sessions(made(server.url), check)


@each_service
async def test_turns_follow_each_other_and_each_has_its_own_words(service: str) -> None:
    told = Told()
    async with session(service) as recogniser:
        stream = recogniser.open_turns(told)
        await push(stream, END, CODED.samples("What time"), END, CODED.samples("is it in Reykjavik"), END)
        await told.until(TurnOver, 2)
        stream.close()
    over = [event for event in told.events if isinstance(event, TurnOver)]
    assert [event.transcript.text for event in over] == ["What time", "is it in Reykjavik"]
    began = [event.at_sample for event in told.events if isinstance(event, TurnBegan)]
    assert 16_000 <= began[0] < over[0].at_sample <= began[1] < over[1].at_sample
    assert told.of(TurnHeard)


async def test_soniox_s_words_have_times() -> None:
    told = Told()
    async with session("soniox") as recogniser:
        stream = recogniser.open_turns(told)
        await push(stream, CODED.samples("What time"), END)
        await told.until(TurnOver)
        stream.close()
    [over] = told.of(TurnOver)
    assert isinstance(over, TurnOver)
    assert [word.text for word in over.transcript.words] == ["What", "time"]
    assert all(word.start_ms <= word.end_ms for word in over.transcript.words)


FAILS = {
    "refused 401": "auth",
    "refused 429": "rate",
    "refused 500": "server",
    "refused in band": "auth",
    "silent": "timeout",
    "reset always": "network",
    "garbage": "protocol",
}


CASES = [
    (service, name)
    for service in SERVICES
    for name in EVERY_FAULT
    # Who does not greet is not known to be dumb before somebody speaks: the session's own detector then ends the turn.
    if name != "no acknowledgement" and (service, name) != ("soniox", "silent")
]


@pytest.mark.parametrize(("service", "name"), CASES)
async def test_every_fault_ends_in_one_turn_or_in_a_typed_error(service: str, name: str) -> None:
    told = Told()
    async with session(service, EVERY_FAULT[name]) as recogniser:
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
